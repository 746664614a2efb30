import { candidatePriority } from "../../sdp/candidate.ts";
import { randomBytes } from "node:crypto";
import type { MediaAddress } from "../../ports/media_address.ts";
import { type StunMessage, verifyFingerprint, verifyMessageIntegrity } from "./stun.ts";
import { formatBindingError, formatBindingRequest, formatBindingSuccess } from "./stun_format.ts";
import { type ConsentRound, type MoveProof, type Sighting, ViewerPaths } from "./viewer_paths.ts";

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
    /** Set when the stream goes to another address from now on. */
    readonly moved: boolean;
  };

/** Why a response to a request of ours does not count; a short name for metrics. */
export type ConsentRejection =
  | "unknown_response"
  | "response_source"
  | "response_integrity"
  | "response_error";

/** What became of one response. */
export type ConsentOutcome =
  | { readonly kind: "rejected"; readonly reason: ConsentRejection }
  /** The address agrees; `moved` when the stream goes to another address from now on. */
  | { readonly kind: "granted"; readonly moved: boolean };

/**
 * The selected address counts as dead after this long without an authenticated packet from it: Chrome repeats its
 * checks every 2.5 s on a quiet path and sends RTCP far more often.
 */
const SELECTED_SILENT_MS = 2_500;

/** Priority of a peer-reflexive candidate, which a check has to name (RFC 8445 §5.1.2.1, §7.1.1). */
const PRIORITY = candidatePriority(110);

/** What a browser shows of its half of ICE (RFC 8839 §5.4). */
export interface RemoteCredentials {
  readonly remoteUfrag: string;
  /** The browser authenticates its answers to our requests with it. */
  readonly remotePwd: string;
}

/** What the checks of one ICE session are authenticated with; a restart begins another. */
interface Generation {
  readonly local: IceCredentials;
  readonly remoteUfrag: string;
  /** Of the browser's checks. */
  readonly username: string;
  readonly key: Uint8Array;
  /** Of our requests. */
  readonly remoteUsername: string;
  readonly remoteKey: Uint8Array;
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
 * The server's half of ICE for one viewer: an ICE-lite agent (RFC 8445 §2.5) that answers checks, and sends none but to
 * ask for consent (RFC 7675). It owns no socket and no clock: `nowMs` is an argument.
 *
 * Where the viewer seems to be: to the address of the latest check with USE-CANDIDATE. Until there is one, to the latest address
 * with an authenticated check. An address that has been silent gives way to the next one that authenticates, and any
 * gives way at once to the source of newer SRTCP or DTLS data, since a tunnel client that reconnects gives the browser a
 * new source port without the browser's knowing. From the first of these on, USE-CANDIDATE counts no more than a plain
 * check: whoever saw a check can send it again, for as long as the session lasts, and a browser that goes elsewhere
 * reports from there.
 *
 * The stream follows once that address has agreed: see {@link ViewerPaths}.
 */
export class IceAgent {
  /** The latest first; until the browser has used it, the one that it used last counts too. */
  #generations: readonly [Generation, ...Generation[]];
  readonly #paths = new ViewerPaths();
  readonly #tieBreaker: bigint = randomBytes(8).readBigUInt64BE();
  #nominated = false;
  /** Whether packets that cannot be replayed, SRTCP and DTLS data, say where the browser is. */
  #reports = false;
  #heardAtMs: number;

  constructor(options: RemoteCredentials & { local: IceCredentials; nowMs: number }) {
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
  restart(options: RemoteCredentials & { local: IceCredentials }): void {
    // An answer to an earlier restart may be lost: then the browser goes on with what it used before that.
    this.#generations = [generation(options), this.#inUse];
  }

  /** Where packets for the browser go; `undefined` before the first authenticated check, and while it has no way. */
  get selected(): MediaAddress | undefined {
    return this.#paths.selected;
  }

  /** Where a packet of the stream goes now; `undefined` while the viewer's address may not be sent one, or is silent. */
  streamTo(nowMs: number): MediaAddress | undefined {
    return this.#paths.streamTo(nowMs);
  }

  /** Where what keeps the connection goes now; `undefined` while the viewer's address may not be sent that. */
  controlTo(nowMs: number): MediaAddress | undefined {
    return this.#paths.controlTo(nowMs);
  }

  /** Where a packet of the DTLS handshake goes; `undefined` when it would be too much for an address that is not proved. */
  handshakeTo(packet: Uint8Array, nowMs: number): MediaAddress | undefined {
    return this.#paths.handshakeTo(packet, nowMs);
  }

  /** The browser has finished the handshake. */
  handshakeDone(nowMs: number): void {
    this.#paths.handshakeDone(nowMs);
  }

  /** Notes so many bytes from an address, authentic or not: so much more may go there before it has agreed. */
  received(bytes: number, arrival: { from: MediaAddress; nowMs: number }): void {
    this.#paths.received(bytes, arrival);
  }

  /** When the last authenticated packet came; the agent's creation before that. */
  get heardAtMs(): number {
    return this.#heardAtMs;
  }

  /** Every address from which the browser authenticated a check, oldest first. */
  get addresses(): MediaAddress[] {
    return this.#paths.addresses;
  }

  /** What showed that the viewer is where it seems to be. */
  get proof(): MoveProof {
    return this.#paths.proof;
  }

  /** When {@link ask} has something to do next; infinite while it has not. */
  get nextAskAtMs(): number {
    return this.#paths.nextAskAtMs;
  }

  /** Asks for consent where that is due. */
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

  /** Takes the response to a request for consent (RFC 7675 §5.1). */
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
   * Takes the viewer to be at the source of an SRTCP packet, or DTLS data, that is authentic and newer than all others,
   * known or not. A browser behind a tunnel client that reconnects sends these from its new source port long before it
   * checks again. To an address that is new the stream goes only once that has agreed.
   */
  followTo(
    from: MediaAddress,
    { nowMs, proof }: { nowMs: number; proof: "srtcp" | "dtls" },
  ): Sighting {
    this.#heardAtMs = nowMs;
    this.#reports = true;
    return this.#paths.want(this.#paths.hear(from, nowMs), { nowMs, proof });
  }

  /** Notes a packet that was authenticated by other means (SRTCP, DTLS) from an address that is already known. */
  heardFrom(from: MediaAddress, nowMs: number): void {
    if (!this.#paths.has(from)) return;
    this.#paths.hear(from, nowMs);
    this.#heardAtMs = nowMs;
  }

  /** A TCP connection ended. If packets went there, the next address that authenticates takes its place. */
  forget(address: MediaAddress): void {
    this.#paths.forget(address);
  }

  /** What the browser uses, as far as it has shown. */
  get #inUse(): Generation {
    return this.#generations.at(-1) ?? this.#generations[0];
  }

  /** The browser has come to the latest generation; where it will be is open again. */
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
    // Whether it was silent is a question of what came before.
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
