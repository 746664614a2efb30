import { AppError } from "../base/errors.ts";

/** An offer that cannot be served. `message` is written for people and names what is wrong. */
export class SdpError extends AppError<"bad_sdp"> {
  constructor(message: string, options?: ErrorOptions) {
    super("bad_sdp", message, options);
  }
}

/** Values of the direction attribute (RFC 8866 §6.7), seen from whoever wrote the description. */
export const DIRECTIONS = ["sendrecv", "sendonly", "recvonly", "inactive"] as const;
/** One of {@link DIRECTIONS}. */
export type Direction = typeof DIRECTIONS[number];

/** Hash of a DTLS certificate (RFC 8122 §5). */
export interface Fingerprint {
  readonly algorithm: "sha-256" | "sha-384" | "sha-512";
  /** Upper-case hex bytes joined by colons. */
  readonly value: string;
}

/** One codec of a media section: an RTP payload type and all that the offer says of it. */
export interface OfferCodec {
  /** RTP payload type, 0–127. */
  readonly payloadType: number;
  /** Encoding name in upper case, such as `H264` or `OPUS`. */
  readonly name: string;
  /** Encoding name as the offer spells it. */
  readonly spelling: string;
  /** RTP clock in Hz. */
  readonly clockRate: number;
  /** Audio channels, where the offer tells them. */
  readonly channels?: number;
  /** Format parameters; names in lower case. Parameters that are not `name=value` are left out. */
  readonly fmtp: Readonly<Record<string, string>>;
  /** RTCP feedback (RFC 4585 §4.2), such as `nack` or `nack pli`; a line for all payload types counts for each. */
  readonly feedback: readonly string[];
}

/** One RTP header extension that the offer maps (RFC 8285 §5). */
export interface OfferExtension {
  /** 1–14, the range of the one-byte header. Extensions with other ids are left out of the model. */
  readonly id: number;
  readonly uri: string;
  /** Set where it differs from the section's direction. */
  readonly direction?: Direction;
}

/** A `b=` line by which a viewer limits what it is sent. */
export interface Bandwidth {
  /**
   * Whether the headers of IP and UDP count: those of `AS` do (RFC 8866 §5.8), those of `TIAS` do not (RFC 3890 §6.2.2).
   * Headers of RTP count in both.
   */
  readonly type: "AS" | "TIAS";
  /** 1 at least. `TIAS` is written in bit/s; this is kbit/s. */
  readonly kbps: number;
}

/** One media section of an offer. */
export interface OfferMedia {
  /** `other` is whatever cannot be carried here: unknown media, or a protocol without DTLS. It is to be rejected. */
  readonly kind: "video" | "audio" | "application" | "other";
  /** Media type of the m= line as it was written; it differs from `kind` only for `other`. */
  readonly mediaType: string;
  /** Unique in the offer; an RFC 8866 token of at most 32 characters. */
  readonly mid: string;
  /** Seen from the viewer: it can receive in `recvonly` and `sendrecv`. */
  readonly direction: Direction;
  /** Transport protocol of the m= line, such as `UDP/TLS/RTP/SAVPF`. */
  readonly protocol: string;
  /** Port of the m= line, 0–65535. It means nothing beyond zero and non-zero; ICE finds the real one. */
  readonly port: number;
  /** First format of the m= line: what a rejecting answer repeats, because it needs one (RFC 3264 §6). */
  readonly firstFormat: string;
  /** In the viewer's order of preference; empty unless the kind is video or audio. */
  readonly codecs: readonly OfferCodec[];
  readonly extensions: readonly OfferExtension[];
  /** What the viewer limits this stream to, for video; left out where it does not. */
  readonly bandwidth?: readonly Bandwidth[];
  /** Reduced-size RTCP is offered (RFC 5506). */
  readonly rtcpRsize: boolean;
  /** SCTP port of the viewer, 1–65535, for kind `application`. */
  readonly sctpPort?: number;
  /** Bytes that the viewer takes in one message, for kind `application`; Infinity where it sets no bound. */
  readonly maxMessageSize?: number;
  /** The section belongs to the one transport that an answer can accept. All others are to be rejected. */
  readonly bundled: boolean;
}

/** A viewer's offer, validated. */
export interface Offer {
  /**
   * The session id of the o= line, at most 64 characters; empty where that line is malformed or the id is 0, which clients
   * write that have none. All offers of one RTCPeerConnection have the same (RFC 3264 §8).
   */
  readonly sessionId: string;
  /** The version of the o= line; 0 where that is none. It rises with each offer that differs from the one before. */
  readonly sessionVersion: number;
  /** The viewer's ICE username fragment, 4–256 ice-chars. */
  readonly iceUfrag: string;
  /** The viewer's ICE password, 22–256 ice-chars. */
  readonly icePwd: string;
  /** What the viewer limits all that it is sent to, sound included; left out where it does not. */
  readonly bandwidth?: readonly Bandwidth[];
  /** The viewer's certificate must match one of these; there is at least one, and one is sha-256. */
  readonly fingerprints: readonly Fingerprint[];
  /** In the order of the offer, which the answer must keep. */
  readonly media: readonly OfferMedia[];
  /**
   * Index in `media` of the section that the transport hangs on (RFC 9143 §7.3.1, the offerer-tagged section). The
   * answer never rejects it: ICE credentials and fingerprints are those of this section.
   */
  readonly transportIndex: number;
  /** Mids of the bundled sections, that of the transport first; empty where the offer has no BUNDLE group. */
  readonly bundleGroup: readonly string[];
  /** The viewer understands candidates that come later (RFC 8838). */
  readonly trickle: boolean;
}
