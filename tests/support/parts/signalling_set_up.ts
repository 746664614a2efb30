import assert from "assert";
import type { CancelTimer, Clock } from "../../../src/base/clock.ts";
import { NULL_LOGGER } from "../../../src/base/log.ts";
import type { AnyMeter } from "../../../src/base/meter.ts";
import { type SignallingSocket, ViewerConnection } from "../../../src/signalling/connection.ts";
import { CLOSE_LINGER_MS } from "../../../src/signalling/limits.ts";
import { FakeSessions, type FakeViewer } from "./fake_sessions.ts";

/** A clock that moves when a test says so. Wall-clock time begins at one million seconds after 1970. */
export class ManualClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<{ readonly dueMs: number; readonly fire: () => void }>();

  now(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1e9 + this.#nowMs;
  }

  after(delayMs: number, fire: () => void): CancelTimer {
    const timer = { dueMs: this.#nowMs + delayMs, fire };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Timers that have yet to fire. */
  get pending(): number {
    return this.#timers.size;
  }

  /**
   * Goes forward and fires what falls due, in order.
   * @param options `lateMs`: how late every timer fires.
   */
  advance(ms: number, { lateMs = 0 }: { lateMs?: number } = {}): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const [next] = [...this.#timers].sort((a, b) => a.dueMs - b.dueMs);
      if (next === undefined || next.dueMs + lateMs > untilMs) break;
      this.#timers.delete(next);
      this.#nowMs = next.dueMs + lateMs;
      next.fire();
    }
    this.#nowMs = untilMs;
  }
}

/** A socket that exists in memory only, and what its client got. */
export class FakeSocket implements SignallingSocket {
  waitingBytes = 0;
  readonly sent: Record<string, unknown>[] = [];
  closedWith: { readonly code: number; readonly reason: string } | undefined;

  bufferedBytes(): number {
    return this.waitingBytes;
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(code: number, reason: string): void {
    assert.equal(this.closedWith, undefined, "closed twice");
    this.closedWith = { code, reason };
  }

  /** Types of what was sent, and forgets it. */
  types(): unknown[] {
    return this.sent.splice(0).map(({ type }) => type);
  }
}

/** What a test of a connection may choose. */
export interface SetUpOptions {
  readonly sessionId?: string;
  readonly sessions?: FakeSessions;
}

/** One connection with everything around it. */
export interface ConnectionSetUp {
  readonly sessions: FakeSessions;
  readonly clock: ManualClock;
  readonly socket: FakeSocket;
  /** Codes that the refusals were counted under. */
  readonly refused: unknown[];
  readonly connection: ViewerConnection;
  /** Sends `message` as the client's JSON. */
  readonly say: (message: unknown) => void;
  /** The code that the socket was closed with, once the client had its time to read the error before it. */
  readonly closeCode: () => number | undefined;
}

/** Opens a connection on a socket that exists in memory only. */
export function setUpConnection(
  { sessionId = "main", sessions = new FakeSessions() }: SetUpOptions = {},
): ConnectionSetUp {
  const socket = new FakeSocket();
  const clock = new ManualClock();
  const refused: unknown[] = [];
  const meter: AnyMeter = {
    count: (name, labels) => name === "viewers_refused_total" && refused.push(labels?.code),
    gauge() {},
    observe() {},
  };
  const reachedHost = "203.0.113.7";
  const parts = { sessionId, reachedHost, sessions, clock, log: NULL_LOGGER, meter };
  const connection = new ViewerConnection(socket, parts);
  const say = (message: unknown) => connection.receive(JSON.stringify(message));
  const closeCode = () => {
    clock.advance(CLOSE_LINGER_MS);
    return socket.closedWith?.code;
  };
  return { sessions, clock, socket, refused, connection, say, closeCode };
}

/** Opens a connection and has its offer answered. */
export async function setUpJoined(
  options: SetUpOptions = {},
): Promise<ConnectionSetUp & { viewer: FakeViewer }> {
  const parts = setUpConnection(options);
  parts.say({ type: "offer", sdp: "v=0" });
  await settle();
  assert.deepEqual(parts.socket.types(), ["answer", "candidate", "state"]);
  return { ...parts, viewer: parts.sessions.latest };
}

/** Lets every promise that is ready go on. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** Holds the sessions' offers back until the function that it returns is called. */
export function holdOffers(sessions: FakeSessions): () => Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  sessions.gate = () => promise;
  return () => {
    resolve();
    return settle();
  };
}
