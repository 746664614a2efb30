import { randomBytes } from "node:crypto";
import { addressKey, type MediaAddress } from "../ports/media_address.ts";
import { type StunMessage, verifyMessageIntegrity } from "./stun.ts";
import { formatBindingError, formatBindingSuccess } from "./stun_format.ts";

/** What the answer tells the browser to authenticate its checks with (RFC 8445 §5.3). */
export interface IceCredentials {
  /** Username fragment, 12 random ice-chars (72 bits). */
  readonly ufrag: string;
  /** Password, 32 random ice-chars (192 bits). */
  readonly pwd: string;
}

/** Why a STUN request was dropped without an answer. */
export type StunRejection = "username" | "integrity";

/** What became of one request. */
export type IceOutcome =
  | { readonly kind: "rejected"; readonly reason: StunRejection }
  | {
    readonly kind: "answered";
    readonly reply: Uint8Array;
    /** Whether the request proved a path: false for error answers. */
    readonly validated: boolean;
    /** Set when packets go to another address from now on. */
    readonly moved: boolean;
  };

/**
 * The selected address counts as dead after this long without an authenticated packet from it: Chrome repeats its
 * checks every 2.5 s on a quiet path and sends RTCP far more often.
 */
const SELECTED_SILENT_MS = 2_500;

/** Addresses that one browser may validate: a handful of interfaces, and every port that frpc gave it lately. */
const ADDRESSES_MAX = 8;

interface Path {
  readonly address: MediaAddress;
  heardAtMs: number;
  /** A TCP connection that has ended. */
  gone: boolean;
}

/** What the checks of one ICE session are authenticated with; a restart begins another. */
interface Generation {
  readonly local: IceCredentials;
  readonly remoteUfrag: string;
  readonly username: string;
  readonly key: Uint8Array;
}

/** New random {@link IceCredentials}. */
export function createIceCredentials(): IceCredentials {
  // The alphabet of base64 is ice-char (RFC 8839 §5.4); whole groups of 3 bytes need no padding.
  return {
    ufrag: randomBytes(9).toString("base64"),
    pwd: randomBytes(24).toString("base64"),
  };
}

/**
 * The server's half of ICE for one viewer: an ICE-lite agent (RFC 8445 §2.5) that answers checks and never sends
 * one. It owns no socket and no clock: `nowMs` is an argument.
 *
 * Where packets go: to the address of the latest check with USE-CANDIDATE. Until there is one, to the latest address
 * with an authenticated check. An address that has been silent gives way to the next one that authenticates, and any
 * gives way at once to the source of newer SRTCP or DTLS data, since a tunnel client that reconnects gives the browser a
 * new source port without the browser's knowing. From the first of these on, USE-CANDIDATE counts no more than a plain
 * check: whoever saw a check can send it again, for as long as the session lasts, and a browser that goes elsewhere
 * reports from there.
 */
export class IceAgent {
  /** The latest first; until the browser has used it, the one that it used last counts too. */
  #generations: readonly [Generation, ...Generation[]];
  readonly #paths = new Map<string, Path>();
  #selected: Path | undefined;
  #nominated = false;
  /** Whether packets that cannot be replayed, SRTCP and DTLS data, say where the browser is. */
  #reports = false;
  #heardAtMs: number;

  constructor(options: { local: IceCredentials; remoteUfrag: string; nowMs: number }) {
    this.#generations = [generation(options)];
    this.#heardAtMs = options.nowMs;
  }

  /** The credentials that the browser was told last. */
  get local(): IceCredentials {
    return this.#generations[0].local;
  }

  /** The username fragment that the browser showed last. */
  get remoteUfrag(): string {
    return this.#generations[0].remoteUfrag;
  }

  /** Whether the browser has yet to use the credentials that it was told last. */
  get isRestarting(): boolean {
    return this.#generations.length > 1;
  }

  /** Our username fragments that checks may still name. */
  get ufrags(): string[] {
    return this.#generations.map(({ local }) => local.ufrag);
  }

  /** Takes checks with new credentials from now on: the browser restarts ICE (RFC 8445 §9). Packets go on as they did. */
  restart(options: { local: IceCredentials; remoteUfrag: string }): void {
    // An answer to an earlier restart may be lost: then the browser goes on with what it used before that.
    const inUse = this.#generations.at(-1) ?? this.#generations[0];
    this.#generations = [generation(options), inUse];
  }

  /** Where packets for the browser go; `undefined` before the first authenticated check, and while it has no way. */
  get selected(): MediaAddress | undefined {
    return this.#selected?.gone === false ? this.#selected.address : undefined;
  }

  /** When the last authenticated packet came; the agent's creation before that. */
  get heardAtMs(): number {
    return this.#heardAtMs;
  }

  /** Every address from which the browser authenticated a check, oldest first. */
  get addresses(): MediaAddress[] {
    return [...this.#paths.values()].map(({ address }) => address);
  }

  /** Answers a binding request whose FINGERPRINT was found right (RFC 8445 §7.3). */
  handleRequest(message: StunMessage, context: { from: MediaAddress; nowMs: number }): IceOutcome {
    const used = this.#generations.find(({ username }) => username === message.username);
    if (used === undefined) return { kind: "rejected", reason: "username" };
    const { key } = used;
    if (!verifyMessageIntegrity(message, key)) return { kind: "rejected", reason: "integrity" };
    const { transactionId } = message;
    if (message.unknownRequired.length > 0) {
      return refuse({ code: 420, reason: "Unknown Attribute", unknown: message.unknownRequired });
    }
    // A lite agent is always controlled, so a controlled browser is the one that has to switch (RFC 8445 §7.3.1.1).
    if (message.iceControlled !== undefined) return refuse({ code: 487, reason: "Role Conflict" });
    if (used === this.#generations[0]) this.#enter(used);
    const moved = this.#validate(message.useCandidate, context);
    const reply = formatBindingSuccess({ transactionId, mappedAddress: context.from, key });
    return { kind: "answered", reply, validated: true, moved };

    function refuse(
      error: { code: number; reason: string; unknown?: readonly number[] },
    ): IceOutcome {
      const { code, reason, unknown } = error;
      const reply = formatBindingError({
        transactionId,
        code,
        reason,
        key,
        ...(unknown === undefined ? {} : { unknownAttributes: unknown }),
      });
      return { kind: "answered", reply, validated: false, moved: false };
    }
  }

  /**
   * Sends packets to the source of an SRTCP packet, or DTLS data, that is authentic and newer than all others, known or
   * not. A browser behind a tunnel client that reconnects sends these from its new source port long before it checks
   * again.
   * @returns Whether packets went elsewhere before.
   */
  followTo(from: MediaAddress, nowMs: number): boolean {
    const path = this.#hear(from, nowMs);
    const moved = this.#selected !== undefined && this.#selected !== path;
    this.#selected = path;
    this.#reports = true;
    this.#forgetOldest();
    return moved;
  }

  /** Notes a packet that was authenticated by other means (SRTCP, DTLS) from an address that is already known. */
  heardFrom(from: MediaAddress, nowMs: number): void {
    const path = this.#paths.get(addressKey(from));
    if (path === undefined) return;
    path.heardAtMs = nowMs;
    this.#heardAtMs = nowMs;
  }

  /** A TCP connection ended. If packets went there, the next address that authenticates takes its place. */
  forget(address: MediaAddress): void {
    const key = addressKey(address);
    const path = this.#paths.get(key);
    if (path === undefined) return;
    path.gone = true;
    this.#paths.delete(key);
  }

  /** The browser has come to the latest generation; where it will be is open again. */
  #enter(latest: Generation): void {
    if (this.#generations.length === 1) return;
    this.#generations = [latest];
    this.#nominated = this.#reports = false;
  }

  #validate(nominates: boolean, { from, nowMs }: { from: MediaAddress; nowMs: number }): boolean {
    const path = this.#hear(from, nowMs);
    const before = this.#selected;
    const mayDecide = !this.#reports && (nominates || !this.#nominated);
    if (mayDecide || this.#isSilent(before, nowMs)) this.#selected = path;
    this.#nominated ||= nominates;
    this.#forgetOldest();
    return before !== undefined && this.#selected !== before;
  }

  #hear(from: MediaAddress, nowMs: number): Path {
    const key = addressKey(from);
    const path = this.#paths.get(key) ?? { address: from, heardAtMs: nowMs, gone: false };
    path.heardAtMs = nowMs;
    this.#heardAtMs = nowMs;
    // Deleted and set again so that the map stays ordered by when each was last proved.
    this.#paths.delete(key);
    this.#paths.set(key, path);
    return path;
  }

  #isSilent(path: Path | undefined, nowMs: number): boolean {
    return path === undefined || path.gone || nowMs - path.heardAtMs >= SELECTED_SILENT_MS;
  }

  #forgetOldest(): void {
    for (const [key, path] of this.#paths) {
      if (this.#paths.size <= ADDRESSES_MAX) return;
      if (path !== this.#selected) this.#paths.delete(key);
    }
  }
}

function generation(
  { local, remoteUfrag }: { local: IceCredentials; remoteUfrag: string },
): Generation {
  const username = `${local.ufrag}:${remoteUfrag}`;
  return { local, remoteUfrag, username, key: new TextEncoder().encode(local.pwd) };
}
