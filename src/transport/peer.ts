import { randomBytes } from "node:crypto";
import type { CancelTimer, Clock } from "../base/clock.ts";
import type { Meter } from "../base/meter.ts";
import type { VideoCodec } from "../media/encoder.ts";
import type { SocketAddress } from "../ports/udp_port.ts";
import { type AnswerCandidate, buildAnswer, sendExtensionId } from "../sdp/answer.ts";
import { createIceCredentials, IceAgent } from "./ice_agent.ts";
import { answerSections, type VideoOffer } from "./offer_reader.ts";
import type { FrameInfo, Peer, PeerListener, PeerStats, PublicAddress } from "./peer_transport.ts";
import type { PortMember, PortMux } from "./port_mux.ts";
import { parseRtcp, type ReportBlock, type RtcpPacket } from "./rtcp.ts";
import { formatBye, formatSenderReport, roundTripMs } from "./rtcp_format.ts";
import { formatPlayoutDelay } from "./rtp.ts";
import { RtpStream } from "./rtp_stream.ts";
import { SecureChannel, type SecureMedia, type ServerCertificate } from "./secure_channel.ts";

/** Hz; every video payload type has this clock (RFC 6184 §8.1, RFC 7741 §6.1). */
const VIDEO_CLOCK_RATE = 90_000;

const PLAYOUT_DELAY_URI = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";

/** What the browser may tell us about the video and what we act on. */
const VIDEO_FEEDBACK = ["nack", "nack pli", "ccm fir"];

/** Well inside the 30 s after which frpc forgets a browser that it hears nothing for. */
const SENDER_REPORT_INTERVAL_MS = 1_000;

/** What a {@link WebRtcPeer} is made of. */
export interface WebRtcPeerOptions {
  readonly offer: VideoOffer;
  readonly mux: PortMux;
  readonly publicAddress: PublicAddress;
  readonly certificate: ServerCertificate;
  readonly timelineUs: () => number;
  readonly listener: PeerListener;
  readonly clock: Clock;
  readonly meter: Meter;
}

/**
 * One viewer's connection: ICE-lite agent, DTLS, and the video stream with its RTCP, on a port that it may share.
 */
export class WebRtcPeer implements Peer, PortMember {
  readonly ice: IceAgent;
  readonly codec: VideoCodec;
  readonly answerSdp: string;
  readonly candidate: AnswerCandidate;
  readonly #options: WebRtcPeerOptions;
  readonly #channel: SecureChannel;
  readonly #stream: RtpStream;
  readonly #cname = randomBytes(12).toString("base64url");
  #media: SecureMedia | undefined;
  #cancelReport: CancelTimer = () => {};
  #lastReport: ReportBlock | undefined;
  #roundTripMs: number | undefined;
  readonly #createdMs: number;
  #closed = false;

  /** Makes the answer and listens on the port at once: the browser may be faster than the answer's sender. */
  constructor(options: WebRtcPeerOptions) {
    const { offer: { offer, videoIndex, choice }, mux, certificate, clock } = options;
    this.#options = options;
    this.#createdMs = clock.now();
    this.codec = choice.codec;
    this.ice = new IceAgent({
      local: createIceCredentials(),
      remoteUfrag: offer.iceUfrag,
      nowMs: this.#createdMs,
    });
    this.#channel = new SecureChannel({
      certificate,
      remoteFingerprints: offer.fingerprints,
      send: (packet) => this.#send(packet),
    });
    const media = offer.media[videoIndex];
    const delayId = media === undefined ? undefined : sendExtensionId(media, PLAYOUT_DELAY_URI);
    this.#stream = new RtpStream({
      payloadType: choice.payloadType,
      clockRate: VIDEO_CLOCK_RATE,
      keyframeExtensions: delayId === undefined
        ? []
        : [{ id: delayId, data: formatPlayoutDelay({ minMs: 0, maxMs: 0 }) }],
      send: (packet) => this.#sendRtp(packet),
    });
    const answer = this.#answer();
    this.answerSdp = answer.sdp;
    this.candidate = answer.candidate;
    mux.add(this);
    void this.#connect();
  }

  /** Itself: frames of the one video stream. */
  get video(): this {
    return this;
  }

  get heardAtMs(): number {
    return this.ice.heardAtMs;
  }

  get stats(): PeerStats {
    return {
      roundTripMs: this.#roundTripMs,
      fractionLost: this.#lastReport?.fractionLost ?? 0,
      jitterMs: ((this.#lastReport?.jitter ?? 0) * 1000) / VIDEO_CLOCK_RATE,
      packetsSent: this.#stream.packetsSent,
      bytesSent: this.#stream.bytesSent,
      packetsRetransmitted: this.#stream.packetsRetransmitted,
    };
  }

  sendFrame(payloads: readonly Uint8Array[], info: FrameInfo): void {
    if (this.#closed) return;
    if (this.#stream.packetsSent === 0 && this.#media !== undefined) this.#firstFrame();
    this.#stream.sendFrame(payloads, info);
  }

  pathValidated({ moved }: { moved: boolean }): void {
    if (moved) this.#options.meter.count("viewer_moves_total", { proof: "stun" });
  }

  receiveDtls(packet: Uint8Array): void {
    this.#channel.receive(packet);
  }

  receiveRtcp(packet: Uint8Array, from: SocketAddress): void {
    const { clock, meter } = this.#options;
    if (this.#media === undefined) {
      return meter.count("packets_dropped_total", { reason: "early_rtcp" });
    }
    const compound = this.#media.unprotectRtcp(packet);
    if (compound === undefined) {
      return meter.count("packets_dropped_total", { reason: "srtcp_forged" });
    }
    this.ice.heardFrom(from, clock.now());
    const { packets, malformed } = parseRtcp(compound);
    if (malformed) meter.count("packets_dropped_total", { reason: "rtcp_malformed" });
    for (const each of packets) this.#handleRtcp(each);
  }

  close(): void {
    if (this.#closed) return;
    const { ssrc } = this.#stream;
    if (this.#media !== undefined) {
      this.#send(this.#media.protectRtcp(formatBye({ ssrc, cname: this.#cname })));
    }
    this.#closed = true;
    this.#cancelReport();
    this.#channel.close();
    this.#options.mux.remove(this);
  }

  #answer(): ReturnType<typeof buildAnswer> {
    const { offer: video, certificate, publicAddress } = this.#options;
    return buildAnswer({
      offer: video.offer,
      sections: answerSections(video, {
        kind: "send",
        codec: video.choice,
        ssrc: this.#stream.ssrc,
        cname: this.#cname,
        streamId: "pinhole",
        trackId: "video",
        feedback: VIDEO_FEEDBACK,
        extensions: [PLAYOUT_DELAY_URI],
      }),
      ice: this.ice.local,
      fingerprint: certificate.fingerprint,
      candidate: publicAddress,
      // RFC 9429 §5.3.1: 62 random bits.
      sessionId: (randomBytes(8).readBigUInt64BE() >> 2n).toString(),
    });
  }

  async #connect(): Promise<void> {
    const { listener } = this.#options;
    try {
      const media = await this.#channel.establish();
      if (this.#closed) return;
      this.#media = media;
      this.#stream.start(media.rtp);
      this.#channel.onClosed(() => listener.closed());
      this.#report();
      listener.secured();
    } catch (error) {
      if (!this.#closed) listener.failed(error as Error);
    }
  }

  #firstFrame(): void {
    const { clock, meter } = this.#options;
    // Ties the stream to the wall clock before its first packet.
    this.#sendReport();
    meter.observe("first_frame_seconds", (clock.now() - this.#createdMs) / 1000);
  }

  #report(): void {
    this.#sendReport();
    this.#cancelReport = this.#options.clock.after(
      SENDER_REPORT_INTERVAL_MS,
      () => this.#report(),
    );
  }

  #sendReport(): void {
    const { clock, timelineUs } = this.#options;
    if (this.#media === undefined) return;
    const report = formatSenderReport({
      ssrc: this.#stream.ssrc,
      wallMs: clock.wallMs(),
      rtpTimestamp: this.#stream.timestampOf(timelineUs()),
      packetCount: this.#stream.packetsSent,
      octetCount: this.#stream.payloadBytesSent,
      cname: this.#cname,
    });
    this.#send(this.#media.protectRtcp(report));
  }

  #handleRtcp(packet: RtcpPacket): void {
    const { clock, meter, listener } = this.#options;
    const { ssrc } = this.#stream;
    switch (packet.type) {
      case "receiver_report":
      case "sender_report":
        return this.#noteReport(packet.reports.find((block) => block.ssrc === ssrc));
      case "nack": {
        if (packet.mediaSsrc !== ssrc) return;
        const resent = this.#stream.resend(packet.sequenceNumbers, clock.now());
        return meter.count("rtp_packets_retransmitted_total", {}, resent);
      }
      case "pli":
        if (packet.mediaSsrc === ssrc) listener.keyframeRequested("pli");
        return;
      case "fir":
        if (packet.requests.some((request) => request.ssrc === ssrc)) {
          listener.keyframeRequested("fir");
        }
        return;
    }
  }

  #noteReport(block: ReportBlock | undefined): void {
    if (block === undefined) return;
    this.#lastReport = block;
    this.#roundTripMs = roundTripMs(block, this.#options.clock.wallMs()) ?? this.#roundTripMs;
  }

  #sendRtp(packet: Uint8Array): void {
    const { meter } = this.#options;
    meter.count("rtp_packets_sent_total");
    meter.count("rtp_bytes_sent_total", {}, packet.length);
    this.#send(packet);
  }

  #send(packet: Uint8Array): void {
    const to = this.ice.selected;
    if (to !== undefined && !this.#closed) this.#options.mux.send(packet, to);
  }
}
