import { AppError } from "../base/errors.ts";

/** An offer that cannot be served. `message` describes the fault for people. */
export class SdpError extends AppError<"bad_sdp"> {
  constructor(message: string, options?: ErrorOptions) {
    super("bad_sdp", message, options);
  }
}

/** Values of the direction attribute (RFC 8866 §6.7), from the point of view of the description's author. */
export const DIRECTIONS = ["sendrecv", "sendonly", "recvonly", "inactive"] as const;
/** One of {@link DIRECTIONS}. */
export type Direction = typeof DIRECTIONS[number];

/** Hash of a DTLS certificate (RFC 8122 §5). */
export interface Fingerprint {
  readonly algorithm: "sha-256" | "sha-384" | "sha-512";
  /** Upper-case hex bytes joined by colons. */
  readonly value: string;
}

/** One codec of a media section: an RTP payload type with its attributes. */
export interface OfferCodec {
  /** RTP payload type, 0–127. */
  readonly payloadType: number;
  /** Encoding name in upper case, such as `H264` or `OPUS`. */
  readonly name: string;
  /** Encoding name as the offer spells it. */
  readonly spelling: string;
  /** RTP clock in Hz. */
  readonly clockRate: number;
  /** Audio channels, if the offer has them. */
  readonly channels?: number;
  /** Format parameters; names in lower case. Parameters that are not `name=value` are omitted. */
  readonly fmtp: Readonly<Record<string, string>>;
  /** RTCP feedback (RFC 4585 §4.2), such as `nack` or `nack pli`, including lines for all payload types. */
  readonly feedback: readonly string[];
}

/** One RTP header extension that the offer maps (RFC 8285 §5). */
export interface OfferExtension {
  /** 1–14, the range of the one-byte header. Extensions with other ids are omitted. */
  readonly id: number;
  readonly uri: string;
  /** Set if it differs from the section's direction. */
  readonly direction?: Direction;
}

/** A `b=` line, by which a viewer limits the rate that it receives. */
export interface Bandwidth {
  /**
   * `AS` includes the headers of IP and UDP (RFC 8866 §5.8), `TIAS` does not (RFC 3890 §6.2.2). Both include RTP
   * headers.
   */
  readonly type: "AS" | "TIAS";
  /** At least 1. In kbit/s, also for `TIAS`, which is written in bit/s. */
  readonly kbps: number;
}

/** One media section of an offer. */
export interface OfferMedia {
  /** `other` cannot be carried: unknown media, or a protocol without DTLS. It has to be rejected. */
  readonly kind: "video" | "audio" | "application" | "other";
  /** Media type of the m= line as written; it differs from `kind` only for `other`. */
  readonly mediaType: string;
  /** Unique in the offer; an RFC 8866 token of at most 32 characters. */
  readonly mid: string;
  /** From the viewer's point of view: it can receive in `recvonly` and `sendrecv`. */
  readonly direction: Direction;
  /** Transport protocol of the m= line, such as `UDP/TLS/RTP/SAVPF`. */
  readonly protocol: string;
  /** Port of the m= line, 0–65535. Only zero or non-zero matters; ICE finds the real one. */
  readonly port: number;
  /** First format of the m= line, which a rejecting answer repeats because it needs one (RFC 3264 §6). */
  readonly firstFormat: string;
  /** In the viewer's order of preference; empty unless the kind is video or audio. */
  readonly codecs: readonly OfferCodec[];
  readonly extensions: readonly OfferExtension[];
  /** The viewer's limits for this stream, for video; missing if there are none. */
  readonly bandwidth?: readonly Bandwidth[];
  /** Whether reduced-size RTCP is offered (RFC 5506). */
  readonly rtcpRsize: boolean;
  /** SCTP port of the viewer, 1–65535, for kind `application`. */
  readonly sctpPort?: number;
  /** Maximum bytes of a message to the viewer, for kind `application`; Infinity if it sets no limit. */
  readonly maxMessageSize?: number;
  /** Whether the section belongs to the single transport that an answer can accept. All others have to be rejected. */
  readonly bundled: boolean;
}

/** A viewer's offer, validated. */
export interface Offer {
  /**
   * The session id of the o= line, at most 64 characters; empty if the line is malformed or the id is 0, which some
   * clients always write. All offers of one RTCPeerConnection have the same (RFC 3264 §8).
   */
  readonly sessionId: string;
  /**
   * The version of the o= line; 0 if there is none. It increases with each offer that differs from the previous one.
   */
  readonly sessionVersion: number;
  /** The viewer's ICE username fragment, 4–256 ice-chars. */
  readonly iceUfrag: string;
  /** The viewer's ICE password, 22–256 ice-chars. */
  readonly icePwd: string;
  /** The viewer's limits for everything that it receives, sound included; missing if there are none. */
  readonly bandwidth?: readonly Bandwidth[];
  /** The viewer's certificate must match one of these; at least one is sha-256. */
  readonly fingerprints: readonly Fingerprint[];
  /** In the order of the offer, which the answer must keep. */
  readonly media: readonly OfferMedia[];
  /**
   * Index in `media` of the section with the transport (RFC 9143 §7.3.1, the offerer-tagged section). The answer never
   * rejects it, because ICE credentials and fingerprints come from this section.
   */
  readonly transportIndex: number;
  /** Mids of the bundled sections, that of the transport first; empty if the offer has no BUNDLE group. */
  readonly bundleGroup: readonly string[];
  /** Whether the viewer supports trickle ICE (RFC 8838). */
  readonly trickle: boolean;
}
