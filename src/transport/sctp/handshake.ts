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

/** Longest cookie that is sent back; it has to fit into a packet. Those of browsers have a few hundred bytes. */
const PEER_COOKIE_BYTES_MAX = 1024;

/** A chunk that goes alone, with the verification tag of its packet. */
export interface TaggedChunk {
  readonly tag: number;
  readonly chunk: Uint8Array;
}

/** What became of a chunk of the handshake. */
export type HandshakeOutcome =
  | { readonly kind: "reply"; readonly reply: TaggedChunk }
  /** The association is there: on these terms of the other side. */
  | { readonly kind: "established"; readonly terms: InitTerms; readonly reply?: TaggedChunk }
  | { readonly kind: "dropped"; readonly reason: HandshakeDrop };

/** Why a chunk of the handshake was passed over. */
export type HandshakeDrop = "unexpected_chunk" | "bad_init" | "bad_cookie" | "restart";

type State = "listening" | "cookie_wait" | "cookie_echoed" | "established" | "gave_up";

/**
 * How an association begins, from either side or from both at once (RFC 9260 §5). There is one for each DTLS connection,
 * so what a cookie stands for is kept here, and the cookie is a number that cannot be guessed: an INIT replaces the one
 * before it, and a flood of them holds nothing. Pure.
 */
export class Handshake {
  readonly #own: InitTerms;
  readonly #random: (bytes: number) => Uint8Array;
  #state: State = "listening";
  /** Terms of the other side, from its INIT-ACK or from the INIT that the cookie is of. */
  #peer: InitTerms | undefined;
  #offered:
    | { readonly terms: InitTerms; readonly cookie: Uint8Array; readonly atMs: number }
    | undefined;
  /** What is repeated until it is answered. */
  #repeated: { reply: TaggedChunk; attempts: number; atMs: number } | undefined;

  /** @param random Makes so many random bytes. */
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

  /** Our tag: what packets to us have to show. */
  get tag(): number {
    return this.#own.tag;
  }

  /** Our first TSN. */
  get initialTsn(): number {
    return this.#own.initialTsn;
  }

  /** Tag of packets to the other side, as far as it is known. */
  get peerTag(): number | undefined {
    return this.#peer?.tag;
  }

  /** Whether nothing has begun. */
  get isListening(): boolean {
    return this.#state === "listening";
  }

  /** When {@link timeout} has to be called. */
  get timeoutAtMs(): number | undefined {
    return this.#repeated?.atMs;
  }

  /** Begins from our side. @returns The INIT; `undefined` where the other side was faster. */
  begin(nowMs: number): TaggedChunk | undefined {
    if (this.#state !== "listening") return undefined;
    this.#state = "cookie_wait";
    return this.#repeat({ tag: 0, chunk: formatInit(this.#own) }, nowMs);
  }

  /** INIT: is answered in every state with the same terms of ours (RFC 9260 §5.2.1, §5.2.2). */
  init({ terms, unrecognized }: InitChunk, nowMs: number): HandshakeOutcome {
    if (!isUsable(terms)) return { kind: "dropped", reason: "bad_init" };
    // Over one DTLS connection nobody loses its state, so another tag is no restart but an attempt at one.
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

  /** INIT-ACK: answers our INIT. */
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

  /** COOKIE-ECHO: our cookie comes back (RFC 9260 §5.1.5, and §5.2.4 where both began). */
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

  /** COOKIE-ACK: the other side has its cookie back. */
  cookieAck(): HandshakeOutcome {
    if (this.#state !== "cookie_echoed" || this.#peer === undefined) {
      return { kind: "dropped", reason: "unexpected_chunk" };
    }
    return this.#establish(this.#peer);
  }

  /** What was not answered, once more; `undefined` when that was often enough. */
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

/** RFC 9260 §3.3.2: neither the tag nor a number of streams may be 0, and the window has 1500 bytes at least. */
function isUsable({ tag, outgoingStreams, incomingStreams, windowBytes }: InitTerms): boolean {
  return tag !== 0 && outgoingStreams > 0 && incomingStreams > 0 && windowBytes >= 1500;
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  // All bytes are looked at, so that the time tells nothing.
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
