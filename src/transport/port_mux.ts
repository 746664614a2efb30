import type { Clock } from "../base/clock.ts";
import type { PacketDrop } from "../base/shared_metrics.ts";
import { errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { TokenBucket, type TokenRate } from "../base/token_bucket.ts";
import { DATAGRAM_BYTES_MAX } from "../base/limits.ts";
import { addressKey, isLoopback, isUnicast, type MediaAddress } from "../ports/media_address.ts";
import type { MediaPort } from "../ports/media_port.ts";
import { ConsentRounds } from "./ice/consent_rounds.ts";
import type { IceAgent } from "./ice/ice_agent.ts";
import { DTLS_CONTENT } from "./dtls/dtls_records.ts";
import type { StunDrop, TransportMeter } from "./metrics.ts";
import { classifyPacket } from "./packet_kind.ts";
import type { PathProbe } from "./ice/path_probe.ts";
import type { RtcpVerdict } from "./rtp/rtp_session.ts";
import type { DtlsVerdict } from "./dtls/secure_channel.ts";
import { parseStun, type StunMessage, verifyFingerprint } from "./ice/stun.ts";

/** The only method of ICE (RFC 8489 §18.1). */
const BINDING = 1;

/** A viewer's connection as its port sees it. */
export interface PortMember {
  readonly ice: IceAgent;
  /** An authenticated check came, or an address consented; `moved` when the stream goes elsewhere from now on. */
  pathValidated(event: { moved: boolean }): void;
  /** A DTLS packet from an address of this viewer. Only valid until the call returns. */
  receiveDtls(packet: Uint8Array, from: MediaAddress): DtlsVerdict;
  /**
   * A DTLS packet that may be this viewer's, from an address that is not. Only valid until the call returns.
   * @returns Whether the viewer has sent it, and nothing newer before: it is there from now on.
   */
  receiveStrayDtls(packet: Uint8Array, from: MediaAddress): boolean;
  /** An SRTCP packet that may be this viewer's, from any address. Only valid until the call returns. */
  receiveRtcp(packet: Uint8Array, from: MediaAddress): RtcpVerdict;
}

/**
 * Trials of encrypted packets on viewers who do not own their source: each costs about 20 µs, and anybody can send such
 * packets. Browsers whose tunnel reconnects need one or two each.
 */
const TRIALS: TokenRate = { perSecond: 200 };

/**
 * Sorts the packets of one media port, over UDP and TCP, among the viewers on it: STUN by our username fragment,
 * everything else by the source address that a viewer's packets have proved (RFC 7983 for telling them apart).
 */
export class PortMux {
  readonly #port: MediaPort;
  readonly #clock: Clock;
  readonly #meter: TransportMeter;
  readonly #log: Logger;
  readonly #probe: PathProbe | undefined;
  readonly #byUfrag = new Map<string, PortMember>();
  readonly #byAddress = new Map<string, { readonly address: MediaAddress; owner: PortMember }>();
  readonly #consents: ConsentRounds;
  readonly #trials = new TokenBucket(TRIALS);

  /**
   * Listens on a port; the port stays the caller's to close.
   * @param options.probe Takes the requests that no viewer's agent knows; all ports share it.
   */
  constructor(
    port: MediaPort,
    options: { clock: Clock; meter: TransportMeter; log: Logger; probe?: PathProbe },
  ) {
    this.#port = port;
    this.#clock = options.clock;
    this.#meter = options.meter;
    this.#log = options.log;
    this.#probe = options.probe;
    this.#consents = new ConsentRounds({
      ...options,
      send: (packet, to) => this.send(packet, to),
    });
    port.listen({
      packet: (packet, from) => this.#receive(packet, from),
      refused: (packets) => this.#refused(packets),
      disconnected: (address) => this.#disconnected(address),
    });
  }

  /** The local port. */
  get port(): number {
    return this.#port.port;
  }

  get takesUdp(): boolean {
    return this.#port.takesUdp;
  }

  get takesTcp(): boolean {
    return this.#port.takesTcp;
  }

  /** Viewers on this port. */
  get size(): number {
    return new Set(this.#byUfrag.values()).size;
  }

  /** Routes packets to a viewer from now on; again after each restart of its ICE. */
  add(member: PortMember): void {
    this.#forgetUfrags(member);
    for (const ufrag of member.ice.ufrags) this.#byUfrag.set(ufrag, member);
  }

  /** Forgets a viewer and all its addresses, and ends its TCP connections. */
  remove(member: PortMember): void {
    this.#consents.end(member);
    this.#forgetUfrags(member);
    this.#releaseOthers(member, new Set());
  }

  /** Whether the host takes no more UDP at present: a picture more would only wait. */
  get isBlocked(): boolean {
    return this.#port.isBlocked();
  }

  /**
   * Sends one packet, which is only read until the call returns. A refusal by the host is counted and otherwise a loss
   * like any other.
   */
  send(packet: Uint8Array, to: MediaAddress): void {
    if (!this.#port.send(packet, to)) this.#refused(1);
  }

  #refused(packets: number): void {
    this.#meter.count("send_errors_total", {}, packets);
  }

  #receive(packet: Uint8Array, from: MediaAddress): void {
    try {
      this.#dispatch(packet, from);
    } catch (error) {
      // A defect of ours, met by one packet, must not cost the other viewers their port.
      this.#drop("internal_error");
      this.#log.error("packet_failed", { port: this.port, error: errorText(error) });
    }
  }

  #dispatch(packet: Uint8Array, from: MediaAddress): void {
    if (packet.length > DATAGRAM_BYTES_MAX) return this.#drop("too_long");
    if (!this.#isPossible(from)) return this.#drop("impossible_source");
    const kind = classifyPacket(packet);
    if (kind === "stun") return this.#receiveStun(packet, from);
    if (kind === "unknown") return this.#drop("unknown_kind");
    if (kind === "rtcp") return this.#receiveRtcp(packet, from);
    if (kind === "dtls") return this.#receiveDtls(packet, from);
    // What is left is RTP, and viewers only watch.
    this.#drop(this.#ownerOf(from) === undefined ? "unknown_source" : "rtp");
  }

  #receiveDtls(packet: Uint8Array, from: MediaAddress): void {
    const owner = this.#ownerOf(from);
    owner?.ice.received(packet.length, { from, nowMs: this.#clock.now() });
    const verdict = owner?.receiveDtls(packet, from) ?? "unknown_source";
    if (owner !== undefined) this.#consents.keep(owner);
    if (verdict === "newest" || verdict === "taken") return;
    // Nothing else that DTLS carries is worth a trial.
    const isData = packet[0] === DTLS_CONTENT.applicationData;
    const isFrom = (member: PortMember) => member.receiveStrayDtls(packet, from);
    const sender = isData ? this.#findSender(owner, isFrom) : undefined;
    this.#admit(sender, { from, bytes: packet.length, otherwise: verdict });
  }

  #receiveRtcp(packet: Uint8Array, from: MediaAddress): void {
    const owner = this.#ownerOf(from);
    owner?.ice.received(packet.length, { from, nowMs: this.#clock.now() });
    const verdict = owner?.receiveRtcp(packet, from) ?? "unknown_source";
    if (owner !== undefined) this.#consents.keep(owner);
    if (verdict === "newest" || verdict === "late") return;
    const isFrom = (member: PortMember) => member.receiveRtcp(packet, from) === "newest";
    const sender = this.#findSender(owner, isFrom);
    this.#admit(sender, { from, bytes: packet.length, otherwise: verdict });
  }

  /** The viewer that an encrypted packet is of whose source is new to it. */
  #findSender(
    owner: PortMember | undefined,
    isFrom: (member: PortMember) => boolean,
  ): PortMember | undefined {
    for (const member of new Set(this.#byUfrag.values())) {
      if (member === owner) continue;
      if (!this.#trials.take(this.#clock.now())) return undefined;
      if (isFrom(member)) return member;
    }
    return undefined;
  }

  /** A packet showed where this viewer is now; or it was nobody's. */
  #admit(
    sender: PortMember | undefined,
    { from, bytes, otherwise }: { from: MediaAddress; bytes: number; otherwise: PacketDrop },
  ): void {
    if (sender === undefined) return this.#drop(otherwise);
    this.#port.prove(from);
    this.#claim(from, sender);
    sender.ice.received(bytes, { from, nowMs: this.#clock.now() });
    this.#consents.keep(sender);
  }

  /** Whether a viewer can be there; our own socket is none, on whose behalf we would send to ourselves. */
  #isPossible(from: MediaAddress): boolean {
    return isUnicast(from) && !(from.port === this.port && isLoopback(from));
  }

  #ownerOf(from: MediaAddress): PortMember | undefined {
    return this.#byAddress.get(addressKey(from))?.owner;
  }

  #receiveStun(packet: Uint8Array, from: MediaAddress): void {
    const message = parseStun(packet);
    if ("invalid" in message) return this.#reject(message.invalid);
    const { messageClass, method } = message;
    if (method !== BINDING || messageClass === "indication") {
      return this.#reject("not_a_binding_request");
    }
    if (messageClass !== "request") return this.#receiveConsent(message, from);
    if (!verifyFingerprint(message)) return this.#reject("fingerprint");
    const member = this.#byUfrag.get(message.username?.split(":", 1)[0] ?? "");
    if (member === undefined) return this.#receiveProbe(message, from);
    const outcome = member.ice.handleRequest(message, { from, nowMs: this.#clock.now() });
    if (outcome.kind === "rejected") return this.#reject(outcome.reason);
    this.#meter.count("stun_requests_total");
    this.send(outcome.reply, from);
    if (!outcome.validated) return;
    this.#port.prove(from);
    // A source port that frpc gives to one browser after another belongs to the last that proved it.
    this.#claim(from, member);
    member.pathValidated({ moved: outcome.moved });
    this.#consents.keep(member);
  }

  /**
   * The answer to a request of ours. Most come from an address that the viewer owns, but another viewer may have shown
   * up there since, or have pretended to: an answer counts for whoever was asked, which its random id tells.
   */
  #receiveConsent(message: StunMessage, from: MediaAddress): void {
    const context = { from, nowMs: this.#clock.now() };
    // The owner first, and each once.
    for (const member of new Set([this.#ownerOf(from), ...this.#byUfrag.values()])) {
      if (member === undefined) continue;
      const outcome = member.ice.handleResponse(message, context);
      if (outcome.kind === "granted") {
        this.#meter.count("consents_granted_total");
        this.#claim(from, member);
        member.pathValidated(outcome);
        return this.#consents.keep(member);
      }
      if (outcome.reason !== "unknown_response") return this.#reject(outcome.reason);
    }
    this.#reject("unknown_response");
  }

  /** A check of a path rather than of a viewer's browser: see {@link PathProbe}. */
  #receiveProbe(message: StunMessage, from: MediaAddress): void {
    const outcome = this.#probe?.answer(message, { localPort: this.port, from });
    if (outcome === undefined) return this.#reject("unknown_user");
    if ("rejected" in outcome) return this.#reject(outcome.rejected);
    this.#meter.count("stun_requests_total");
    this.send(outcome.reply, from);
  }

  #forgetUfrags(member: PortMember): void {
    for (const [ufrag, owner] of this.#byUfrag) {
      if (owner === member) this.#byUfrag.delete(ufrag);
    }
  }

  #claim(from: MediaAddress, member: PortMember): void {
    const key = addressKey(from);
    if (this.#byAddress.get(key)?.owner === member) return;
    this.#byAddress.set(key, { address: from, owner: member });
    this.#releaseOthers(member, new Set(member.ice.addresses.map(addressKey)));
  }

  /** Gives up the addresses of a viewer that are not among these. */
  #releaseOthers(member: PortMember, known: ReadonlySet<string>): void {
    for (const [key, { address, owner }] of this.#byAddress) {
      if (owner !== member || known.has(key)) continue;
      this.#byAddress.delete(key);
      this.#port.release(address);
    }
  }

  #disconnected(address: MediaAddress): void {
    const key = addressKey(address);
    this.#byAddress.get(key)?.owner.ice.forget(address);
    this.#byAddress.delete(key);
  }

  #drop(reason: PacketDrop): void {
    this.#meter.count("packets_dropped_total", { reason });
  }

  #reject(reason: StunDrop): void {
    this.#meter.count("stun_rejected_total", { reason });
  }
}
