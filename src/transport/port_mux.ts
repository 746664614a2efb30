import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Meter } from "../base/meter.ts";
import { DATAGRAM_BYTES_MAX } from "../base/limits.ts";
import type { SocketAddress, UdpPort } from "../ports/udp_port.ts";
import { addressKey, type IceAgent } from "./ice_agent.ts";
import { classifyPacket } from "./packet_kind.ts";
import type { RtcpVerdict } from "./rtp_session.ts";
import { parseStun, verifyFingerprint } from "./stun.ts";

/** The only method of ICE (RFC 8489 §18.1). */
const BINDING = 1;

/** A viewer's connection as its port sees it. */
export interface PortMember {
  readonly ice: IceAgent;
  /** An authenticated check came; `moved` when packets go to another address from now on. */
  pathValidated(event: { moved: boolean }): void;
  /** A DTLS datagram from an address of this viewer. Only valid until the call returns. */
  receiveDtls(packet: Uint8Array, from: SocketAddress): void;
  /** An SRTCP packet that may be this viewer's, from any address. Only valid until the call returns. */
  receiveRtcp(packet: Uint8Array, from: SocketAddress): RtcpVerdict;
}

/**
 * SRTCP packets in a second that may be tried on viewers who do not own their source: each trial costs about 20 µs, and
 * anybody can send such packets. Browsers whose tunnel reconnects need one or two each.
 */
const TRIALS_PER_SECOND_MAX = 200;

/**
 * Sorts the datagrams of one UDP port among the viewers on it: STUN by our username fragment, everything else by the
 * source address that a viewer's packets have proved (RFC 7983 for telling them apart).
 */
export class PortMux {
  readonly #port: UdpPort;
  readonly #clock: Clock;
  readonly #meter: Meter;
  readonly #log: Logger;
  readonly #byUfrag = new Map<string, PortMember>();
  readonly #byAddress = new Map<string, PortMember>();
  readonly #trials = { left: TRIALS_PER_SECOND_MAX, sinceMs: 0 };

  /** Listens on a port; the port stays the caller's to close. */
  constructor(port: UdpPort, options: { clock: Clock; meter: Meter; log: Logger }) {
    this.#port = port;
    this.#clock = options.clock;
    this.#meter = options.meter;
    this.#log = options.log;
    port.onDatagram((packet, from) => this.#receive(packet, from));
  }

  /** The local port. */
  get port(): number {
    return this.#port.port;
  }

  /** Viewers on this port. */
  get size(): number {
    return this.#byUfrag.size;
  }

  /** Routes packets to a viewer from now on. */
  add(member: PortMember): void {
    this.#byUfrag.set(member.ice.local.ufrag, member);
  }

  /** Forgets a viewer and all its addresses. */
  remove(member: PortMember): void {
    this.#byUfrag.delete(member.ice.local.ufrag);
    for (const [key, owner] of this.#byAddress) {
      if (owner === member) this.#byAddress.delete(key);
    }
  }

  /** Sends one datagram. A refusal by the host is counted and otherwise a loss like any other. */
  send(packet: Uint8Array, to: SocketAddress): void {
    void this.#port.send(packet, to).then((sent) => {
      if (!sent) this.#meter.count("send_errors_total");
    });
  }

  #receive(packet: Uint8Array, from: SocketAddress): void {
    try {
      this.#dispatch(packet, from);
    } catch (error) {
      // A defect of ours, met by one packet, must not cost the other viewers their port.
      this.#drop("internal_error");
      this.#log.error("packet_failed", { port: this.port, error: errorText(error) });
    }
  }

  #dispatch(packet: Uint8Array, from: SocketAddress): void {
    if (packet.length > DATAGRAM_BYTES_MAX) return this.#drop("too_long");
    const kind = classifyPacket(packet);
    if (kind === "stun") return this.#receiveStun(packet, from);
    if (kind === "unknown") return this.#drop("unknown_kind");
    if (kind === "rtcp") return this.#receiveRtcp(packet, from);
    const member = this.#byAddress.get(addressKey(from));
    if (member === undefined) return this.#drop("unknown_source");
    switch (kind) {
      case "dtls":
        return member.receiveDtls(packet, from);
      case "rtp":
        // Viewers only watch.
        return this.#drop("rtp");
    }
  }

  #receiveRtcp(packet: Uint8Array, from: SocketAddress): void {
    const owner = this.#byAddress.get(addressKey(from));
    const verdict = owner?.receiveRtcp(packet, from) ?? "unknown_source";
    if (verdict === "newest" || verdict === "late") return;
    const sender = this.#findSender(packet, { from, owner });
    if (sender === undefined) return this.#drop(verdict);
    this.#claim(from, sender);
  }

  /** The viewer that this SRTCP packet shows to be at a new address. */
  #findSender(
    packet: Uint8Array,
    { from, owner }: { from: SocketAddress; owner: PortMember | undefined },
  ): PortMember | undefined {
    for (const member of this.#byUfrag.values()) {
      if (member === owner) continue;
      if (!this.#takeTrial()) return undefined;
      if (member.receiveRtcp(packet, from) === "newest") return member;
    }
    return undefined;
  }

  #takeTrial(): boolean {
    const trials = this.#trials;
    const nowMs = this.#clock.now();
    if (nowMs - trials.sinceMs >= 1000) {
      trials.sinceMs = nowMs;
      trials.left = TRIALS_PER_SECOND_MAX;
    }
    return trials.left-- > 0;
  }

  #receiveStun(packet: Uint8Array, from: SocketAddress): void {
    const message = parseStun(packet);
    if ("invalid" in message) return this.#reject(message.invalid);
    if (message.messageClass !== "request" || message.method !== BINDING) {
      return this.#reject("not_a_binding_request");
    }
    if (!verifyFingerprint(message)) return this.#reject("fingerprint");
    const member = this.#byUfrag.get(message.username?.split(":", 1)[0] ?? "");
    if (member === undefined) return this.#reject("unknown_user");
    const outcome = member.ice.handleRequest(message, { from, nowMs: this.#clock.now() });
    if (outcome.kind === "rejected") return this.#reject(outcome.reason);
    this.#meter.count("stun_requests_total");
    this.send(outcome.reply, from);
    if (!outcome.validated) return;
    // A source port that frpc gives to one browser after another belongs to the last that proved it.
    this.#claim(from, member);
    member.pathValidated({ moved: outcome.moved });
  }

  #claim(from: SocketAddress, member: PortMember): void {
    const key = addressKey(from);
    if (this.#byAddress.get(key) === member) return;
    this.#byAddress.set(key, member);
    const known = new Set(member.ice.addresses.map(addressKey));
    for (const [other, owner] of this.#byAddress) {
      if (owner === member && !known.has(other)) this.#byAddress.delete(other);
    }
  }

  #drop(reason: string): void {
    this.#meter.count("packets_dropped_total", { reason });
  }

  #reject(reason: string): void {
    this.#meter.count("stun_rejected_total", { reason });
  }
}
