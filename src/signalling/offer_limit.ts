import type { Clock } from "../base/clock.ts";
import { takeFromAll, TokenBucket } from "../base/token_bucket.ts";
import { type SessionApi, ViewerError } from "../session/session_api.ts";
import { OFFERS, SESSION_OFFERS } from "./limits.ts";

/**
 * Takes one offer from each of these.
 * @throws {ViewerError} `too_many_offers` when one of them has none left; then none is taken from any.
 */
export function takeOffer(allowances: readonly TokenBucket[], nowMs: number): void {
  const retryAfterMs = takeFromAll(allowances, nowMs);
  if (retryAfterMs > 0) {
    const message = "Too many offers; try again later";
    throw new ViewerError("too_many_offers", message, { retryAfterMs });
  }
}

/**
 * Lets offers through to `sessions` as fast as {@link OFFERS} and {@link SESSION_OFFERS} say. What turns out to be no
 * usable offer opens nothing, and counts for nothing.
 */
export function limitOffers(sessions: SessionApi, clock: Clock): SessionApi {
  // Whoever opens sessions without end keeps nobody out of those that are open.
  const watched = new TokenBucket(OFFERS);
  const unwatched = new TokenBucket(OFFERS);
  const ofSession = new Map<string, TokenBucket>();
  return {
    async join(request, listener, options) {
      const nowMs = clock.now();
      forgetWhole(ofSession, nowMs);
      const own = ofSession.get(request.sessionId) ?? new TokenBucket(SESSION_OFFERS);
      const all = sessions.isWatched(request.sessionId) ? watched : unwatched;
      takeOffer([own, all], nowMs);
      ofSession.set(request.sessionId, own);
      try {
        return await sessions.join(request, listener, options);
      } catch (error) {
        if (isUnusable(error)) { for (const each of [own, all]) each.giveBack(); }
        throw error;
      }
    },
    resume: (...args) => sessions.resume(...args),
    find: (...args) => sessions.find(...args),
    isWatched: (...args) => sessions.isWatched(...args),
  };
}

/** Whether the offer itself was refused, which is known before anything is opened for it. */
function isUnusable(error: unknown): boolean {
  return error instanceof ViewerError &&
    (error.code === "bad_sdp" || error.code === "unsupported_codec");
}

/** The map holds no more than the burst of {@link OFFERS} and a few seconds' offers: a session needs offers to stay in it. */
function forgetWhole(sessions: Map<string, TokenBucket>, nowMs: number): void {
  for (const [id, allowance] of sessions) if (allowance.isFull(nowMs)) sessions.delete(id);
}
