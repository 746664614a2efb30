import { candidatePriority } from "../../sdp/candidate.ts";
import { randomBytes } from "node:crypto";
import type { MediaAddress } from "../../ports/media_address.ts";
import { type StunMessage, verifyFingerprint, verifyMessageIntegrity } from "./stun.ts";
import { formatBindingError, formatBindingRequest, formatBindingSuccess } from "./stun_format.ts";
import { type ConsentRound, type MoveProof, type Sighting, ViewerPaths } from "./viewer_paths.ts";

/** The server's ICE credentials in the answer, for the browser's checks (RFC 8445 §5.3). */
export interface IceCredentials {
  /** Username fragment, 12 random ice-chars (72 bits). */
  readonly ufrag: string;
  /** Password, 32 random ice-chars (192 bits). */
  readonly pwd: string;
}

/** Why a STUN request was dropped without a response. */
export type StunRejection = "username" | "integrity";

/** Result of one request. */
export type IceOutcome =
  | { readonly kind: "rejected"; readonly reason: StunRejection }
  | {
    readonly kind: "answered";
    readonly reply: Uint8Array;
    /** Whether the request validated a path: false for error responses. */
    readonly validated: boolean;
    /** Whether the stream moves to another address. */
    readonly moved: boolean;
  };

/** Why a response to a consent request was ignored; a short name for metrics. */
export type ConsentRejection =
  | "unknown_response"
  | "response_source"
  | "response_integrity"
  | "response_error";

/** Result of one response. */
export type ConsentOutcome =
  | { readonly kind: "rejected"; readonly reason: ConsentRejection }
  /** The address consented; `moved` if the stream moves to another address. */
  | { readonly kind: "granted"; readonly moved: boolean };

/**
 * The selected address counts as dead after this long without an authenticated packet, in milliseconds: Chrome repeats
 * its checks every 2.5 s on a quiet path, and sends RTCP far more often.
 */
const SELECTED_SILENT_MS = 2_500;

/** Priority of a peer-reflexive candidate, which a check must contain (RFC 8445 §5.1.2.1, §7.1.1). */
const PRIORITY = candidatePriority(110);

/** The browser's ICE credentials (RFC 8839 §5.4). */
export interface RemoteCredentials {
  readonly remoteUfrag: string;
  /** Key of the browser's responses to our requests. */
  readonly remotePwd: string;
}

/** Credentials of one ICE session; a restart creates another. */
interface Generation {
  readonly local: IceCredentials;
  readonly remoteUfrag: string;
  /** Username of the browser's checks. */
  readonly username: string;
  readonly key: Uint8Array;
  /** Username of our requests. */
  readonly remoteUsername: string;
  readonly remoteKey: Uint8Array;
}

/** Creates random {@link IceCredentials}. */
export function createIceCredentials(): IceCredentials {
  // The base64 alphabet consists of ice-chars (RFC 8839 §5.4); multiples of 3 bytes need no padding.
  return {
    ufrag: randomBytes(9).toString("base64"),
    pwd: randomBytes(24).toString("base64"),
  };
}

/**
 * The server's ICE agent for one viewer: an ICE-lite agent (RFC 8445 §2.5) that answers checks, and sends requests
 * only for consent (RFC 7675). It owns no socket and no clock: `nowMs` is an argument.
 *
 * The viewer's apparent address is that of the latest check with USE-CANDIDATE; before the first one, the latest
 * address with an authenticated check. A silent address is replaced by the next one that authenticates. Any address is
 * replaced at once by the source of newer SRTCP or DTLS data, because a tunnel client that reconnects gives the
 * browser a new source port without its knowledge. From the first such packet on, USE-CANDIDATE counts no more than a
 * plain check: an attacker can replay a check as long as the session lasts, while a browser that moves sends reports
 * from its new address.
 *
 * The stream follows once that address has consented: see {@link ViewerPaths}.
 */
export class IceAgent {
  /** The latest first; until the browser has used it, the one that it used last is valid too. */
  #generations: readonly [Generation, ...Generation[]];
  readonly #paths = new ViewerPaths();
  readonly #tieBreaker: bigint = randomBytes(8).readBigUInt64BE();
  #nominated = false;
  /** Whether SRTCP or DTLS data, which cannot be replayed, has determined the browser's address. */
  #reports = false;
  #heardAtMs: number;

  constructor(options: RemoteCredentials & { local: IceCredentials; nowMs: number }) {
    this.#generations = [generation(options)];
    this.#heardAtMs = options.nowMs;
  }

  /** The credentials last sent to the browser. */
  get local(): IceCredentials {
    return this.#generations[0].local;
  }

  /** The browser's latest username fragment. */
  get remoteUfrag(): string {
    return this.#generations[0].remoteUfrag;
  }

  /** Whether the browser has not used the latest credentials yet. */
  get isRestarting(): boolean {
    return this.#generations.length > 1;
  }

  /** Our username fragments that are valid in checks. */
  get ufrags(): string[] {
    return this.#generations.map(({ local }) => local.ufrag);
  }

  /** Restarts ICE (RFC 8445 §9): accepts checks with new credentials from now on. The stream continues on its path. */
  restart(options: RemoteCredentials & { local: IceCredentials }): void {
    // The answer to an earlier restart may be lost: then the browser continues with the credentials from before.
    this.#generations = [generation(options), this.#inUse];
  }

  /**
   * Destination of packets to the browser; `undefined` before the first authenticated check, and while there is no
   * path.
   */
  get selected(): MediaAddress | undefined {
    return this.#paths.selected;
  }

  /** Destination of the stream; `undefined` while the viewer's address has not consented, or is silent. */
  streamTo(nowMs: number): MediaAddress | undefined {
    return this.#paths.streamTo(nowMs);
  }

  /**
   * Destination of packets that keep the connection alive; `undefined` while the viewer's address has not consented.
   */
  controlTo(nowMs: number): MediaAddress | undefined {
    return this.#paths.controlTo(nowMs);
  }

  /** Destination of a DTLS handshake packet; `undefined` if it would exceed the limit for an unvalidated address. */
  handshakeTo(packet: Uint8Array, nowMs: number): MediaAddress | undefined {
    return this.#paths.handshakeTo(packet, nowMs);
  }

  /** The browser has finished the handshake. */
  handshakeDone(nowMs: number): void {
    this.#paths.handshakeDone(nowMs);
  }

  /**
   * Records bytes received from an address, authentic or not, which raise the limit of what may be sent there before
   * consent.
   */
  received(bytes: number, arrival: { from: MediaAddress; nowMs: number }): void {
    this.#paths.received(bytes, arrival);
  }

  /** Time of the last authenticated packet; initially the agent's creation. */
  get heardAtMs(): number {
    return this.#heardAtMs;
  }

  /** Every address with an authenticated check, oldest first. */
  get addresses(): MediaAddress[] {
    return this.#paths.addresses;
  }

  /** The kind of packet that determined the viewer's address. */
  get proof(): MoveProof {
    return this.#paths.proof;
  }

  /** When {@link ask} has to be called next; infinite if not needed. */
  get nextAskAtMs(): number {
    return this.#paths.nextAskAtMs;
  }

  /** Sends the consent requests that are due. */
  ask(nowMs: number): ConsentRound {
    const { remoteUsername: username, remoteKey: key } = this.#inUse;
    const format = (transactionId: Uint8Array) =>
      formatBindingRequest({
        transactionId,
        key,
        username,
        priority: PRIORITY,
        role: "controlled",
        tieBreaker: this.#tieBreaker,
      });
    return this.#paths.ask(format, { key, nowMs });
  }

  /** Processes the response to a consent request (RFC 7675 §5.1). */
  handleResponse(
    message: StunMessage,
    { from, nowMs }: { from: MediaAddress; nowMs: number },
  ): ConsentOutcome {
    const { messageClass, transactionId, fingerprintOffset } = message;
    if (messageClass !== "success") return { kind: "rejected", reason: "response_error" };
    const isAuthentic = (key: Uint8Array) =>
      verifyMessageIntegrity(message, key) &&
      (fingerprintOffset === undefined || verifyFingerprint(message));
    const answer = this.#paths.answer(transactionId, { from, nowMs, isAuthentic });
    if (answer.kind !== "granted") {
      return { kind: "rejected", reason: CONSENT_REJECTIONS[answer.kind] };
    }
    this.#heardAtMs = nowMs;
    return answer;
  }

  /** Answers a binding request whose FINGERPRINT was verified (RFC 8445 §7.3). */
  handleRequest(message: StunMessage, context: { from: MediaAddress; nowMs: number }): IceOutcome {
    const used = this.#generations.find(({ username }) => username === message.username);
    if (used === undefined) return { kind: "rejected", reason: "username" };
    const { key } = used;
    if (!verifyMessageIntegrity(message, key)) return { kind: "rejected", reason: "integrity" };
    const { transactionId } = message;
    if (message.unknownRequired.length > 0) {
      return refuse({ code: 420, reason: "Unknown Attribute", unknown: message.unknownRequired });
    }
    // A lite agent is always controlled, so a browser in the controlled role must switch (RFC 8445 §7.3.1.1).
    if (message.iceControlled !== undefined) return refuse({ code: 487, reason: "Role Conflict" });
    if (used === this.#generations[0]) this.#enter(used);
    const moved = this.#validate(message.useCandidate, context);
    const reply = formatBindingSuccess({ transactionId, mappedAddress: context.from, key });
    this.#paths.received(message.packet.length, { ...context, answerBytes: reply.length });
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
   * Sets the viewer's apparent address to the source, known or not, of an authentic SRTCP packet or DTLS data that is
   * newer than all others. A browser behind a tunnel client that reconnects sends these from its new source port long
   * before its next check. The stream moves to a new address only after it has consented.
   */
  followTo(
    from: MediaAddress,
    { nowMs, proof }: { nowMs: number; proof: "srtcp" | "dtls" },
  ): Sighting {
    this.#heardAtMs = nowMs;
    this.#reports = true;
    return this.#paths.want(this.#paths.hear(from, nowMs), { nowMs, proof });
  }

  /** Records a packet from a known address that was authenticated by other means (SRTCP, DTLS). */
  heardFrom(from: MediaAddress, nowMs: number): void {
    if (!this.#paths.has(from)) return;
    this.#paths.hear(from, nowMs);
    this.#heardAtMs = nowMs;
  }

  /** A TCP connection ended. If it was selected, the next address that authenticates replaces it. */
  forget(address: MediaAddress): void {
    this.#paths.forget(address);
  }

  /** The credentials that the browser has used most recently. */
  get #inUse(): Generation {
    return this.#generations.at(-1) ?? this.#generations[0];
  }

  /** The browser uses the latest generation: its address is undetermined again. */
  #enter(latest: Generation): void {
    if (this.#generations.length === 1) return;
    this.#generations = [latest];
    this.#nominated = this.#reports = false;
  }

  #validate(nominates: boolean, { from, nowMs }: { from: MediaAddress; nowMs: number }): boolean {
    const path = this.#paths.hear(from, nowMs);
    this.#heardAtMs = nowMs;
    const mayDecide = !this.#reports && (nominates || !this.#nominated);
    this.#nominated ||= nominates;
    // Check the silence before recording this packet.
    if (!mayDecide && !this.#paths.isSilent(SELECTED_SILENT_MS, nowMs)) return false;
    return this.#paths.want(path, { nowMs, proof: "stun" }).moved;
  }
}

const CONSENT_REJECTIONS = {
  unknown: "unknown_response",
  wrong_source: "response_source",
  forged: "response_integrity",
} as const;

function generation(
  { local, remoteUfrag, remotePwd }: RemoteCredentials & { local: IceCredentials },
): Generation {
  const encoder = new TextEncoder();
  return {
    local,
    remoteUfrag,
    username: `${local.ufrag}:${remoteUfrag}`,
    key: encoder.encode(local.pwd),
    remoteUsername: `${remoteUfrag}:${local.ufrag}`,
    remoteKey: encoder.encode(remotePwd),
  };
}
