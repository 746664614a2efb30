import assert from "assert";
import { ViewerError } from "../../src/session/session_api.ts";
import { OFFERS, SESSION_OFFERS } from "../../src/signalling/limits.ts";
import { limitOffers } from "../../src/signalling/offer_limit.ts";
import { FakeSessions } from "../support/parts/fake_sessions.ts";
import { ManualClock } from "../support/parts/signalling_set_up.ts";

const { perSecond: OFFERS_PER_SECOND, burst: OFFERS_AT_ONCE = 0 } = OFFERS;
const { perSecond: SESSION_OFFERS_PER_SECOND, burst: SESSION_OFFERS_AT_ONCE = 0 } = SESSION_OFFERS;
const LISTENER = { state() {}, message: () => true, notice() {}, ended() {} };

/** Limited sessions, and what becomes of offers. */
function setUp() {
  const clock = new ManualClock();
  const sessions = new FakeSessions();
  const limited = limitOffers(sessions, clock);
  /** How long to wait, or what else became of it. */
  const offer = async (sessionId: string): Promise<number | string> => {
    try {
      await limited.join(
        { sessionId, sdp: "", params: {}, reachedHost: "203.0.113.7" },
        LISTENER,
      );
      return "in";
    } catch (error) {
      assert(error instanceof ViewerError);
      return error.code === "too_many_offers" ? error.retryAfterMs ?? 0 : error.code;
    }
  };
  const offers = async (count: number, name: (at: number) => string) => {
    let taken = 0;
    for (let at = 0; at < count; at++) if (await offer(name(at)) === "in") taken++;
    return taken;
  };
  return { clock, sessions, offer, offers };
}

Deno.test("limitOffers: one session that offers on and on does not keep another out", async () => {
  const { clock, sessions, offer, offers } = setUp();
  assert.equal(await offers(150, () => "loud"), SESSION_OFFERS_AT_ONCE);
  assert.equal(await offer("quiet"), "in");
  const waitMs = await offer("loud");
  assert.equal(waitMs, 1000 / SESSION_OFFERS_PER_SECOND);
  clock.advance(Number(waitMs));
  assert.equal(await offer("loud"), "in");
  assert.notEqual(await offer("loud"), "in");
  assert.equal(sessions.requests.length, SESSION_OFFERS_AT_ONCE + 2);
});

Deno.test("limitOffers: sessions that are opened without end keep nobody out of those that are watched", async () => {
  const { sessions, offer, offers } = setUp();
  sessions.watched.add("main");
  assert.equal(await offers(2 * OFFERS_AT_ONCE, (at) => `session-${at}`), OFFERS_AT_ONCE);
  assert.notEqual(await offer("another"), "in");
  assert.equal(await offer("main"), "in");
});

Deno.test("limitOffers: all sessions together have a limit too, and come in again after it", async () => {
  const { clock, offers } = setUp();
  const name = (at: number) => `session-${at}`;
  assert.equal(await offers(2 * OFFERS_AT_ONCE, name), OFFERS_AT_ONCE);
  clock.advance(1000);
  assert.equal(await offers(2 * OFFERS_AT_ONCE, name), OFFERS_PER_SECOND);
  clock.advance(3_600_000);
  assert.equal(await offers(2 * OFFERS_AT_ONCE, name), OFFERS_AT_ONCE);
});

Deno.test("limitOffers: a refused offer costs its session nothing", async () => {
  const { clock, offers, offer } = setUp();
  await offers(OFFERS_AT_ONCE, (at) => `session-${at}`);
  for (let turn = 0; turn < 100; turn++) assert.notEqual(await offer("late"), "in");
  clock.advance(1000);
  assert.equal(await offers(OFFERS_PER_SECOND, () => "late"), SESSION_OFFERS_AT_ONCE);
});

Deno.test("limitOffers: offers that cannot be used take no place of others", async () => {
  const { sessions, offer, offers } = setUp();
  for (const code of ["bad_sdp", "unsupported_codec"] as const) {
    sessions.gate = () => Promise.reject(new ViewerError(code, "No"));
    for (let at = 0; at < 2 * OFFERS_AT_ONCE; at++) assert.equal(await offer("main"), code);
  }
  // One that is good and finds no renderer has cost what the limit is for.
  sessions.gate = () => Promise.reject(new ViewerError("renderer_failed", "No"));
  assert.equal(await offer("main"), "renderer_failed");
  sessions.gate = () => Promise.resolve();
  assert.equal(await offers(2 * SESSION_OFFERS_AT_ONCE, () => "main"), SESSION_OFFERS_AT_ONCE - 1);
});

Deno.test("limitOffers: offers that cannot be used are still refused when they come too fast at once", async () => {
  const { sessions, offer } = setUp();
  const { promise, reject } = Promise.withResolvers<void>();
  sessions.gate = () => promise;
  const pending = Array.from({ length: SESSION_OFFERS_AT_ONCE }, () => offer("main"));
  assert.notEqual(await offer("main"), "bad_sdp");
  reject(new ViewerError("bad_sdp", "No"));
  assert.deepEqual(new Set(await Promise.all(pending)), new Set(["bad_sdp"]));
});

Deno.test("limitOffers: viewers are resumed and found as if there were no limit", async () => {
  const clock = new ManualClock();
  const sessions = new FakeSessions();
  const limited = limitOffers(sessions, clock);
  const request = { sessionId: "demo", sdp: "", params: {}, reachedHost: "203.0.113.7" };
  const { id } = await limited.join(request, LISTENER);
  assert.equal(limited.resume("demo", id, LISTENER).id, id);
  assert.equal(limited.find("demo", "nobody"), undefined);
});
