import type { Clock } from "../base/clock.ts";
import { type SessionDoor, ViewerError } from "../session/door.ts";
import { Allowance } from "./allowance.ts";
import {
  OFFERS_AT_ONCE,
  OFFERS_PER_SECOND,
  SESSION_OFFERS_AT_ONCE,
  SESSION_OFFERS_PER_SECOND,
} from "./limits.ts";

/**
 * Takes one offer from each of these.
 * @throws {ViewerError} `too_many_offers` when one of them has none left; then none is taken from any.
 */
export function takeOffer(allowances: readonly Allowance[], nowMs: number): void {
  const retryAfterMs = Math.max(...allowances.map((allowance) => allowance.waitMs(nowMs)));
  if (retryAfterMs > 0) {
    const message = "Offers come too fast; try again later";
    throw new ViewerError("too_many_offers", message, { retryAfterMs });
  }
  for (const allowance of allowances) allowance.take();
}

/**
 * Lets offers through to `door` as fast as {@link OFFERS_PER_SECOND} and its companions say. What turns out to be no
 * usable offer opens nothing, and counts for nothing.
 */
export function limitOffers(door: SessionDoor, clock: Clock): SessionDoor {
  const all = new Allowance(
    { perSecond: OFFERS_PER_SECOND, most: OFFERS_AT_ONCE },
    clock.now(),
  );
  const sessions = new Map<string, Allowance>();
  return {
    async join(request, listener, options) {
      const nowMs = clock.now();
      forgetWhole(sessions, nowMs);
      const own = sessions.get(request.sessionId) ?? new Allowance(
        { perSecond: SESSION_OFFERS_PER_SECOND, most: SESSION_OFFERS_AT_ONCE },
        nowMs,
      );
      takeOffer([own, all], nowMs);
      sessions.set(request.sessionId, own);
      try {
        return await door.join(request, listener, options);
      } catch (error) {
        if (isUnusable(error)) { for (const each of [own, all]) each.giveBack(); }
        throw error;
      }
    },
    resume: (...args) => door.resume(...args),
    find: (...args) => door.find(...args),
  };
}

/** Whether the offer itself was refused, which is known before anything is opened for it. */
function isUnusable(error: unknown): boolean {
  return error instanceof ViewerError &&
    (error.code === "bad_sdp" || error.code === "unsupported_codec");
}

/** The map holds no more than {@link OFFERS_AT_ONCE} and a few seconds' offers: a session needs offers to stay in it. */
function forgetWhole(sessions: Map<string, Allowance>, nowMs: number): void {
  for (const [id, allowance] of sessions) if (allowance.isWhole(nowMs)) sessions.delete(id);
}
