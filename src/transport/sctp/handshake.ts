import { CHUNK, type InitChunk, type InitTerms } from "./chunks.ts";
import { formatChunk, formatInit } from "./format.ts";
import {
  CONTROL_RETRANSMISSIONS_MAX,
  COOKIE_BYTES,
  COOKIE_LIFETIME_MS,
  RECEIVE_WINDOW_BYTES,
  RTO_INITIAL_MS,
  RTO_MAX_MS,
  STREAMS_MAX,
} from "./limits.ts";

/** Maximum cookie of the peer, which must fit into a packet. Browsers' cookies have a few hundred bytes. */
const PEER_COOKIE_BYTES_MAX = 1024;

/** A chunk that is sent alone, with the verification tag of its packet. */
export interface TaggedChunk {
  readonly tag: number;
  readonly chunk: Uint8Array;
}

/** Result of a handshake chunk. */
export type HandshakeOutcome =
  | { readonly kind: "reply"; readonly reply: TaggedChunk }
  /** The association is established, with the peer's parameters. */
  | { readonly kind: "established"; readonly terms: InitTerms; readonly reply?: TaggedChunk }
  | { readonly kind: "dropped"; readonly reason: HandshakeDrop };

/** Why a handshake chunk was ignored. */
export type HandshakeDrop = "unexpected_chunk" | "bad_init" | "bad_cookie" | "restart";

type State = "listening" | "cookie_wait" | "cookie_echoed" | "established" | "gave_up";

/**
 * The handshake of an association, started by either side or both at once (RFC 9260 §5). There is one association per
 * DTLS connection, so the state behind a cookie is kept here, and the cookie is a random number. Each INIT replaces
 * the previous one, so a flood of them uses no memory. Pure.
 */
export class Handshake {
  readonly #own: InitTerms;
  readonly #random: (bytes: number) => Uint8Array;
  #state: State = "listening";
  /** Parameters of the peer, from its INIT-ACK or from the INIT of the cookie. */
  #peer: InitTerms | undefined;
  #offered:
    | { readonly terms: InitTerms; readonly cookie: Uint8Array; readonly atMs: number }
    | undefined;
  /** A chunk that is repeated until it is answered. */
  #repeated: { reply: TaggedChunk; attempts: number; atMs: number } | undefined;

  /** @param random Generates so many random bytes. */
  constructor(random: (bytes: number) => Uint8Array) {
    this.#random = random;
    this.#own = {
      tag: randomTag(random),
      windowBytes: RECEIVE_WINDOW_BYTES,
      outgoingStreams: STREAMS_MAX,
      incomingStreams: STREAMS_MAX,
      initialTsn: uint32(random),
      forwardTsn: true,
      reconfig: true,
    };
  }

  /** Our verification tag, required in packets to us. */
  get tag(): number {
    return this.#own.tag;
  }

  /** Our first TSN. */
  get initialTsn(): number {
    return this.#own.initialTsn;
  }

  /** Verification tag of packets to the peer, if known. */
  get peerTag(): number | undefined {
    return this.#peer?.tag;
  }

  /** Whether nothing has started. */
  get isListening(): boolean {
    return this.#state === "listening";
  }

  /** When {@link timeout} has to be called. */
  get timeoutAtMs(): number | undefined {
    return this.#repeated?.atMs;
  }

  /** Starts from our side. @returns The INIT; `undefined` if the peer was faster. */
  begin(nowMs: number): TaggedChunk | undefined {
    if (this.#state !== "listening") return undefined;
    this.#state = "cookie_wait";
    return this.#repeat({ tag: 0, chunk: formatInit(this.#own) }, nowMs);
  }

  /** Handles INIT, which is answered in every state with the same parameters (RFC 9260 §5.2.1, §5.2.2). */
  init({ terms, unrecognized }: InitChunk, nowMs: number): HandshakeOutcome {
    if (!isUsable(terms)) return { kind: "dropped", reason: "bad_init" };
    // Over one DTLS connection no peer loses its state, so another tag is not a legitimate restart.
    if (this.#state === "established" && terms.tag !== this.#peer?.tag) {
      return { kind: "dropped", reason: "restart" };
    }
    const isKnown = this.#offered?.terms.tag === terms.tag &&
      nowMs - this.#offered.atMs < COOKIE_LIFETIME_MS;
    if (this.#offered === undefined || !isKnown) {
      this.#offered = { terms, cookie: this.#random(COOKIE_BYTES), atMs: nowMs };
    }
    const { cookie } = this.#offered;
    const reply = { tag: terms.tag, chunk: formatInit(this.#own, { cookie, unrecognized }) };
    return { kind: "reply", reply };
  }

  /** Handles INIT-ACK, the response to our INIT. */
  initAck({ terms, cookie }: InitChunk, nowMs: number): HandshakeOutcome {
    if (this.#state !== "cookie_wait") return { kind: "dropped", reason: "unexpected_chunk" };
    if (!isUsable(terms) || cookie === undefined || cookie.length > PEER_COOKIE_BYTES_MAX) {
      return { kind: "dropped", reason: "bad_init" };
    }
    this.#state = "cookie_echoed";
    this.#peer = terms;
    const chunk = formatChunk(CHUNK.cookieEcho, { body: cookie });
    return { kind: "reply", reply: this.#repeat({ tag: terms.tag, chunk }, nowMs) };
  }

  /** Handles COOKIE-ECHO, which returns our cookie (RFC 9260 §5.1.5, and §5.2.4 if both sides started). */
  cookieEcho(cookie: Uint8Array, nowMs: number): HandshakeOutcome {
    const offered = this.#offered;
    if (offered === undefined || !isEqual(cookie, offered.cookie)) {
      return { kind: "dropped", reason: "bad_cookie" };
    }
    const { terms } = offered;
    const reply = { tag: terms.tag, chunk: formatChunk(CHUNK.cookieAck) };
    if (this.#state === "established") return { kind: "reply", reply };
    if (nowMs - offered.atMs >= COOKIE_LIFETIME_MS) {
      return { kind: "dropped", reason: "bad_cookie" };
    }
    return { ...this.#establish(terms), reply };
  }

  /** Handles COOKIE-ACK. */
  cookieAck(): HandshakeOutcome {
    if (this.#state !== "cookie_echoed" || this.#peer === undefined) {
      return { kind: "dropped", reason: "unexpected_chunk" };
    }
    return this.#establish(this.#peer);
  }

  /** The unanswered chunk again; `undefined` after the last try. */
  timeout(nowMs: number): TaggedChunk | undefined {
    const repeated = this.#repeated;
    if (repeated === undefined) return undefined;
    if (++repeated.attempts > CONTROL_RETRANSMISSIONS_MAX) {
      this.#repeated = undefined;
      this.#state = "gave_up";
      return undefined;
    }
    repeated.atMs = nowMs + Math.min(RTO_MAX_MS, RTO_INITIAL_MS * 2 ** repeated.attempts);
    return repeated.reply;
  }

  #repeat(reply: TaggedChunk, nowMs: number): TaggedChunk {
    this.#repeated = { reply, attempts: 0, atMs: nowMs + RTO_INITIAL_MS };
    return reply;
  }

  #establish(terms: InitTerms): { kind: "established"; terms: InitTerms } {
    this.#state = "established";
    this.#peer = terms;
    this.#repeated = undefined;
    return { kind: "established", terms };
  }
}

/** RFC 9260 §3.3.2: tag and numbers of streams must not be 0, and the window must have at least 1500 bytes. */
function isUsable({ tag, outgoingStreams, incomingStreams, windowBytes }: InitTerms): boolean {
  return tag !== 0 && outgoingStreams > 0 && incomingStreams > 0 && windowBytes >= 1500;
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  // Compares all bytes, in constant time.
  let difference = 0;
  for (let at = 0; at < one.length; at++) difference |= (one[at] ?? 0) ^ (other[at] ?? 0);
  return difference === 0;
}

function uint32(random: (bytes: number) => Uint8Array): number {
  return new DataView(random(4).slice().buffer).getUint32(0);
}

/** 1 to 2^32 − 1 (RFC 9260 §5.3.1). */
function randomTag(random: (bytes: number) => Uint8Array): number {
  return uint32(random) || 1;
}
