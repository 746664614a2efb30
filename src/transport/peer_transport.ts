import type { PublicAddresses } from "../base/public_ports.ts";
import type { Live } from "../base/live.ts";
import type { EncodedAudio } from "../media/audio_encoder.ts";
import type { RateLimits } from "../rate/rate_controller.ts";
import type { VideoCodec } from "../media/encoder.ts";
import type { MediaTransport } from "../ports/media_address.ts";
import type { UnusedSection } from "../sdp/mismatch.ts";
import type { Offer } from "../sdp/model.ts";

/** Timestamp and kind of a frame. */
export interface FrameInfo {
  /** Capture time on the session's timeline, in microseconds. */
  readonly timestampUs: number;
  readonly keyframe: boolean;
}

/** Sink of one video stream for one viewer. */
export interface VideoSink {
  /**
   * Sends one frame. The payloads are not modified, and not used after the call: all viewers of a session share them.
   * @returns False if it was not sent, because the viewer's address may not get packets now: the stream must then
   * restart with a keyframe.
   */
  sendFrame(payloads: readonly Uint8Array[], info: FrameInfo): boolean;
  /** The video rate that the path to this viewer can carry, in kbit/s, between the limits of its connection. */
  readonly targetKbps: number;
  /**
   * The viewer's own limit for video in its offer, in kbit/s; infinite if there is none. The target never exceeds it.
   */
  readonly limitKbps: number;
  /** Whether so much is in flight that another frame would only be late. */
  readonly isFull: boolean;
  /** Whether the viewer's latest offer receives no video. */
  readonly isPaused: boolean;
}

/** Sink of one audio stream for one viewer. */
export interface AudioSink {
  /** Sends one Opus packet, which is not modified, and not used after the call. */
  sendPacket(packet: EncodedAudio): void;
  /** Whether the viewer's latest offer receives no sound. */
  readonly isPaused: boolean;
}

/** A message between the page and the renderer: text, or bytes that the receiver owns. */
export type PeerMessage = string | Uint8Array;

/** Statistics of a viewer's connection. */
export interface PeerStats {
  /** Transport of the media path; `undefined` while there is none. */
  readonly transport: MediaTransport | undefined;
  /** Round trip from RTCP, in milliseconds. */
  readonly roundTripMs: number | undefined;
  /** Fraction of packets lost in the last report, 0–1. */
  readonly fractionLost: number;
  /** Interarrival jitter of the last report, in milliseconds. */
  readonly jitterMs: number;
  /** Rate sent in the last full second, in kbit/s. */
  readonly bitrateKbps: number;
  /** The video rate that the path to the viewer can carry, in kbit/s. */
  readonly targetKbps: number;
  /** The queue on the path to the viewer, in milliseconds; `undefined` while unknown. */
  readonly queueMs: number | undefined;
  /** How many viewers share the bottleneck of the path, this one included; 1 if none is known to. */
  readonly pathViewers: number;
  readonly packetsSent: number;
  readonly bytesSent: number;
  readonly packetsRetransmitted: number;
}

/** Events of a viewer's connection for its session. No method is called after `close`. */
export interface PeerListener {
  /** DTLS is done: frames can be sent from now on. */
  secured(): void;
  /** The first video packets are about to be sent. */
  firstFrame(): void;
  /** DTLS failed. */
  failed(error: Error): void;
  /** The browser closed the connection with a DTLS alert. */
  closed(): void;
  /** The browser requested a keyframe, or needs one because it moved to another address or receives video again. */
  keyframeRequested(reason: "pli" | "fir" | "nack" | "moved" | "resumed"): void;
  /** A message came over the data channel. */
  message(data: PeerMessage): void;
}

/**
 * One viewer's connection, from its answer to its end. Properties that depend on the offer may change with
 * {@link renegotiate}.
 */
export interface Peer {
  readonly codec: VideoCodec;
  /** The latest answer. */
  readonly answerSdp: string;
  /** Identity of the latest offer. */
  readonly identity: OfferIdentity;
  /** The answer's first candidate, in the form of RTCIceCandidateInit. */
  readonly candidate: { candidate: string; sdpMid: string; sdpMLineIndex: number };
  readonly video: VideoSink;
  /** `undefined` if the viewer never requested sound, or the session has none. */
  readonly audio: AudioSink | undefined;
  /** Time of the last authenticated packet, in the clock's monotonic milliseconds. */
  readonly heardAtMs: number;
  readonly stats: PeerStats;
  /**
   * Sends a message over the data channel.
   * @returns False if there is no open channel, or too much is queued in it.
   */
  sendMessage(data: PeerMessage): boolean;
  /** The username fragment last sent to the browser (RFC 8839 §5.4). */
  readonly iceUfrag: string;
  /**
   * Applies the browser's ICE credentials; new ones restart ICE: checks with them are valid from now on, and previous
   * ones until the first of them arrives. Media continues meanwhile.
   * @returns The server's new credentials, the same again until the browser has used them; `undefined` if nothing
   * restarts.
   */
  restartIce(
    remote: { readonly ufrag: string; readonly pwd: string },
  ): { readonly ufrag: string; readonly pwd: string } | undefined;
  /**
   * Answers a further offer of the same RTCPeerConnection (RFC 3264 §8). The DTLS association and the streams
   * continue; ICE restarts if the offer has new credentials.
   * @returns Sections that request something but get nothing; `undefined` if the offer is another connection's.
   * @throws {SdpError}
   */
  renegotiate(sdp: string): readonly UnusedSection[] | undefined;
  /** Ends the connection at once. Idempotent. */
  close(): void;
}

/** Properties by which a further offer of one RTCPeerConnection is recognized. */
export type OfferIdentity = Pick<
  Offer,
  "fingerprints" | "sessionId" | "sessionVersion" | "iceUfrag" | "icePwd"
>;

/** A parsed offer of a viewer that can be served. */
export interface ReadOffer {
  readonly codec: VideoCodec;
  /** Sections that request something but get nothing, with reasons. */
  readonly unused: readonly UnusedSection[];
  /** Whether it is a further offer of the RTCPeerConnection of a peer, which {@link Peer.renegotiate} answers. */
  continues(identity: OfferIdentity): boolean;
  /** Whether it is a further offer of the RTCPeerConnection of a peer that has ended. */
  isLateFor(ended: OfferIdentity): boolean;
  /**
   * Creates the connection with its answer and listens on the leased port.
   * @param timelineUs The session's time now, in microseconds, which relates RTP timestamps to the wall clock (RFC
   * 3550 §6.4.1).
   * @param audio Whether the session has sound; without it an offered audio section is inactive.
   * @param rateLimits Range of the video rate for this viewer.
   */
  accept(options: {
    localPort: number;
    publicAddresses: PublicAddresses;
    timelineUs: () => number;
    audio: boolean;
    rateLimits: Live<RateLimits>;
    listener: PeerListener;
  }): Peer;
}

/** Creates connections from offers. */
export interface PeerFactory {
  /**
   * Parses an offer.
   * @throws {OfferError}
   */
  read(sdp: string): ReadOffer;
}
