import type { Live } from "../base/live.ts";
import type { EncodedAudio } from "../media/audio_encoder.ts";
import type { RateLimits } from "../rate/rate_controller.ts";
import type { VideoCodec } from "../media/encoder.ts";
import type { MediaTransport } from "../ports/media_address.ts";
import type { UnusedSection } from "../sdp/mismatch.ts";
import type { Offer } from "../sdp/model.ts";

/** When and how a frame's packets leave. */
export interface FrameInfo {
  /** Capture time on the session's timeline, in microseconds. */
  readonly timestampUs: number;
  readonly keyframe: boolean;
}

/** Takes the packets of one video stream for one viewer. */
export interface VideoSink {
  /**
   * Sends one frame. The payloads are only read, and only until the call returns: all viewers of a session share
   * them.
   * @returns False when it was not sent, since the viewer's address takes nothing now: it has to begin with a keyframe.
   */
  sendFrame(payloads: readonly Uint8Array[], info: FrameInfo): boolean;
  /** The rate that the way to this viewer takes, in kbit/s of video, between the limits of its connection. */
  readonly targetKbps: number;
  /**
   * What the viewer limits its pictures to by its offer, in kbit/s; infinite where it does not. The target is never above
   * it.
   */
  readonly limitKbps: number;
  /** So much is on its way already that one more frame would only be late. */
  readonly isFull: boolean;
  /** The viewer takes no video at present: it has said so in an offer. */
  readonly isPaused: boolean;
}

/** Takes the packets of one audio stream for one viewer. */
export interface AudioSink {
  /** Sends one Opus packet, which is only read, and only until the call returns. */
  sendPacket(packet: EncodedAudio): void;
  /** The viewer takes no sound at present. */
  readonly isPaused: boolean;
}

/** A message between the page and the renderer: text, or bytes that belong to whoever receives them. */
export type PeerMessage = string | Uint8Array;

/** What a viewer's receiver reported, and what it was sent. */
export interface PeerStats {
  /** How packets go to the viewer; `undefined` while there is no way. */
  readonly transport: MediaTransport | undefined;
  /** Round trip by RTCP, in milliseconds. */
  readonly roundTripMs: number | undefined;
  /** Share of packets lost in the last report, 0–1. */
  readonly fractionLost: number;
  /** Interarrival jitter of the last report, in milliseconds. */
  readonly jitterMs: number;
  /** What was sent in the last full second, in kbit/s. */
  readonly bitrateKbps: number;
  /** The rate of video that the way to the viewer takes, in kbit/s. */
  readonly targetKbps: number;
  /** How long packets queue on the way to the viewer, in milliseconds; `undefined` while that is not known. */
  readonly queueMs: number | undefined;
  readonly packetsSent: number;
  readonly bytesSent: number;
  readonly packetsRetransmitted: number;
}

/** What a session wants to hear of a viewer's connection. Nothing is called after `close`. */
export interface PeerListener {
  /** DTLS is done: frames reach the browser from now on. */
  secured(): void;
  /** The first packets of video are about to leave. */
  firstFrame(): void;
  /** DTLS failed. */
  failed(error: Error): void;
  /** The browser closed the connection by a DTLS alert. */
  closed(): void;
  /** The browser asked for a keyframe, or needs one: it moved to another address, or takes video again. */
  keyframeRequested(reason: "pli" | "fir" | "nack" | "moved" | "resumed"): void;
  /** A message came over the data channel. */
  message(data: PeerMessage): void;
}

/** The mapped address that an answer names. */
export interface PublicAddress {
  /** IP literal. */
  readonly address: string;
  readonly port: number;
}

/** One viewer's connection, from its answer to its end. What depends on the offer may change by {@link renegotiate}. */
export interface Peer {
  readonly codec: VideoCodec;
  /** The latest. */
  readonly answerSdp: string;
  /** Of the latest offer. */
  readonly identity: OfferIdentity;
  /** The answer's only candidate, as browsers take it. */
  readonly candidate: { candidate: string; sdpMid: string; sdpMLineIndex: number };
  readonly video: VideoSink;
  /** `undefined` where the viewer has never asked for sound, or the session has none. */
  readonly audio: AudioSink | undefined;
  /** When the last authenticated packet came, on the clock's monotonic milliseconds. */
  readonly heardAtMs: number;
  readonly stats: PeerStats;
  /**
   * Sends a message over the data channel.
   * @returns False when there is no open channel, or too much waits in it already.
   */
  sendMessage(data: PeerMessage): boolean;
  /** Our username fragment that the browser was told last (RFC 8839 §5.4). */
  readonly iceUfrag: string;
  /**
   * The browser shows these credentials. Others than before restart ICE: checks with them count from now on, and the
   * former ones until the first of them comes. Media goes on meanwhile.
   * @returns Our new credentials, the same again if the browser has yet to use them; `undefined` when nothing restarts.
   */
  restartIce(
    remote: { readonly ufrag: string; readonly pwd: string },
  ): { readonly ufrag: string; readonly pwd: string } | undefined;
  /**
   * Answers a further offer of the same RTCPeerConnection (RFC 3264 §8). The DTLS association and the streams go on; ICE
   * restarts where the offer shows other credentials.
   * @returns What asks for something and gets nothing; `undefined` when the offer is another connection's.
   * @throws {SdpError}
   */
  renegotiate(sdp: string): readonly UnusedSection[] | undefined;
  /** Ends the connection at once. Idempotent. */
  close(): void;
}

/** What a further offer of one RTCPeerConnection has in common with the one before. */
export type OfferIdentity = Pick<
  Offer,
  "fingerprints" | "sessionId" | "sessionVersion" | "iceUfrag" | "icePwd"
>;

/** A viewer's offer that was read and can be served. */
export interface ReadOffer {
  readonly codec: VideoCodec;
  /** Sections that ask for something and get nothing, and why. */
  readonly unused: readonly UnusedSection[];
  /** Whether it is a further offer of the RTCPeerConnection of a peer, which {@link Peer.renegotiate} answers. */
  continues(identity: OfferIdentity): boolean;
  /** Whether it is a further offer of the RTCPeerConnection of a peer that has ended. */
  isLateFor(ended: OfferIdentity): boolean;
  /**
   * Makes the answer and listens on the leased port.
   * @param timelineUs The session's time now, in microseconds: ties RTP timestamps to the wall clock (RFC 3550 §6.4.1).
   * @param audio Whether the session has sound; without it an offered audio section is inactive.
   * @param rateLimits Between which rates the video to this viewer is kept.
   */
  accept(options: {
    localPort: number;
    publicAddress: PublicAddress;
    timelineUs: () => number;
    audio: boolean;
    rateLimits: Live<RateLimits>;
    listener: PeerListener;
  }): Peer;
}

/** Makes connections of offers. */
export interface PeerFactory {
  /**
   * Reads an offer.
   * @throws {OfferError}
   */
  read(sdp: string): ReadOffer;
}
