import assert from "assert";
import type { Clock } from "../../src/base/clock.ts";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { NULL_METER } from "../../src/base/meter.ts";
import { ViewerError } from "../../src/session/session_api.ts";
import { type SignallingSocket, ViewerConnection } from "../../src/signalling/connection.ts";
import { ERROR_TABLE } from "../../src/signalling/refusals.ts";
import { CLOSE_LINGER_MS, QUEUED_MESSAGES_MAX } from "../../src/signalling/limits.ts";
import { FakeSessions } from "../support/parts/fake_sessions.ts";
import { ManualClock } from "../support/parts/signalling_set_up.ts";
import { Random } from "../support/random.ts";
import { fuzz, hostileText } from "./harness.ts";

/** Types of what a client may be told, in both dialects, and what this renderer says by itself. */
const KNOWN = new Set([
  ...["answer", "candidate", "resumed", "state", "message", "notice", "avatar"],
  ...["webrtc_answer", "webrtc_ice_candidate", "webrtc_state"],
  ...Object.keys(ERROR_TABLE),
]);
const CLOSE_CODES = new Set([
  1000,
  ...Object.values(ERROR_TABLE).map(({ closeCode }) => closeCode),
]);

/** Notes what is told, and what of it is wrong: an assertion would be taken for a failure of the sessions. */
class FuzzSocket implements SignallingSocket {
  waitingBytes = 0;
  /** Types of the messages since the client last spoke, codes in place of errors. */
  said: string[] = [];
  isClosed = false;
  readonly wrong: string[] = [];

  bufferedBytes(): number {
    return this.waitingBytes;
  }

  send(text: string): void {
    const { type, code } = JSON.parse(text);
    const word = type === "error" ? code : type;
    if (this.isClosed) this.wrong.push(`said ${word} after the end`);
    if (!KNOWN.has(word)) this.wrong.push(`said ${word}`);
    this.said.push(word);
  }

  close(code: number, reason: string): void {
    if (this.isClosed) this.wrong.push(`closed again: ${reason}`);
    if (!CLOSE_CODES.has(code)) this.wrong.push(`closed with ${code}`);
    this.isClosed = true;
  }
}

/** One connection in the middle of whatever happens around it. */
interface Connected {
  readonly connection: ViewerConnection;
  readonly socket: FuzzSocket;
  readonly sessions: FakeSessions;
  readonly clock: ManualClock;
  /** Lets offers that wait be answered, or refused. */
  readonly release: (random: Random) => void;
  /** Whether its messages have the names with a prefix. */
  readonly isPrefixed: boolean;
  /** Whether the socket broke off by itself. */
  isGone: boolean;
}

function open(random: Random): Connected {
  const sessions = new FakeSessions();
  const waiting: PromiseWithResolvers<void>[] = [];
  if (random.oneIn(3)) {
    sessions.gate = () => {
      const gate = Promise.withResolvers<void>();
      waiting.push(gate);
      return gate.promise;
    };
  }
  const socket = new FuzzSocket();
  const clock = new ManualClock();
  const connection = new ViewerConnection(socket, options(sessions, clock));
  const release = (random: Random) => {
    for (const gate of waiting.splice(0)) {
      if (random.oneIn(3)) gate.reject(refusal(random));
      else gate.resolve();
    }
  };
  return {
    connection,
    socket,
    sessions,
    clock,
    release,
    isPrefixed: random.oneIn(2),
    isGone: false,
  };
}

function options(sessions: FakeSessions, clock: Clock) {
  const shared = { sessions, clock, log: NULL_LOGGER, meter: NULL_METER };
  return { sessionId: "main", reachedHost: "203.0.113.7", ...shared };
}

function refusal(random: Random): Error {
  return random.oneIn(3) ? new Error("a defect") : new ViewerError(
    random.pick(["bad_sdp", "no_free_port", "internal"] as const),
    hostileText(random, 300),
    random.oneIn(2) ? { retryAfterMs: 100 } : {},
  );
}

/** Any JSON value, at most a few levels deep, but now and then very deep. */
function anyValue(random: Random, levels = 3): unknown {
  switch (random.below(levels === 0 ? 5 : 7)) {
    case 0:
      return random.pick([null, true, false, 0, -1, 1e308, 0.1]);
    case 1:
      return random.uint32();
    case 5:
      return Array.from({ length: random.below(4) }, () => anyValue(random, levels - 1));
    case 6:
      return Object.fromEntries(
        Array.from({ length: random.below(4) }, () => [
          random.pick([...FIELDS, hostileText(random)]),
          anyValue(random, levels - 1),
        ]),
      );
    default:
      return hostileText(random, random.oneIn(100) ? 5_000 : 40);
  }
}

const TYPES = ["offer", "offer", "candidate", "resume", "resume", "message", "message"];
const PREFIXED_TYPES = ["webrtc_offer", "webrtc_offer", "webrtc_ice_candidate", "text", "bye"];
const FIELDS = [
  ...["type", "sdp", "idle", "params", "viewer", "data", "user_id", "avatar_id"],
  ...["candidate", "sdpMid", "sdpMLineIndex", "usernameFragment", "__proto__", "toJSON"],
];

/** A message that is good, but for what is thrown in. */
function nearMessage(random: Random, { isPrefixed, sessions }: Connected): Record<string, unknown> {
  const type = random.oneIn(40)
    ? random.pick(["bye", "answer", "webrtc_answer", ""])
    : random.pick(isPrefixed ? PREFIXED_TYPES : TYPES);
  const line = "candidate:1 1 udp 1 192.0.2.1 9 typ host";
  const good = {
    type,
    sdp: random.oneIn(4) ? { type: "offer", sdp: "v=0" } : "v=0",
    candidate: random.oneIn(4) ? null : { candidate: line, sdpMid: "0", sdpMLineIndex: 0 },
    viewer: sessions.viewers.at(-1)?.id ?? "nobody",
    data: "hello",
    avatar_id: random.pick(["a", 7, "", null]),
  };
  if (isPrefixed || random.oneIn(4)) return { ...good, ...anyField(random) };
  return { ...good, sdp: "v=0", ...(random.oneIn(20) ? anyField(random) : {}) };
}

function anyField(random: Random): Record<string, unknown> {
  return random.oneIn(3) ? { [random.pick(FIELDS)]: anyValue(random) } : {};
}

function hostileMessage(random: Random, state: Connected): unknown {
  if (random.oneIn(400)) return `{"type":"offer","params":${"[".repeat(100_000)}`;
  if (random.oneIn(400)) {
    const depth = random.below(30_000);
    return `{"type":"offer","sdp":"v=0","params":{"a":${"[".repeat(depth)}${"]".repeat(depth)}}}`;
  }
  if (random.oneIn(400)) return "x".repeat(random.pick([262_144, 262_145, 400_000]));
  if (random.oneIn(100)) {
    return random.pick([new ArrayBuffer(3), new Uint8Array(3), undefined, hostileText(random)]);
  }
  const text = JSON.stringify(nearMessage(random, state));
  if (!random.oneIn(50)) return text;
  return new TextDecoder().decode(random.mutate(new TextEncoder().encode(text)));
}

/** What may happen between two messages. */
function happen(random: Random, state: Connected): void {
  const viewer = random.oneIn(2) ? state.sessions.viewers.at(-1) : state.sessions.viewers[0];
  switch (random.below(12)) {
    case 0:
      return state.release(random);
    case 1:
      return viewer?.become(
        random.pick(["connected", "disconnected", "failed", "closed"] as const),
      );
    case 2: {
      const value = { type: "avatar", value: anyValue(random) };
      return void viewer?.say(random.oneIn(2) ? hostileText(random) : JSON.stringify(value));
    }
    case 3: {
      const error = new ViewerError("renderer_failed", "The renderer failed");
      return random.oneIn(6) ? viewer?.end(random.oneIn(2) ? undefined : error) : undefined;
    }
    case 4:
      if (random.oneIn(6)) state.socket.waitingBytes = random.pick([0, 600_000, 2_000_000]);
      return;
    case 5:
      return state.clock.advance(random.below(200));
    case 6:
      if (!random.oneIn(20)) return;
      state.connection.disconnected(random.pick(["clean", "broken"]));
      state.isGone = true;
  }
}

/** An empty turn of all promises that the connection and its sessions chain. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await Promise.resolve();
}

/** The client is gone: nothing of it may be left. */
async function leave({ connection, release, clock, sessions }: Connected): Promise<void> {
  connection.disconnected("clean");
  release(new Random(0));
  await settled();
  clock.advance(CLOSE_LINGER_MS);
  assert.equal(clock.pending, 0, "a timer is left");
  assert.ok(sessions.viewers.every(({ fate }) => fate !== "attached"), "a viewer is left");
}

fuzz("ViewerConnection: no message throws, leaves a viewer behind, or is answered out of turn", {
  seed: 6,
  open: (random) => ({ client: open(random) }),
  async feed(state, random) {
    const { client } = state;
    client.socket.said = [];
    happen(random, client);
    client.connection.receive(hostileMessage(random, client));
    await settled();
    const attached = client.sessions.viewers.filter(({ fate }) => fate === "attached");
    // The one that the connection has, and one whose offer waits behind the gate.
    assert.ok(attached.length <= 2, `${attached.length} viewers are attached`);
    const { said, isClosed, wrong } = client.socket;
    assert.deepEqual(wrong, []);
    const isOver = isClosed || client.isGone || said.some((word) => word in ERROR_TABLE);
    if (isOver || client.sessions.viewers.length > 50) {
      await leave(client);
      state.client = open(random);
    }
    return said[0] ?? "silent";
  },
  close: ({ client }) => leave(client),
  reaches: [
    ...["silent", "answer", "resumed", "state", "message", "avatar"],
    ...["bad_message", "no_such_viewer", "no_free_port", "internal"],
    ...["webrtc_answer", "webrtc_state"],
  ],
});

fuzz("ViewerConnection: what waits for an answer stays within its limit", {
  seed: 7,
  inputs: 10_000,
  perRound: 200,
  open: (random) => {
    const state = open(random);
    state.sessions.gate = () => new Promise(() => {});
    state.connection.receive('{"type":"offer","sdp":"v=0"}');
    return Object.assign(state, { said: 0 });
  },
  feed(state, random) {
    if (state.socket.said.length > 0) return "over";
    const long = JSON.stringify({
      type: "message",
      data: "x".repeat(random.below(random.oneIn(9) ? 90_000 : 100)),
    });
    state.connection.receive(long);
    state.said++;
    assert.ok(state.said <= QUEUED_MESSAGES_MAX + 1, `${state.said} messages wait`);
    return state.socket.said[0] ?? "waits";
  },
  close({ connection, clock }) {
    connection.disconnected("broken");
    clock.advance(CLOSE_LINGER_MS);
  },
  reaches: ["waits", "bad_message"],
});
