import type { Clock } from "../base/clock.ts";
import { type SessionDoor, ViewerError } from "../session/door.ts";
import {
  OFFERS_AT_ONCE,
  OFFERS_PER_SECOND,
  SESSION_OFFERS_AT_ONCE,
  SESSION_OFFERS_PER_SECOND,
} from "./limits.ts";

/** Something of which so much comes back every second, up to a most. Pure: times are arguments. */
class Allowance {
  readonly #perSecond: number;
  readonly #most: number;
  #left: number;
  #atMs: number;

  constructor(size: { readonly perSecond: number; readonly most: number }, nowMs: number) {
    this.#perSecond = size.perSecond;
    this.#most = size.most;
    this.#left = size.most;
    this.#atMs = nowMs;
  }

  /** How long until one can be taken, in milliseconds; 0 when one can be now. */
  waitMs(nowMs: number): number {
    const seconds = Math.max(0, nowMs - this.#atMs) / 1000;
    this.#atMs = nowMs;
    this.#left = Math.min(this.#most, this.#left + seconds * this.#perSecond);
    return this.#left >= 1 ? 0 : Math.ceil((1 - this.#left) / this.#perSecond * 1000);
  }

  take(): void {
    this.#left -= 1;
  }

  isWhole(nowMs: number): boolean {
    this.waitMs(nowMs);
    return this.#left === this.#most;
  }
}

/** Lets offers through to `door` as fast as {@link OFFERS_PER_SECOND} and its companions say. */
export function limitOffers(door: SessionDoor, clock: Clock): SessionDoor {
  const all = new Allowance(
    { perSecond: OFFERS_PER_SECOND, most: OFFERS_AT_ONCE },
    clock.now(),
  );
  const sessions = new Map<string, Allowance>();
  return {
    join(request, listener, options) {
      const nowMs = clock.now();
      forgetWhole(sessions, nowMs);
      const own = sessions.get(request.sessionId) ?? new Allowance(
        { perSecond: SESSION_OFFERS_PER_SECOND, most: SESSION_OFFERS_AT_ONCE },
        nowMs,
      );
      const retryAfterMs = Math.max(own.waitMs(nowMs), all.waitMs(nowMs));
      if (retryAfterMs > 0) {
        const message = "Offers come too fast; try again later";
        return Promise.reject(new ViewerError("too_many_offers", message, { retryAfterMs }));
      }
      sessions.set(request.sessionId, own);
      own.take();
      all.take();
      return door.join(request, listener, options);
    },
    resume: (...args) => door.resume(...args),
    find: (...args) => door.find(...args),
  };
}

/** The map holds no more than {@link OFFERS_AT_ONCE} and a few seconds' offers: a session needs offers to stay in it. */
function forgetWhole(sessions: Map<string, Allowance>, nowMs: number): void {
  for (const [id, allowance] of sessions) if (allowance.isWhole(nowMs)) sessions.delete(id);
}
