import type { CancelTimer, Clock } from "../../base/clock.ts";
import { TokenBucket, type TokenRate } from "../../base/token_bucket.ts";
import type { TransportMeter } from "../metrics.ts";
import { parseRtcp, type ReportBlock, type RtcpPacket } from "./rtcp.ts";
import { formatBye, formatSenderReport, roundTripMs } from "./rtcp_format.ts";
import type { PathRate } from "../../rate/path_rate.ts";
import type { RtpStream } from "./rtp_stream.ts";
import type { SecureMedia } from "../dtls/secure_channel.ts";

/** Well inside the 30 s after which frpc forgets a browser that it hears nothing for. */
const SENDER_REPORT_INTERVAL_MS = 1_000;

/** A round trip longer than this is no measurement but a receiver's mistake, or its lie. */
const ROUND_TRIP_MS_MAX = 60_000;

/**
 * Packets of RTCP that are read of a viewer. Browsers send some ten to twenty, and some dozens where much is
 * lost; a report may take 0.15 ms to read.
 */
const RTCP: TokenRate = { perSecond: 200 };

/**
 * What an SRTCP packet was: authentic and sent after all others that came, authentic and overtaken, or of no use because
 * there are no keys yet, or because it is not authentic or came before.
 */
export type RtcpVerdict = "newest" | "late" | "early_rtcp" | "srtcp_forged";

/** What an {@link RtpSession} is made of. */
export interface RtpSessionOptions {
  /** Video first, then audio if there is any. */
  readonly streams: readonly RtpStream[];
  /** Canonical name of all streams: ties them together (RFC 3550 §6.5.1). */
  readonly cname: string;
  /** Hears of all that is said about the path. */
  readonly pathRate: Pick<PathRate, "report" | "receiverReport" | "view">;
  /** The session's time now, in microseconds. */
  readonly timelineUs: () => number;
  readonly keyframeRequested: (reason: "pli" | "fir" | "nack") => void;
  readonly send: (packet: Uint8Array) => void;
  readonly clock: Clock;
  readonly meter: TransportMeter;
}

/** What the receiver said last of the video, and of the path. */
export interface ReceiverView {
  readonly report: ReportBlock | undefined;
  readonly roundTripMs: number | undefined;
}

/** What had been sent at a moment. */
interface SentMark {
  readonly atMs: number;
  readonly bytes: number;
}

/**
 * RTCP of one viewer (RFC 3550, RFC 4585): sender reports that tie all streams to one wall clock, and what the receiver
 * answers.
 */
export class RtpSession {
  readonly #options: RtpSessionOptions;
  readonly #streams: Map<number, RtpStream>;
  /**
   * Wall clock less monotonic clock when the viewer came. Its reports keep to that: a host whose clock is set would
   * otherwise tear the streams from the time that they had, and show round trips of hours, or of nothing.
   */
  readonly #wallOffsetMs: number;
  #media: SecureMedia | undefined;
  #cancelReport: CancelTimer = () => {};
  #report: ReportBlock | undefined;
  #roundTripMs: number | undefined;
  #sent: SentMark | undefined;
  #bitrateKbps = 0;
  readonly #heard = new TokenBucket(RTCP);

  constructor(options: RtpSessionOptions) {
    this.#options = options;
    this.#wallOffsetMs = options.clock.wallMs() - options.clock.now();
    this.#streams = new Map(options.streams.map((stream) => [stream.ssrc, stream]));
  }

  get receiver(): ReceiverView {
    return { report: this.#report, roundTripMs: this.#roundTripMs };
  }

  /** What all streams sent in the last full second, retransmissions and RTP headers included, in kbit/s. */
  get bitrateKbps(): number {
    return this.#bitrateKbps;
  }

  /** Lets packets out from now on. */
  start(media: SecureMedia): void {
    this.#media = media;
    for (const stream of this.#streams.values()) stream.start(media.rtp);
    this.#reportEverySecond();
  }

  /** Takes another stream: a viewer may ask for sound later. */
  add(stream: RtpStream): void {
    this.#streams.set(stream.ssrc, stream);
    if (this.#media !== undefined) stream.start(this.#media.rtp);
    this.sendReports();
  }

  /** Sends a sender report of each stream at once, as before the first packet: players wait for it to play in step. */
  sendReports(): void {
    const { timelineUs, cname, send } = this.#options;
    if (this.#media === undefined) return;
    const now = { wallMs: this.#wallMs, timelineUs: timelineUs() };
    for (const stream of this.#streams.values()) {
      const report = formatSenderReport({
        ssrc: stream.ssrc,
        wallMs: now.wallMs,
        rtpTimestamp: stream.timestampOf(now.timelineUs),
        packetCount: stream.packetsSent,
        octetCount: stream.payloadBytesSent,
        cname,
      });
      send(this.#media.protectRtcp(report));
    }
  }

  /** Takes an SRTCP packet, which may be anybody's. */
  receive(packet: Uint8Array): RtcpVerdict {
    if (this.#media === undefined) return "early_rtcp";
    const authentic = this.#media.unprotectRtcp(packet);
    if (authentic === undefined) return "srtcp_forged";
    const { clock, meter } = this.#options;
    if (!this.#heard.take(clock.now())) {
      meter.count("packets_dropped_total", { reason: "rtcp_flood" });
      return authentic.newest ? "newest" : "late";
    }
    const { packets, malformed } = parseRtcp(authentic.compound);
    if (malformed) meter.count("packets_dropped_total", { reason: "rtcp_malformed" });
    for (const each of packets) this.#handle(each);
    return authentic.newest ? "newest" : "late";
  }

  /** Says goodbye and stops reporting. */
  close(): void {
    this.#cancelReport();
    if (this.#media === undefined) return;
    for (const ssrc of this.#streams.keys()) {
      const bye = formatBye({ ssrc, cname: this.#options.cname });
      this.#options.send(this.#media.protectRtcp(bye));
    }
    this.#media = undefined;
  }

  get #wallMs(): number {
    return this.#wallOffsetMs + this.#options.clock.now();
  }

  #reportEverySecond(): void {
    // First, so that a second that fails is not the last one.
    this.#cancelReport = this.#options.clock.after(
      SENDER_REPORT_INTERVAL_MS,
      () => this.#reportEverySecond(),
    );
    this.sendReports();
    this.#measureBitrate();
    this.#observePath();
  }

  #observePath(): void {
    const { meter, pathRate: { view: { targetKbps, queueMs } } } = this.#options;
    meter.observe("video_target_bits_per_second", targetKbps * 1000);
    if (queueMs !== undefined) meter.observe("path_queue_seconds", queueMs / 1000);
  }

  #measureBitrate(): void {
    let bytes = 0;
    for (const { bytesSent } of this.#streams.values()) bytes += bytesSent;
    const now = { atMs: this.#options.clock.now(), bytes };
    const before = this.#sent ?? now;
    this.#sent = now;
    // Bits in a millisecond are kilobits in a second.
    this.#bitrateKbps = 8 * (bytes - before.bytes) / Math.max(1, now.atMs - before.atMs);
  }

  #handle(packet: RtcpPacket): void {
    const { clock, meter, keyframeRequested, pathRate } = this.#options;
    switch (packet.type) {
      case "transport_feedback":
        return pathRate.report(packet, clock.now());
      case "receiver_report":
      case "sender_report":
        return this.#noteReports(packet.reports);
      case "nack": {
        const stream = this.#streams.get(packet.mediaSsrc);
        if (stream === undefined) return;
        meter.count("rtp_packets_nacked_total", {}, packet.sequenceNumbers.length);
        const { packets, isTooLate } = stream.resend(packet.sequenceNumbers);
        if (isTooLate) keyframeRequested("nack");
        return meter.count("rtp_packets_retransmitted_total", {}, packets);
      }
      case "pli":
        if (this.#streams.has(packet.mediaSsrc)) keyframeRequested("pli");
        return;
      case "fir":
        if (packet.requests.some(({ ssrc }) => this.#streams.has(ssrc))) keyframeRequested("fir");
        return;
    }
  }

  #noteReports(reports: readonly ReportBlock[]): void {
    const [video] = this.#options.streams;
    const report = reports.find(({ ssrc }) => ssrc === video?.ssrc);
    if (report === undefined) return;
    this.#report = report;
    const { meter, pathRate, clock } = this.#options;
    meter.observe("packet_loss_ratio", report.fractionLost);
    const measured = roundTripMs(report, this.#wallMs);
    if (measured === undefined || measured > ROUND_TRIP_MS_MAX) return;
    this.#roundTripMs = measured;
    meter.observe("round_trip_seconds", measured / 1000);
    // While a queue grows, the report that would show it is in it: the next one has been on its way for so long already.
    const sinceMs = measured + report.delaySinceLastSenderReport * 1000 / 65_536;
    const roundTrip = Math.max(measured, sinceMs - SENDER_REPORT_INTERVAL_MS);
    pathRate.receiverReport({
      roundTripMs: Math.min(roundTrip, ROUND_TRIP_MS_MAX),
      lossRatio: report.fractionLost,
      answersMs: sinceMs,
    }, clock.now());
  }
}
