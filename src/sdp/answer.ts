import { write } from "sdp-transform";
import { type CandidateAddress, candidateFields, formatCandidate, ipVersion } from "./candidate.ts";
import type { CodecChoice } from "./codec.ts";
import type { Direction, Fingerprint, Offer, OfferCodec, OfferMedia } from "./model.ts";

/** SCTP port in the answer; it has no meaning on the wire except that both sides use it. */
const SCTP_PORT = 5000;

/** A media section in which the server sends one stream; `inactive` in the answer if the viewer cannot receive it. */
export interface SendSection {
  readonly kind: "send";
  /** One of the codecs of the offered section. */
  readonly codec: CodecChoice;
  /** Synchronization source of our packets, 1 to 2³² − 1. */
  readonly ssrc: number;
  /** Canonical name (RFC 3550 §6.5.1): streams with the same one are synchronized. */
  readonly cname: string;
  /** Id of the MediaStream in the browser; sections with the same one share it. */
  readonly streamId: string;
  /** Id of the MediaStreamTrack. */
  readonly trackId: string;
  /** RTCP feedback that the server supports, such as `nack pli`; the answer has the part that the viewer offered. */
  readonly feedback: readonly string[];
  /** URIs of header extensions that the server sends; the answer has those that the viewer offered. */
  readonly extensions: readonly string[];
}

/** A section that carries data channels. */
export interface DataSection {
  readonly kind: "data";
  /** Maximum message that the server accepts, in bytes (RFC 8841 §6). */
  readonly maxMessageSizeBytes: number;
}

/** An RTP section in which nothing is sent: it stays in the transport as `inactive`. */
export interface InactiveSection {
  readonly kind: "inactive";
  /** RTP payload type, 0–127, of a codec of the offered section, used in the answer. */
  readonly payloadType: number;
}

/** A rejected section. */
export interface RejectSection {
  readonly kind: "reject";
}

/** How to answer one offered media section. */
export type AnswerSection = SendSection | DataSection | InactiveSection | RejectSection;

export interface AnswerOptions {
  readonly offer: Offer;
  /** One for each media section of the offer, in its order. */
  readonly sections: readonly AnswerSection[];
  /** Our ICE credentials: 4–256 and 22–256 ice-chars (RFC 8839 §5.4). */
  readonly ice: { readonly ufrag: string; readonly pwd: string };
  /** Fingerprint of the server's DTLS certificate. */
  readonly fingerprint: Fingerprint;
  /** Public addresses of the server, at least one; the first is the default destination. */
  readonly candidates: readonly [CandidateAddress, ...CandidateAddress[]];
  /** Decimal, below 2⁶³, the same in all answers to one viewer and different for each viewer (RFC 8866 §5.2). */
  readonly sessionId: string;
  /** Number of this answer to the viewer, from 1 (RFC 3264 §8). */
  readonly sessionVersion: number;
}

/** The first candidate in the form of RTCIceCandidateInit. */
export interface AnswerCandidate {
  /** `candidate:… typ host`, the same as in the answer. */
  readonly candidate: string;
  readonly sdpMid: string;
  readonly sdpMLineIndex: number;
}

/** An answer with its candidate. */
export interface Answer {
  /** Lines end in CRLF. */
  readonly sdp: string;
  readonly candidate: AnswerCandidate;
}

type Fields = Record<string, unknown>;

/**
 * Writes the answer of an ICE-lite agent that is the DTLS server and has one public address (RFC 9429 §5.3.1, RFC 8839
 * §4.3.2, RFC 9143 §7.3).
 *
 * Sections keep their order: each is `sendonly`, a data channel section, `inactive`, or rejected with port zero. The
 * section with the transport is never rejected, because the others depend on it; it becomes `inactive` instead.
 * Sections outside the offer's transport are rejected regardless of `sections`.
 * @throws {TypeError} If `sections` does not fit the offer, or an address, id or credential is malformed.
 * @throws {RangeError} If the port is not 1–65535.
 */
export function buildAnswer(options: AnswerOptions): Answer {
  const { offer, sections, candidates: [first] } = options;
  checkOptions(options);
  const media = offer.media.map((offered, index) => {
    const section = sections[index] ?? { kind: "reject" };
    const isTransport = index === offer.transportIndex;
    if (!offered.bundled || (section.kind === "reject" && !isTransport)) {
      return rejected(offered, options);
    }
    return {
      ...accepted(offered, section, options),
      ...(isTransport ? transportCandidates(options) : {}),
    };
  });
  const acceptedMids = new Set(media.filter((fields) => fields.port !== 0).map(({ mid }) => mid));
  const group = offer.bundleGroup.filter((mid) => acceptedMids.has(mid));
  const transport = offer.media[offer.transportIndex];
  return {
    sdp: write({
      version: 0,
      origin: {
        username: "-",
        sessionId: options.sessionId,
        sessionVersion: options.sessionVersion,
        netType: "IN",
        ipVer: ipVersion(first.address),
        address: first.address,
      },
      name: "-",
      timing: { start: 0, stop: 0 },
      icelite: "ice-lite",
      // ice2 identifies an agent of RFC 8445 (§10); trickle confirms an offered trickle (RFC 8840).
      iceOptions: offer.trickle ? "ice2 trickle" : "ice2",
      msidSemantic: { semantic: "WMS", token: "*" },
      ...(group.length > 0 ? { groups: [{ type: "BUNDLE", mids: group.join(" ") }] } : {}),
      media,
    }),
    candidate: {
      candidate: formatCandidate(first),
      sdpMid: transport?.mid ?? "",
      sdpMLineIndex: offer.transportIndex,
    },
  };
}

/** The id of a header extension that may be sent in this section, or undefined if the viewer did not offer it. */
export function sendExtensionId(media: OfferMedia, uri: string): number | undefined {
  return media.extensions.find((extension) =>
    extension.uri === uri &&
    (extension.direction === undefined || canReceive(extension.direction))
  )?.id;
}

/** Whether a viewer that offers this direction can receive. */
export function canReceive(direction: Direction): boolean {
  return direction === "recvonly" || direction === "sendrecv";
}

function checkOptions({ offer, sections, ice, fingerprint, sessionId }: AnswerOptions): void {
  if (sections.length !== offer.media.length) {
    throw new TypeError(
      `Answer has ${sections.length} sections for the ${offer.media.length} of the offer`,
    );
  }
  const checks: readonly (readonly [string, string, RegExp])[] = [
    ["username fragment", ice.ufrag, /^[A-Za-z0-9+/]{4,256}$/],
    ["ICE password", ice.pwd, /^[A-Za-z0-9+/]{22,256}$/],
    ["fingerprint", fingerprint.value, /^[0-9A-F]{2}(:[0-9A-F]{2}){31,63}$/],
    ["session id", sessionId, /^\d{1,19}$/],
    ...sections.flatMap((section) =>
      section.kind === "send"
        ? [section.cname, section.streamId, section.trackId].map((id) =>
          ["id of a stream", id, /^[\w-]{1,64}$/] as const
        )
        : []
    ),
  ];
  for (const [name, value, pattern] of checks) {
    // The value may be the password, so the message does not repeat it.
    if (!pattern.test(value)) throw new TypeError(`Answer's ${name} does not match ${pattern}`);
  }
}

/**
 * A rejected section: port zero and one format, because the answer must mirror the offer (RFC 3264 §6). The rest has
 * no meaning with port zero, and browsers ignore it. But aiortc, pion, str0m and GStreamer parse rejected sections
 * too, and refuse an answer in which one lacks the usual attributes.
 */
function rejected(offered: OfferMedia, options: AnswerOptions): Fields {
  const { codecs, firstFormat } = offered;
  const codec = codecs.find(({ payloadType }) => String(payloadType) === firstFormat) ?? codecs[0];
  return {
    ...sectionFields(offered, { ...options, port: 0 }),
    payloads: firstFormat,
    ...(offered.kind === "application" ? dataFields({ kind: "reject" }) : {}),
    ...(isRtp(offered) ? { rtcpMux: "rtcp-mux" } : {}),
    ...(codec ? codecFields(codec, codec.fmtp) : {}),
    direction: "inactive",
  };
}

function accepted(offered: OfferMedia, section: AnswerSection, options: AnswerOptions): Fields {
  const wantsData = section.kind === "data";
  if (section.kind !== "reject" && wantsData !== (offered.kind === "application")) {
    throw new TypeError(
      `Media section ${offered.mid} of kind ${offered.kind} cannot ${section.kind}`,
    );
  }
  return {
    ...sectionFields(offered, { ...options, port: options.candidates[0].port }),
    ...(offered.kind === "application" ? dataFields(section) : rtpFields(offered, section)),
  };
}

function isRtp({ kind }: OfferMedia): boolean {
  return kind === "video" || kind === "audio";
}

/** The attributes of every section. */
function sectionFields(
  offered: OfferMedia,
  { ice, fingerprint, candidates: [{ address }], port }: AnswerOptions & { readonly port: number },
): Fields {
  return {
    type: offered.mediaType,
    port,
    protocol: offered.protocol,
    connection: { version: ipVersion(address), ip: address },
    mid: offered.mid,
    // RFC 9143 §7.1.3 requires these only in the section with the transport. They are repeated, as browsers do,
    // because other clients parse each section separately, and identical values have no effect on conforming ones.
    iceUfrag: ice.ufrag,
    icePwd: ice.pwd,
    fingerprint: { type: fingerprint.algorithm, hash: fingerprint.value },
    setup: "passive",
  };
}

function dataFields(section: AnswerSection): Fields {
  return {
    payloads: "webrtc-datachannel",
    sctpPort: SCTP_PORT,
    // The transport's section must be answered even without data channels; zero would mean no limit.
    maxMessageSize: section.kind === "data" ? section.maxMessageSizeBytes : 1,
  };
}

function rtpFields(offered: OfferMedia, section: AnswerSection): Fields {
  const sends = section.kind === "send" && canReceive(offered.direction);
  const payloadType = section.kind === "send"
    ? section.codec.payloadType
    : section.kind === "inactive"
    ? section.payloadType
    : offered.codecs[0]?.payloadType;
  const codec = offered.codecs.find((codec) => codec.payloadType === payloadType);
  if (!codec) {
    throw new TypeError(`Media section ${offered.mid} does not offer payload type ${payloadType}`);
  }
  return {
    ...codecFields(codec, section.kind === "send" ? section.codec.fmtp : codec.fmtp),
    rtcpMux: "rtcp-mux",
    ...(offered.rtcpRsize ? { rtcpRsize: "rtcp-rsize" } : {}),
    direction: sends ? "sendonly" : "inactive",
    ...(sends ? streamFields(offered, codec, section) : {}),
  };
}

function codecFields(
  { payloadType, spelling, clockRate, channels }: OfferCodec,
  fmtp: Readonly<Record<string, string>>,
): Fields {
  const config = Object.entries(fmtp).map(([name, value]) => `${name}=${value}`).join(";");
  return {
    payloads: String(payloadType),
    rtp: [{ payload: payloadType, codec: spelling, rate: clockRate, encoding: channels }],
    fmtp: config ? [{ payload: payloadType, config }] : [],
  };
}

function streamFields(offered: OfferMedia, codec: OfferCodec, section: SendSection): Fields {
  const feedback = section.feedback.filter((value) => codec.feedback.includes(value));
  return {
    rtcpFb: feedback.map((value) => {
      const [type, subtype] = value.split(" ");
      return { payload: codec.payloadType, type, subtype };
    }),
    ext: section.extensions.flatMap((uri) => {
      const id = sendExtensionId(offered, uri);
      if (id === undefined) return [];
      // The answer to an extension's direction is its counterpart (RFC 8285 §7).
      const stated = offered.extensions.find((extension) => extension.id === id)?.direction;
      return [{ value: id, uri, ...(stated ? { direction: "sendonly" } : {}) }];
    }),
    msid: [{ id: section.streamId, appdata: section.trackId }],
    ssrcs: [{ id: section.ssrc, attribute: "cname", value: section.cname }],
  };
}

function transportCandidates({ candidates }: AnswerOptions): Fields {
  return {
    candidates: candidates.map(candidateFields),
    endOfCandidates: "end-of-candidates",
  };
}
