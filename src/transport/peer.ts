import { MESSAGE_BYTES_MAX } from "../base/limits.ts";
import { randomBytes } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import type { Live } from "../base/live.ts";
import type { Logger } from "../base/log.ts";
import type { VideoCodec } from "../media/encoder.ts";
import type { MediaAddress } from "../ports/media_address.ts";
import type { Answer, AnswerCandidate } from "../sdp/answer.ts";
import type { UnusedSection } from "../sdp/mismatch.ts";
import type { Offer } from "../sdp/model.ts";
import { parseOffer } from "../sdp/offer.ts";
import type { RateLimits } from "../rate/rate_controller.ts";
import { DataChannel } from "./sctp/data_channel.ts";
import {
  createIceCredentials,
  IceAgent,
  type IceCredentials,
  type RemoteCredentials,
} from "./ice/ice_agent.ts";
import type { TransportMeter } from "./metrics.ts";
import { numberExtensionId } from "./rtp/path_reports.ts";
import {
  isFurtherOffer,
  type OfferUse,
  rateCapLimitsOf,
  unusedSections,
  type UsableOffer,
  useFurtherOffer,
} from "./offer_reader.ts";
import type {
  AudioSink,
  FrameInfo,
  OfferIdentity,
  Peer,
  PeerListener,
  PeerMessage,
  PeerStats,
} from "./peer_transport.ts";
import { PathRate } from "../rate/path_rate.ts";
import type { SharedPaths } from "../rate/shared_paths.ts";
import { answerPeer, type PeerAnswerOptions } from "./peer_answer.ts";
import type { PortMember, PortMux } from "./port_mux.ts";
import { PeerStreams, VIDEO_CLOCK_RATE } from "./peer_streams.ts";
import { type RtcpVerdict, RtpSession } from "./rtp/rtp_session.ts";
import { type DtlsVerdict, SecureChannel } from "./dtls/secure_channel.ts";
import type { ServerCertificate } from "./dtls/server_certificate.ts";

export interface WebRtcPeerOptions {
  readonly offer: UsableOffer;
  /** Video codecs, best first, for a further offer that no longer accepts the current one. */
  readonly codecs: readonly VideoCodec[];
  readonly mux: PortMux;
  /** All viewers of the process, some of which share a tunnel. */
  readonly paths: SharedPaths;
  readonly candidates: PeerAnswerOptions["candidates"];
  readonly certificate: ServerCertificate;
  readonly timelineUs: () => number;
  /** Whether the session has sound. */
  readonly audio: boolean;
  /** Range of the video rate. */
  readonly rateLimits: Live<RateLimits>;
  readonly listener: PeerListener;
  readonly clock: Clock;
  readonly meter: TransportMeter;
  readonly log: Logger;
}

/**
 * One viewer's connection: ICE-lite agent, DTLS, the streams with their RTCP, and the data channel, on a port that it
 * may share.
 */
export class WebRtcPeer implements Peer, PortMember {
  readonly ice: IceAgent;
  readonly #options: WebRtcPeerOptions;
  readonly #channel: SecureChannel;
  readonly #streams: PeerStreams;
  readonly #rtp: RtpSession;
  readonly #path: PathRate;
  readonly #cname = randomBytes(12).toString("base64url");
  /** RFC 9429 §5.3.1: 62 random bits. */
  readonly #sessionId = (randomBytes(8).readBigUInt64BE() >> 2n).toString();
  /** Sections in use of the latest offer. */
  #use: OfferUse;
  #codec: VideoCodec;
  #data: DataChannel | undefined;
  #answers = 0;
  #answer: Answer;
  #secured = false;
  /** A flight of the handshake that is too long for an address without consent. */
  #withheld: Uint8Array | undefined;
  #closed = false;

  /** Creates the answer and listens on the port at once, because checks may come before the answer was sent. */
  constructor(options: WebRtcPeerOptions) {
    const { offer: { offer, video }, mux, certificate, clock, listener } = options;
    this.#options = options;
    this.#use = options.offer;
    this.#codec = video.choice.codec;
    const local = createIceCredentials();
    this.ice = new IceAgent({
      local,
      remoteUfrag: offer.iceUfrag,
      remotePwd: offer.icePwd,
      nowMs: clock.now(),
    });
    this.#channel = new SecureChannel({
      certificate,
      remoteFingerprints: offer.fingerprints,
      send: (packet) => this.#send(packet),
      clock,
    });
    this.#path = new PathRate({
      limits: options.rateLimits,
      nowMs: clock.now(),
      expectsReports: numberExtensionId(options.offer, video.media) !== undefined,
      shared: options.paths,
    });
    this.#path.limits = rateCapLimitsOf(this.#use, { audio: options.audio });
    this.#streams = new PeerStreams(options.offer, {
      hasSound: options.audio,
      path: this.#path,
      clock,
      send: (packet) => this.#sendRtp(packet),
      mayStream: () => this.#mayStream,
      soundAdded: (stream) => this.#rtp.add(stream),
    });
    this.#rtp = new RtpSession({
      ...options,
      streams: [this.#streams.video],
      cname: this.#cname,
      pathRate: this.#path,
      keyframeRequested: listener.keyframeRequested,
      send: (packet) => this.#send(packet),
    });
    this.#streams.follow(this.#use);
    this.#openData();
    this.#answer = this.#makeAnswer();
    mux.add(this);
    void this.#connect();
  }

  get identity(): OfferIdentity {
    const { fingerprints, sessionId, sessionVersion, iceUfrag, icePwd } = this.#use.offer;
    return { fingerprints, sessionId, sessionVersion, iceUfrag, icePwd };
  }

  get codec(): VideoCodec {
    return this.#codec;
  }

  get answerSdp(): string {
    return this.#answer.sdp;
  }

  get candidate(): AnswerCandidate {
    return this.#answer.candidate;
  }

  get audio(): AudioSink | undefined {
    return this.#streams.sound && this.#streams;
  }

  get isPaused(): boolean {
    return this.#streams.isVideoPaused;
  }

  /** Itself, as the sink of the video stream. */
  get video(): this {
    return this;
  }

  get heardAtMs(): number {
    return this.ice.heardAtMs;
  }

  get targetKbps(): number {
    return this.#path.view.targetKbps;
  }

  get limitKbps(): number {
    return this.#path.view.limitKbps;
  }

  get isFull(): boolean {
    // A picture that may not be sent would be lost, so the encoder waits.
    if (!this.#mayStream || this.#options.mux.isBlocked) return true;
    return this.#path.isFull(this.#options.clock.now());
  }

  get stats(): PeerStats {
    const { report, roundTripMs } = this.#rtp.receiver;
    const { video, sound } = this.#streams;
    return {
      ...this.#path.view,
      transport: this.ice.selected?.transport,
      roundTripMs,
      fractionLost: report?.fractionLost ?? 0,
      jitterMs: ((report?.jitter ?? 0) * 1000) / VIDEO_CLOCK_RATE,
      bitrateKbps: this.#rtp.bitrateKbps,
      packetsSent: video.packetsSent,
      bytesSent: video.bytesSent + (sound?.bytesSent ?? 0),
      packetsRetransmitted: video.packetsRetransmitted,
    };
  }

  sendFrame(payloads: readonly Uint8Array[], { timestampUs, keyframe }: FrameInfo): boolean {
    if (!this.#secured || this.#closed || this.isPaused || !this.#mayStream) return false;
    if (this.#streams.video.packetsSent === 0) this.#firstFrame();
    const extensions = keyframe ? this.#streams.keyframeExtensions : [];
    this.#streams.video.send({ payloads, timestampUs, marker: true, keyframe, extensions });
    return true;
  }

  sendMessage(data: PeerMessage): boolean {
    return !this.#closed && (this.#data?.send(data) ?? false);
  }

  get iceUfrag(): string {
    return this.ice.local.ufrag;
  }

  restartIce({ ufrag: remoteUfrag, pwd: remotePwd }: IceCredentials): IceCredentials | undefined {
    if (remoteUfrag === this.ice.remoteUfrag) {
      return this.ice.isRestarting ? this.ice.local : undefined;
    }
    return this.#restart({ remoteUfrag, remotePwd });
  }

  renegotiate(sdp: string): readonly UnusedSection[] | undefined {
    const offer = parseOffer(sdp);
    const former = this.#use;
    if (this.#closed || !isFurtherOffer(offer, former.offer)) return undefined;
    const { codecs, listener, audio } = this.#options;
    this.#followCredentials(offer);
    this.#use = useFurtherOffer(offer, { former, codecs });
    this.#codec = this.#use.video?.choice.codec ?? this.#codec;
    this.#path.limits = rateCapLimitsOf(this.#use, { audio });
    const isResumed = this.#streams.follow(this.#use);
    this.#openData();
    this.#answer = this.#makeAnswer();
    if (isResumed) listener.keyframeRequested("resumed");
    return unusedSections(this.#use, codecs);
  }

  pathValidated({ moved }: { moved: boolean }): void {
    if (this.#withheld !== undefined) this.#send(this.#withheld);
    if (!moved || !this.#secured) return;
    // Reports count on arrival; a check proves nothing until its source has consented.
    if (this.ice.proof === "stun") {
      this.#options.meter.count("viewer_moves_total", { proof: "stun" });
    }
    this.#moved();
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
    this.#path.close();
    this.#data?.close();
    // Sends close_notify, so that the browser need not wait for a timeout.
    this.#channel.close();
    this.#closed = true;
    this.#options.mux.remove(this);
  }

  /** The browser's newest packet came from this address. */
  #follow(from: MediaAddress, proof: "srtcp" | "dtls"): void {
    const { clock, meter } = this.#options;
    const { isNews, moved } = this.ice.followTo(from, { nowMs: clock.now(), proof });
    if (isNews) meter.count("viewer_moves_total", { proof });
    if (moved) this.#moved();
  }

  /** The stream moved to another address, which has consented. */
  #moved(): void {
    this.#path.moved();
    this.#streams.video.forget();
    // Packets to the previous address are lost, and may be too many to retransmit.
    this.#options.listener.keyframeRequested("moved");
  }

  /** Opens the channel once an offer has a section for it; it stays open regardless of later offers. */
  #openData(): void {
    const { data } = this.#use;
    if (data === undefined || this.#data !== undefined) return;
    const channel = new DataChannel({
      ...this.#options,
      remotePort: data.sctpPort ?? 5000,
      remoteMessageBytesMax: data.maxMessageSize ?? MESSAGE_BYTES_MAX,
      send: (packet) => this.#channel.sendData(packet),
      onMessage: this.#options.listener.message,
    });
    this.#channel.onData((packet) => channel.receive(packet));
    this.#data = channel;
    if (this.#secured) channel.start();
  }

  /** New credentials in an offer restart ICE (RFC 8839 §4.4.1.1.1). */
  #followCredentials({ iceUfrag, icePwd }: Offer): void {
    const former = this.#use.offer;
    if (iceUfrag !== this.ice.remoteUfrag) {
      this.restartIce({ ufrag: iceUfrag, pwd: icePwd });
    } else if (iceUfrag === former.iceUfrag && icePwd !== former.icePwd) {
      this.#restart({ remoteUfrag: iceUfrag, remotePwd: icePwd });
    }
  }

  #restart(remote: RemoteCredentials): IceCredentials {
    const local = createIceCredentials();
    this.ice.restart({ local, ...remote });
    if (!this.#closed) this.#options.mux.add(this);
    return local;
  }

  #makeAnswer(): Answer {
    const { candidates, certificate } = this.#options;
    const { video, soundSsrc, rendersAtOnce } = this.#streams;
    return answerPeer({
      offer: this.#use,
      ssrcs: { video: video.ssrc, audio: soundSsrc },
      playoutDelay: rendersAtOnce,
      cname: this.#cname,
      ice: this.ice.local,
      fingerprint: certificate.fingerprint,
      candidates,
      sessionId: this.#sessionId,
      sessionVersion: ++this.#answers,
    });
  }

  async #connect(): Promise<void> {
    const { listener } = this.#options;
    try {
      const media = await this.#channel.establish();
      if (this.#closed) return;
      this.#secured = true;
      this.ice.handshakeDone(this.#options.clock.now());
      this.#rtp.start(media);
      this.#channel.onClosed(() => listener.closed());
      listener.secured();
    } catch (error) {
      if (!this.#closed) listener.failed(error as Error);
      return;
    }
    // Messages are less important than pictures: without them the viewer continues.
    this.#data?.start();
  }

  #firstFrame(): void {
    this.#rtp.sendReports();
    this.#options.listener.firstFrame();
  }

  /** Whether the viewer's address may get the stream. If not, packets get no numbers, so that none appear lost. */
  get #mayStream(): boolean {
    return this.ice.streamTo(this.#options.clock.now()) !== undefined;
  }

  #sendRtp(packet: Uint8Array): void {
    if (this.#closed) return;
    const { meter, clock } = this.#options;
    const to = this.ice.streamTo(clock.now());
    if (to === undefined) return meter.count("packets_withheld_total", { kind: "stream" });
    meter.count("rtp_packets_sent_total");
    meter.count("rtp_bytes_sent_total", {}, packet.length);
    this.#options.mux.send(packet, to);
  }

  /** Sends packets other than video and sound: DTLS, and reports, which also keep a tunnel open to a silent viewer. */
  #send(packet: Uint8Array): void {
    if (this.#closed || this.ice.selected === undefined) return;
    const { meter, clock, mux } = this.#options;
    const to = this.#secured
      ? this.ice.controlTo(clock.now())
      : this.ice.handshakeTo(packet, clock.now());
    this.#withheld = to === undefined && !this.#secured ? packet : undefined;
    if (to !== undefined) return mux.send(packet, to);
    meter.count("packets_withheld_total", { kind: this.#secured ? "control" : "handshake" });
  }
}
