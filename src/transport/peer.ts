import { randomBytes } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import type { Meter } from "../base/meter.ts";
import { type EncodedAudio, OPUS_SAMPLE_RATE } from "../media/audio_encoder.ts";
import type { VideoCodec } from "../media/encoder.ts";
import type { MediaAddress } from "../ports/media_address.ts";
import type { AnswerCandidate } from "../sdp/answer.ts";
import type { OfferMedia } from "../sdp/model.ts";
import type { RateLimits } from "../media/congestion/rate_controller.ts";
import { DataChannel } from "./data_channel.ts";
import { createIceCredentials, IceAgent, type IceCredentials } from "./ice_agent.ts";
import { numberExtensionId } from "./path_reports.ts";
import type { Sending, UsableOffer } from "./offer_reader.ts";
import type {
  AudioSink,
  FrameInfo,
  Peer,
  PeerListener,
  PeerMessage,
  PeerStats,
  PublicAddress,
} from "./peer_transport.ts";
import { PathRate } from "./path_rate.ts";
import { answerPeer } from "./peer_answer.ts";
import type { PortMember, PortMux } from "./port_mux.ts";
import { renderAtOnce, SOUND_LATER_US } from "./playout.ts";
import type { RtpHeaderExtension } from "./rtp.ts";
import { type RtcpVerdict, RtpSession } from "./rtp_session.ts";
import { RtpStream } from "./rtp_stream.ts";
import { type DtlsVerdict, SecureChannel, type ServerCertificate } from "./secure_channel.ts";

/** Hz; every video payload type has this clock (RFC 6184 §8.1, RFC 7741 §6.1). */
const VIDEO_CLOCK_RATE = 90_000;

/** What a {@link WebRtcPeer} is made of. */
export interface WebRtcPeerOptions {
  readonly offer: UsableOffer;
  readonly mux: PortMux;
  readonly publicAddress: PublicAddress;
  readonly certificate: ServerCertificate;
  readonly timelineUs: () => number;
  /** Whether the session has sound. */
  readonly audio: boolean;
  /** Between which rates the video is kept. */
  readonly rateLimits: RateLimits;
  readonly listener: PeerListener;
  readonly clock: Clock;
  readonly meter: Meter;
  readonly log: Logger;
}

/**
 * One viewer's connection: ICE-lite agent, DTLS, the streams with their RTCP, and the data channel, on a port that it
 * may share.
 */
export class WebRtcPeer implements Peer, PortMember {
  readonly ice: IceAgent;
  readonly codec: VideoCodec;
  readonly answerSdp: string;
  readonly candidate: AnswerCandidate;
  readonly audio: AudioSink | undefined;
  readonly #options: WebRtcPeerOptions;
  readonly #channel: SecureChannel;
  readonly #video: RtpStream;
  readonly #audio: RtpStream | undefined;
  readonly #rtp: RtpSession;
  readonly #path: PathRate;
  readonly #data: DataChannel | undefined;
  readonly #keyframeExtensions: readonly RtpHeaderExtension[];
  readonly #cname = randomBytes(12).toString("base64url");
  #secured = false;
  #closed = false;

  /** Makes the answer and listens on the port at once: the browser may be faster than the answer's sender. */
  constructor(options: WebRtcPeerOptions) {
    const { offer: { offer, video, audio, data }, mux, certificate, clock, listener } = options;
    const { rateLimits: limits } = options;
    this.#options = options;
    this.codec = video.choice.codec;
    const local = createIceCredentials();
    this.ice = new IceAgent({ local, remoteUfrag: offer.iceUfrag, nowMs: clock.now() });
    this.#channel = new SecureChannel({
      certificate,
      remoteFingerprints: offer.fingerprints,
      send: (packet) => this.#send(packet),
      clock,
    });
    this.#path = new PathRate({
      limits,
      nowMs: clock.now(),
      expectsReports: numberExtensionId(options.offer, video.media) !== undefined,
    });
    this.#video = this.#stream(video, { clockRate: VIDEO_CLOCK_RATE, isVideo: true });
    this.#audio = audio && options.audio
      ? this.#stream(audio, { clockRate: OPUS_SAMPLE_RATE, isVideo: false })
      : undefined;
    this.audio = this.#audio && { sendPacket: (packet) => this.#sendAudio(packet) };
    this.#rtp = new RtpSession({
      ...options,
      streams: this.#audio === undefined ? [this.#video] : [this.#video, this.#audio],
      cname: this.#cname,
      pathRate: this.#path,
      keyframeRequested: listener.keyframeRequested,
      send: (packet) => this.#send(packet),
    });
    this.#data = data && this.#openData(data);
    this.#keyframeExtensions = this.#audio === undefined ? renderAtOnce(video.media) : [];
    const answer = answerPeer({
      offer: options.offer,
      ssrcs: { video: this.#video.ssrc, audio: this.#audio?.ssrc },
      cname: this.#cname,
      ice: local,
      fingerprint: certificate.fingerprint,
      candidate: { ...options.publicAddress, tcp: mux.takesTcp },
      // RFC 9429 §5.3.1: 62 random bits.
      sessionId: (randomBytes(8).readBigUInt64BE() >> 2n).toString(),
      sessionVersion: 1,
    });
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

  get targetKbps(): number {
    return this.#path.view.targetKbps;
  }

  get isFull(): boolean {
    return this.#path.isFull(this.#options.clock.now());
  }

  get stats(): PeerStats {
    const { report, roundTripMs } = this.#rtp.receiver;
    return {
      ...this.#path.view,
      transport: this.ice.selected?.transport,
      roundTripMs,
      fractionLost: report?.fractionLost ?? 0,
      jitterMs: ((report?.jitter ?? 0) * 1000) / VIDEO_CLOCK_RATE,
      bitrateKbps: this.#rtp.bitrateKbps,
      packetsSent: this.#video.packetsSent,
      bytesSent: this.#video.bytesSent + (this.#audio?.bytesSent ?? 0),
      packetsRetransmitted: this.#video.packetsRetransmitted,
    };
  }

  sendFrame(payloads: readonly Uint8Array[], { timestampUs, keyframe }: FrameInfo): void {
    if (!this.#secured || this.#closed) return;
    if (this.#video.packetsSent === 0) this.#firstFrame();
    const extensions = keyframe ? this.#keyframeExtensions : [];
    this.#video.send({ payloads, timestampUs, marker: true, keyframe, extensions });
  }

  sendMessage(data: PeerMessage): boolean {
    return !this.#closed && (this.#data?.send(data) ?? false);
  }

  get iceUfrag(): string {
    return this.ice.local.ufrag;
  }

  restartIce({ ufrag: remoteUfrag }: { readonly ufrag: string }): IceCredentials | undefined {
    if (remoteUfrag === this.ice.remoteUfrag) {
      return this.ice.isRestarting ? this.ice.local : undefined;
    }
    const local = createIceCredentials();
    this.ice.restart({ local, remoteUfrag });
    if (!this.#closed) this.#options.mux.add(this);
    return local;
  }

  pathValidated({ moved }: { moved: boolean }): void {
    if (moved && this.#secured) this.#moved("stun");
  }

  receiveDtls(packet: Uint8Array, from: MediaAddress): DtlsVerdict {
    const verdict = this.#channel.receive(packet);
    if (verdict === "newest") this.#follow(from, "dtls");
    return verdict;
  }

  receiveStrayDtls(packet: Uint8Array, from: MediaAddress): boolean {
    const newest = this.#channel.receiveStray(packet);
    if (newest) this.#follow(from, "dtls");
    return newest;
  }

  receiveRtcp(packet: Uint8Array, from: MediaAddress): RtcpVerdict {
    const verdict = this.#rtp.receive(packet);
    if (verdict === "late") this.ice.heardFrom(from, this.#options.clock.now());
    if (verdict === "newest") this.#follow(from, "srtcp");
    return verdict;
  }

  close(): void {
    if (this.#closed) return;
    this.#rtp.close();
    this.#data?.close();
    // Says goodbye, so that the browser need not wait for silence.
    this.#channel.close();
    this.#closed = true;
    this.#options.mux.remove(this);
  }

  /** The browser has sent its newest packet from here. */
  #follow(from: MediaAddress, proof: "srtcp" | "dtls"): void {
    if (this.ice.followTo(from, this.#options.clock.now())) this.#moved(proof);
  }

  #moved(proof: "stun" | "srtcp" | "dtls"): void {
    const { meter, listener } = this.#options;
    meter.count("viewer_moves_total", { proof });
    this.#path.moved();
    this.#video.forget();
    // What went to the former address is lost, and may be more than can be sent again.
    listener.keyframeRequested("moved");
  }

  #stream(
    { media, choice: { payloadType } }: Sending<string>,
    { clockRate, isVideo }: { clockRate: number; isVideo: boolean },
  ): RtpStream {
    const { clock, offer } = this.#options;
    const extensionId = numberExtensionId(offer, media);
    const sent = (bytes: number) => this.#path.sent(isVideo ? bytes : 0, clock.now());
    return new RtpStream({
      payloadType,
      clockRate,
      clock,
      send: (packet) => this.#sendRtp(packet),
      // Sound that shows no numbers takes none: the viewer would miss them.
      ...(isVideo || extensionId !== undefined ? { sent } : {}),
      numberExtensionId: extensionId,
    });
  }

  #openData({ sctpPort, maxMessageSize }: OfferMedia): DataChannel {
    const data = new DataChannel({
      ...this.#options,
      remotePort: sctpPort ?? 5000,
      remoteMessageBytesMax: maxMessageSize ?? 65_536,
      send: (packet) => this.#channel.sendData(packet),
      onMessage: this.#options.listener.message,
    });
    this.#channel.onData((packet) => data.receive(packet));
    return data;
  }

  async #connect(): Promise<void> {
    const { listener } = this.#options;
    try {
      const media = await this.#channel.establish();
      if (this.#closed) return;
      this.#secured = true;
      this.#rtp.start(media);
      this.#channel.onClosed(() => listener.closed());
      listener.secured();
    } catch (error) {
      if (!this.#closed) listener.failed(error as Error);
      return;
    }
    // Messages are worth less than pictures: without them the viewer still watches.
    this.#data?.start();
  }

  #firstFrame(): void {
    this.#rtp.sendReports();
    this.#options.listener.firstFrame();
  }

  #sendAudio({ data, timestampUs, startsTalkspurt }: EncodedAudio): void {
    if (this.#closed) return;
    this.#audio?.send({
      payloads: [data],
      timestampUs: timestampUs + SOUND_LATER_US,
      marker: startsTalkspurt,
    });
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
