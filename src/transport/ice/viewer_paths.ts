import { Buffer } from "node:buffer";
import { addressKey, type MediaAddress } from "../../ports/media_address.ts";
import { type AskFormat, PathConsent } from "./path_consent.ts";

/** Maximum addresses of one browser: a handful of interfaces, and recent source ports of frpc. */
const ADDRESSES_MAX = 8;

/** A new address that has not responded in this time is reported as unanswered; a later response still counts. */
const UNANSWERED_MS = 3_000;

/**
 * The stream pauses when nothing, not even a response, came from its address for this long: the viewer is shown as
 * disconnected then. For browsers that never respond, reports may be rarer (RFC 3550 §6.2), so only the lifetime of
 * consent applies.
 */
const STREAM_SILENT_MS = 6_000;

/** One address of a viewer. */
export interface Path {
  readonly address: MediaAddress;
  readonly consent: PathConsent;
  /** Time of the last authenticated packet from there. */
  heardAtMs: number;
  /** Whether it is a TCP connection that has ended. */
  gone: boolean;
}

/** The kind of packet that determined a viewer's address: a check, a report, or data. */
export type MoveProof = "stun" | "srtcp" | "dtls";

/** Why a viewer's address does not get the stream: a new one did not respond in time, or consent expired. */
export type ConsentLoss = "unanswered" | "expired";

/** Result of a packet that indicates the viewer's address. */
export interface Sighting {
  /** Whether the apparent address changed, to one that does not get the stream yet. */
  readonly isNews: boolean;
  /** Whether the stream moves to another address. */
  readonly moved: boolean;
}

/** The consent requests to send to a viewer's addresses. */
export interface ConsentRound {
  readonly requests: readonly { readonly packet: Uint8Array; readonly to: MediaAddress }[];
  readonly lost: readonly ConsentLoss[];
}

/** Result of a response to a consent request. */
export type ConsentAnswer =
  | { readonly kind: "unknown" | "wrong_source" | "forged" }
  /** `moved` if the stream moves to another address. */
  | { readonly kind: "granted"; readonly moved: boolean };

/**
 * The addresses of one viewer: its apparent address, and the destination of the stream. The stream only moves to an
 * address that has been validated. Before that, at most three times the bytes received from an address are sent to it,
 * and the stream stays on its path. An address is validated by:
 *
 * - a response to a request with a random id ({@link PathConsent}), renewed about every 5 s;
 * - our flight of the DTLS handshake, on which the browser's Finished depends, if it was sent to this address only. For
 *   a browser that never answers requests, authentic packets that are newer than all others renew this;
 * - a TCP connection.
 *
 * Pure: times are arguments.
 */
export class ViewerPaths {
  /** By key, ordered by the time of the last validation. */
  readonly #paths = new Map<string, Path>();
  /** The viewer's apparent address. */
  #wanted: Path | undefined;
  #proof: MoveProof = "stun";
  /** Destination of packets. */
  #selected: Path | undefined;
  /** Last destination of the stream. */
  #streamed: Path | undefined;
  /** Addresses to which our flight of the handshake was sent. */
  readonly #handshakes = new Set<Path>();
  /** Whether the browser has ever answered a request. */
  #answers = false;
  /** Time of the first request to the apparent address, while it has not consented. */
  #askedSinceMs: number | undefined;
  /** Number of addresses that had not responded when the viewer moved on, since the last report. */
  #unanswered = 0;
  /** Whether the destination had consent at the last check. */
  #held = false;

  /** Destination of packets; `undefined` before the first authenticated check, and while there is no path. */
  get selected(): MediaAddress | undefined {
    return this.#selected?.gone === false ? this.#selected.address : undefined;
  }

  /** Oldest first. */
  get addresses(): MediaAddress[] {
    return [...this.#paths.values()].map(({ address }) => address);
  }

  /** Destination of the stream; `undefined` without consent, or while the address is silent. */
  streamTo(nowMs: number): MediaAddress | undefined {
    const path = this.#selected;
    if (path === undefined || (this.#answers && nowMs - path.heardAtMs >= STREAM_SILENT_MS)) {
      return undefined;
    }
    return this.controlTo(nowMs);
  }

  /** Destination of packets that keep the connection alive, even if the viewer is silent. */
  controlTo(nowMs: number): MediaAddress | undefined {
    const path = this.#selected;
    return path !== undefined && isProven(path, nowMs) ? path.address : undefined;
  }

  /** Destination of a handshake packet. */
  handshakeTo(packet: Uint8Array, nowMs: number): MediaAddress | undefined {
    const path = this.#selected;
    if (path === undefined || path.gone) return undefined;
    if (!isProven(path, nowMs) && !path.consent.spend(packet.length)) return undefined;
    this.#handshakes.add(path);
    return path.address;
  }

  /** The browser has finished the handshake, which depends on our flight of it. */
  handshakeDone(nowMs: number): void {
    const [path, ...others] = this.#handshakes;
    this.#handshakes.clear();
    if (path === undefined || others.length > 0) return;
    path.consent.prove(nowMs);
    this.#settle(nowMs);
  }

  /** Records an authentic packet. */
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

  /** Records received bytes from an address, authentic or not, and the bytes of the response. */
  received(
    bytes: number,
    { from, nowMs, answerBytes = 0 }: { from: MediaAddress; nowMs: number; answerBytes?: number },
  ): void {
    const consent = this.#paths.get(addressKey(from))?.consent;
    consent?.received(bytes, nowMs);
    if (answerBytes > 0) consent?.spend(answerBytes);
  }

  /** Whether nothing authentic has come from the destination for `silentMs`. */
  isSilent(silentMs: number, nowMs: number): boolean {
    const path = this.#selected;
    return path === undefined || path.gone || nowMs - path.heardAtMs >= silentMs;
  }

  /** The first kind of packet that indicated the apparent address. */
  get proof(): MoveProof {
    return this.#proof;
  }

  /** Sets the apparent address. */
  want(path: Path, { nowMs, proof }: { nowMs: number; proof: MoveProof }): Sighting {
    const isNews = this.#selected !== undefined && path !== this.#selected &&
      path !== this.#wanted;
    if (path !== this.#wanted) {
      if (Number.isFinite(this.#askedSinceMs)) this.#unanswered++;
      this.#wanted = path;
      this.#proof = proof;
      this.#askedSinceMs = undefined;
    }
    // A browser that answers requests must renew by responses; for others, packets that cannot be replayed are the
    // best evidence.
    if (!this.#answers) path.consent.renew(nowMs);
    return { isNews, moved: this.#settle(nowMs) };
  }

  /** A TCP connection ended. */
  forget(address: MediaAddress): void {
    const key = addressKey(address);
    const path = this.#paths.get(key);
    if (path === undefined) return;
    path.gone = true;
    this.#paths.delete(key);
  }

  /** When {@link ask} has to be called next, on the clock of its argument; infinite if not needed. */
  get nextAskAtMs(): number {
    const times = [...this.#asked()].map(({ consent }) => consent.nextAskAtMs);
    if (this.#askedSinceMs !== undefined) times.push(this.#askedSinceMs + UNANSWERED_MS);
    if (this.#held && this.#selected !== undefined) {
      times.push(this.#selected.consent.provenUntilMs);
    }
    return Math.min(...times, Number.POSITIVE_INFINITY);
  }

  /** Creates the requests that are due. */
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
   * Processes a response.
   * @param isAuthentic Whether the response is authentic for this password.
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

  /** Moves the destination to the apparent address, if it is validated. @returns Whether the stream moved. */
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

  /** The addresses that need requests. */
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
      // Report it once per change of the apparent address.
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

/** Whether the address is validated; a TCP handshake counts too. */
function isProven({ address, consent, gone }: Path, nowMs: number): boolean {
  return !gone && (address.transport === "tcp" || consent.isProven(nowMs));
}
