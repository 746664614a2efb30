import type { Clock } from "../base/clock.ts";
import { takeFromAll, TokenBucket } from "../base/token_bucket.ts";
import { type SessionApi, ViewerError } from "../session/session_api.ts";
import { OFFERS, SESSION_OFFERS } from "./limits.ts";

/**
 * Charges one offer to each allowance.
 * @throws {ViewerError} `too_many_offers` if one of them is used up; then none is charged.
 */
export function takeOffer(allowances: readonly TokenBucket[], nowMs: number): void {
  const retryAfterMs = takeFromAll(allowances, nowMs);
  if (retryAfterMs > 0) {
    const message = "Too many offers; try again later";
    throw new ViewerError("too_many_offers", message, { retryAfterMs });
  }
}

/**
 * Limits offers to `sessions` to {@link OFFERS} and {@link SESSION_OFFERS}. Unusable offers open nothing and do not
 * count.
 */
export function limitOffers(sessions: SessionApi, clock: Clock): SessionApi {
  // A client that keeps opening sessions must not block offers to open ones.
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

/** Whether the offer itself was refused, before anything was opened for it. */
function isUnusable(error: unknown): boolean {
  return error instanceof ViewerError &&
    (error.code === "bad_sdp" || error.code === "unsupported_codec");
}

/**
 * Removes full buckets. This bounds the map to the burst of {@link OFFERS} plus a few seconds' offers, because only
 * sessions with recent offers stay in it.
 */
function forgetWhole(sessions: Map<string, TokenBucket>, nowMs: number): void {
  for (const [id, allowance] of sessions) if (allowance.isFull(nowMs)) sessions.delete(id);
}
