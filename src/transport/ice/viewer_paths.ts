import { Buffer } from "node:buffer";
import { addressKey, type MediaAddress } from "../../ports/media_address.ts";
import { DTLS_CONTENT } from "../dtls/dtls_records.ts";
import { type AskFormat, PathConsent } from "./path_consent.ts";

/** Addresses that one browser may validate: a handful of interfaces, and every port that frpc gave it lately. */
const ADDRESSES_MAX = 8;

/** A new address that has not answered by then counts as one that does not; it may answer later all the same. */
const UNANSWERED_MS = 3_000;

/**
 * The stream waits when nothing came from its address for so long, not even answers: the viewer is shown as disconnected
 * by then. Where requests are never answered, reports may be rarer (RFC 3550 §6.2), and consent lasts as long as it does.
 */
const STREAM_SILENT_MS = 6_000;

/** Before a record's content, in plaintext. */
const DTLS_HEADER_BYTES = 13;
/** The handshake message that answers a ClientHello with the right cookie. */
const SERVER_HELLO = 2;

/** One address of a viewer. */
export interface Path {
  readonly address: MediaAddress;
  readonly consent: PathConsent;
  /** When the last authenticated packet came from there. */
  heardAtMs: number;
  /** A TCP connection that has ended. */
  gone: boolean;
}

/** What showed that a viewer is at an address: a check, a report, or data. */
export type MoveProof = "stun" | "srtcp" | "dtls";

/** Why a viewer's address does not get the stream: a new one did not answer in time, or one does so no more. */
export type ConsentLoss = "unanswered" | "expired";

/** What came of it that a viewer seems to be at an address. */
export interface Sighting {
  /** It seemed to be elsewhere before, and the stream does not go there. */
  readonly isNews: boolean;
  /** The stream goes to another address from now on. */
  readonly moved: boolean;
}

/** What leaves for a viewer's addresses now to ask them. */
export interface ConsentRound {
  readonly requests: readonly { readonly packet: Uint8Array; readonly to: MediaAddress }[];
  readonly lost: readonly ConsentLoss[];
}

/** What became of a response to a request of ours. */
export type ConsentAnswer =
  | { readonly kind: "unknown" | "wrong_source" | "forged" }
  /** `moved` when the stream goes to another address from now on. */
  | { readonly kind: "granted"; readonly moved: boolean };

/**
 * The addresses of one viewer: where it seems to be, and where the stream goes. The stream never follows to an address
 * that has not shown that it receives what is sent there; until it has, at most three times as much goes there as came
 * from there, and the stream stays where it was. What shows that:
 *
 * - an answer to a request with a random id ({@link PathConsent}), renewed each 5 s or so;
 * - the DTLS cookie, if it went there and nowhere else (RFC 6347 §4.2.1), or else our half of the handshake behind it,
 *   on which the browser's Finished depends. From a browser that never answers requests, authentic packets that are newer
 *   than all others renew that proof;
 * - a TCP connection.
 *
 * Pure: times are arguments.
 */
export class ViewerPaths {
  /** By key, ordered by when each was last proved. */
  readonly #paths = new Map<string, Path>();
  /** Where the viewer seems to be. */
  #wanted: Path | undefined;
  #proof: MoveProof = "stun";
  /** Where packets go. */
  #selected: Path | undefined;
  /** Where the stream went last. */
  #streamed: Path | undefined;
  /** Where our cookie went; from the ServerHello on, where that and what follows it went. */
  readonly #handshakes = new Set<Path>();
  #hasCookie = false;
  /** Whether the browser has ever answered a request. */
  #answers = false;
  /** When the address where the viewer seems to be was first asked, while it has not agreed. */
  #askedSinceMs: number | undefined;
  /** Sightings at addresses that had not answered when the viewer was seen elsewhere, since that was last told. */
  #unanswered = 0;
  /** Whether the address where packets go had agreed when that was last looked at. */
  #held = false;

  /** Where packets go; `undefined` before the first authenticated check, and while there is no way. */
  get selected(): MediaAddress | undefined {
    return this.#selected?.gone === false ? this.#selected.address : undefined;
  }

  /** Oldest first. */
  get addresses(): MediaAddress[] {
    return [...this.#paths.values()].map(({ address }) => address);
  }

  /** Where a packet of the stream goes now; `undefined` while nothing may be sent, or nobody seems to be there. */
  streamTo(nowMs: number): MediaAddress | undefined {
    const path = this.#selected;
    if (path === undefined || (this.#answers && nowMs - path.heardAtMs >= STREAM_SILENT_MS)) {
      return undefined;
    }
    return this.controlTo(nowMs);
  }

  /** Where what keeps the connection goes now: also to a viewer that is silent. */
  controlTo(nowMs: number): MediaAddress | undefined {
    const path = this.#selected;
    return path !== undefined && isProven(path, nowMs) ? path.address : undefined;
  }

  /** Where a packet of our half of the handshake goes now. */
  handshakeTo(packet: Uint8Array, nowMs: number): MediaAddress | undefined {
    if (!this.#hasCookie && isServerHello(packet)) {
      // It is made only for a ClientHello with the cookie, which is random.
      this.#hasCookie = true;
      this.#proveHandshake(nowMs);
    }
    const path = this.#selected;
    if (path === undefined || path.gone) return undefined;
    if (!isProven(path, nowMs) && !path.consent.spend(packet.length)) return undefined;
    this.#handshakes.add(path);
    return path.address;
  }

  /** The browser has finished the handshake. */
  handshakeDone(nowMs: number): void {
    this.#proveHandshake(nowMs);
  }

  /** Notes an authentic packet. */
  hear(from: MediaAddress, nowMs: number): Path {
    const key = addressKey(from);
    const path = this.#paths.get(key) ??
      { address: from, consent: new PathConsent(), heardAtMs: nowMs, gone: false };
    path.heardAtMs = nowMs;
    this.#paths.delete(key);
    this.#paths.set(key, path);
    this.#forgetOldest();
    return path;
  }

  /** Whether this address is known. */
  has(address: MediaAddress): boolean {
    return this.#paths.has(addressKey(address));
  }

  /** A packet of so many bytes came from an address, authentic or not, and was answered by so many. */
  received(
    bytes: number,
    { from, nowMs, answerBytes = 0 }: { from: MediaAddress; nowMs: number; answerBytes?: number },
  ): void {
    const consent = this.#paths.get(addressKey(from))?.consent;
    consent?.received(bytes, nowMs);
    if (answerBytes > 0) consent?.spend(answerBytes);
  }

  /** Nothing authentic has come for `silentMs` from where packets go. */
  isSilent(silentMs: number, nowMs: number): boolean {
    const path = this.#selected;
    return path === undefined || path.gone || nowMs - path.heardAtMs >= silentMs;
  }

  /** What showed first that the viewer is where it seems to be. */
  get proof(): MoveProof {
    return this.#proof;
  }

  /** The viewer seems to be there. */
  want(path: Path, { nowMs, proof }: { nowMs: number; proof: MoveProof }): Sighting {
    const isNews = this.#selected !== undefined && path !== this.#selected &&
      path !== this.#wanted;
    if (path !== this.#wanted) {
      if (Number.isFinite(this.#askedSinceMs)) this.#unanswered++;
      this.#wanted = path;
      this.#proof = proof;
      this.#askedSinceMs = undefined;
    }
    // A browser that answers has to say so itself; of others, what cannot be sent again is the best that there is.
    if (!this.#answers) path.consent.renew(nowMs);
    return { isNews, moved: this.#settle(nowMs) };
  }

  /** A connection ended. */
  forget(address: MediaAddress): void {
    const key = addressKey(address);
    const path = this.#paths.get(key);
    if (path === undefined) return;
    path.gone = true;
    this.#paths.delete(key);
  }

  /** When {@link ask} has something to do next, on the clock of its argument; infinite while it has not. */
  get nextAskAtMs(): number {
    const times = [...this.#asked()].map(({ consent }) => consent.nextAskAtMs);
    if (this.#askedSinceMs !== undefined) times.push(this.#askedSinceMs + UNANSWERED_MS);
    if (this.#held && this.#selected !== undefined) {
      times.push(this.#selected.consent.provenUntilMs);
    }
    return Math.min(...times, Number.POSITIVE_INFINITY);
  }

  /** Asks the addresses whose turn it is. */
  ask(format: AskFormat, { key, nowMs }: { key: Uint8Array; nowMs: number }): ConsentRound {
    const requests: { packet: Uint8Array; to: MediaAddress }[] = [];
    for (const path of this.#asked()) {
      const packet = path.consent.ask(format, { key, nowMs });
      if (packet === undefined) continue;
      requests.push({ packet, to: path.address });
      if (path === this.#wanted && !isProven(path, nowMs)) this.#askedSinceMs ??= nowMs;
    }
    return { requests, lost: this.#losses(nowMs) };
  }

  /**
   * Takes a response.
   * @param isAuthentic Whether it was made with this password.
   */
  answer(
    transactionId: Uint8Array,
    { from, nowMs, isAuthentic }: {
      from: MediaAddress;
      nowMs: number;
      isAuthentic: (key: Uint8Array) => boolean;
    },
  ): ConsentAnswer {
    const id = Buffer.from(transactionId).toString("hex");
    for (const path of this.#paths.values()) {
      const asked = path.consent.find(id, nowMs);
      if (asked === undefined) continue;
      if (addressKey(path.address) !== addressKey(from)) return { kind: "wrong_source" };
      if (!isAuthentic(asked.key)) return { kind: "forged" };
      path.consent.answered(id, nowMs);
      path.heardAtMs = nowMs;
      this.#answers = true;
      if (path === this.#wanted) this.#askedSinceMs = Number.POSITIVE_INFINITY;
      return { kind: "granted", moved: this.#settle(nowMs) };
    }
    return { kind: "unknown" };
  }

  /** Something came back that only who read our half of the handshake can know. */
  #proveHandshake(nowMs: number): void {
    const [path, ...others] = this.#handshakes;
    this.#handshakes.clear();
    if (path === undefined || others.length > 0) return;
    path.consent.prove(nowMs);
    this.#settle(nowMs);
  }

  /** Takes packets to where the viewer seems to be, if that may be. @returns Whether the stream goes elsewhere now. */
  #settle(nowMs: number): boolean {
    const [wanted, before] = [this.#wanted, this.#selected];
    if (wanted === undefined) return false;
    const stays = before !== undefined && isProven(before, nowMs) && !isProven(wanted, nowMs);
    const path = stays ? before : wanted;
    this.#selected = path;
    if (!isProven(path, nowMs)) return false;
    this.#held = path.address.transport === "udp";
    if (path === this.#streamed) return false;
    const moved = this.#streamed !== undefined;
    this.#streamed = path;
    return moved;
  }

  /** The addresses that are asked. */
  #asked(): Set<Path> {
    const paths = [this.#wanted, this.#selected].filter((path) =>
      path?.address.transport === "udp"
    );
    return new Set(paths.filter((path) => path !== undefined));
  }

  #losses(nowMs: number): ConsentLoss[] {
    const lost: ConsentLoss[] = [];
    if (this.#held && this.#selected !== undefined && !isProven(this.#selected, nowMs)) {
      this.#held = false;
      lost.push("expired");
    }
    if (nowMs - (this.#askedSinceMs ?? nowMs) >= UNANSWERED_MS) {
      // Once for each time that the viewer seems to be somewhere else.
      this.#askedSinceMs = Number.POSITIVE_INFINITY;
      this.#unanswered++;
    }
    for (; this.#unanswered > 0; this.#unanswered--) lost.push("unanswered");
    return lost;
  }

  #forgetOldest(): void {
    for (const [key, path] of this.#paths) {
      if (this.#paths.size <= ADDRESSES_MAX) return;
      if (path !== this.#selected && path !== this.#wanted) this.#paths.delete(key);
    }
  }
}

/** Whether a datagram of ours begins with a ServerHello (RFC 6347 §4.2.2). */
function isServerHello(packet: Uint8Array): boolean {
  return packet[0] === DTLS_CONTENT.handshake && packet[DTLS_HEADER_BYTES] === SERVER_HELLO;
}

/** Whether the address may be sent whatever there is: the handshake of TCP is a proof as well. */
function isProven({ address, consent, gone }: Path, nowMs: number): boolean {
  return !gone && (address.transport === "tcp" || consent.isProven(nowMs));
}
