import { AppError } from "../base/errors.ts";
import type { VideoCodec } from "../media/encoder.ts";
import { type AnswerSection, canReceive, type SendSection } from "../sdp/answer.ts";
import { chooseOpus, chooseVideoCodec, type CodecChoice } from "../sdp/codec.ts";
import { explainMismatch, firstCodec, type UnusedSection } from "../sdp/mismatch.ts";
import type { Offer, OfferMedia } from "../sdp/model.ts";
import { parseOffer } from "../sdp/offer.ts";
import type { OfferIdentity } from "./peer_transport.ts";
import type { RateCapLimits } from "../rate/rate_cap.ts";
import { MESSAGE_BYTES_MAX } from "./sctp/limits.ts";

/** The viewer accepts no codec that this server sends, or no video at all. */
export class OfferError extends AppError<"unsupported_codec"> {}

/** Maximum reason of a refusal, in characters: enough for two sections with every codec of a browser. */
const REASON_CHARACTERS_MAX = 390;

/** A section of an offer in which a stream is sent. */
export interface Sending<Codec extends string> {
  readonly media: OfferMedia;
  readonly choice: CodecChoice<Codec>;
}

/** An offer, and its sections in use. Nothing is sent in a section that the viewer currently cannot receive. */
export interface OfferUse {
  readonly offer: Offer;
  readonly video: Sending<VideoCodec> | undefined;
  readonly audio: Sending<"opus"> | undefined;
  /** The section for data channels. */
  readonly data: OfferMedia | undefined;
}

/** A viewer's first offer, which has a section that receives video. */
export interface UsableOffer extends OfferUse {
  readonly video: Sending<VideoCodec>;
}

/**
 * Parses an offer and selects the first section for video, the first for audio, and the first for data.
 * @param codecs Video codecs that may be sent, best first.
 * @throws {SdpError} `bad_sdp`
 * @throws {OfferError} `unsupported_codec`
 */
export function readUsableOffer(sdp: string, codecs: readonly VideoCodec[]): UsableOffer {
  const offer = parseOffer(sdp);
  const used = offer.media.filter(({ bundled }) => bundled);
  const video = firstSending(used, (media) => chooseVideoCodec(media, codecs));
  if (video === undefined) throw noVideo(offer, codecs);
  return { offer, video, audio: firstSending(used, chooseOpus), data: dataSection(offer) };
}

/**
 * Whether an offer is a further one of the same RTCPeerConnection, whose DTLS association continues. It has the same
 * certificate (RFC 8842 §5.5), and the same session id (RFC 3264 §8) or, because some clients change that each time,
 * the same ICE credentials. The certificate alone is not enough, because a page may use one for several connections.
 */
export function isFurtherOffer(offer: OfferIdentity, former: OfferIdentity): boolean {
  return isSameCertificate(offer, former) &&
    (isSameSession(offer, former) || isSameIce(offer, former));
}

/**
 * Whether an offer is a further one of an RTCPeerConnection whose viewer has ended. Some clients use one certificate,
 * session id and version for all their connections. So with other ICE credentials, only a higher version, which RFC
 * 3264 §8 requires for each change, distinguishes a further offer from the first one of a new connection.
 */
export function isLateOffer(offer: OfferIdentity, ended: OfferIdentity): boolean {
  const isLater = isSameSession(offer, ended) && offer.sessionVersion > ended.sessionVersion;
  return isSameCertificate(offer, ended) && (isLater || isSameIce(offer, ended));
}

function isSameCertificate(offer: OfferIdentity, former: OfferIdentity): boolean {
  return offer.fingerprints.some(({ algorithm, value }) =>
    former.fingerprints.some((known) => known.algorithm === algorithm && known.value === value)
  );
}

function isSameSession(offer: OfferIdentity, former: OfferIdentity): boolean {
  return offer.sessionId !== "" && offer.sessionId === former.sessionId;
}

function isSameIce(offer: OfferIdentity, former: OfferIdentity): boolean {
  return offer.iceUfrag === former.iceUfrag && offer.icePwd === former.icePwd;
}

/**
 * The viewer's own limits for the rate.
 * @param options.audio Whether the session has sound.
 */
export function rateCapLimitsOf(
  { offer, video, audio }: OfferUse,
  options: { audio: boolean },
): RateCapLimits {
  return {
    video: video?.media.bandwidth ?? [],
    session: offer.bandwidth ?? [],
    hasSound: options.audio && audio !== undefined,
  };
}

/**
 * Selects the sections of a further offer: those of the previous offer, by their `a=mid`, with the same codec and
 * payload type while these are offered; others if they no longer receive.
 * @param options.codecs Video codecs that may be sent, best first.
 */
export function useFurtherOffer(
  offer: Offer,
  { former, codecs }: { readonly former: OfferUse; readonly codecs: readonly VideoCodec[] },
): OfferUse {
  const current = former.video?.choice.codec;
  const preferred = current === undefined ? codecs : [current, ...codecs];
  const used = offer.media.filter(({ bundled }) => bundled);
  return {
    offer,
    video: nextSending(used, former.video, (media) => chooseVideoCodec(media, preferred)),
    audio: nextSending(used, former.audio, chooseOpus),
    data: dataSection(offer),
  };
}

/** Sections of an offer that request a stream or a channel but get none, except those that the offer itself rejects. */
export function unusedSections(
  { offer, video, audio, data }: OfferUse,
  codecs: readonly VideoCodec[],
): UnusedSection[] {
  const used = new Set<OfferMedia | undefined>([video?.media, audio?.media, data]);
  return offer.media
    .filter((media) => !used.has(media) && (media.bundled || media.port !== 0))
    .filter(({ direction }) => canReceive(direction))
    .map((media) => {
      const { mid, kind } = media;
      const isSpare = media.bundled && chooseStream(media, codecs) !== undefined;
      const reason = isSpare || (kind === "application" && media.bundled)
        ? "another section has the one stream of its kind"
        : explainMismatch(media, kind === "audio" ? ["opus"] : codecs);
      return { mid, media: kind, reason };
    });
}

/**
 * How each section is answered, in the offer's order. Unused RTP sections stay in the transport as inactive: pion,
 * aiortc, str0m and GStreamer refuse a whole answer because of one rejected section.
 */
export function answerSections(
  { offer, video, audio, data }: OfferUse,
  send: { video: SendSection | undefined; audio: SendSection | undefined },
): AnswerSection[] {
  return offer.media.map((media) => {
    if (media === video?.media && send.video !== undefined) return send.video;
    if (media === audio?.media && send.audio !== undefined) return send.audio;
    if (media === data) return { kind: "data", maxMessageSizeBytes: MESSAGE_BYTES_MAX };
    // A codec that this server supports, which the client certainly supports too.
    const payloadType = chooseStream(media, ["h264", "vp8"])?.payloadType ??
      firstCodec(media)?.payloadType;
    return payloadType === undefined ? { kind: "reject" } : { kind: "inactive", payloadType };
  });
}

function firstSending<Codec extends string>(
  sections: readonly OfferMedia[],
  choose: (media: OfferMedia) => CodecChoice<Codec> | undefined,
): Sending<Codec> | undefined {
  for (const media of sections) {
    const choice = canReceive(media.direction) ? choose(media) : undefined;
    if (choice !== undefined) return { media, choice };
  }
  return undefined;
}

function nextSending<Codec extends string>(
  sections: readonly OfferMedia[],
  former: Sending<Codec> | undefined,
  choose: (media: OfferMedia) => CodecChoice<Codec> | undefined,
): Sending<Codec> | undefined {
  const same = former && sections.find(({ mid }) => mid === former.media.mid);
  const choice = same && (keepChoice(same, former.choice, choose) ?? choose(same));
  const kept = same && choice && { media: same, choice };
  if (kept && canReceive(kept.media.direction)) return kept;
  return firstSending(sections, choose) ?? kept;
}

/** The same codec and payload type, if still offered. */
function keepChoice<Codec extends string>(
  media: OfferMedia,
  { codec, payloadType }: CodecChoice<Codec>,
  choose: (media: OfferMedia) => CodecChoice<Codec> | undefined,
): CodecChoice<Codec> | undefined {
  const codecs = media.codecs.filter((offered) => offered.payloadType === payloadType);
  const choice = choose({ ...media, codecs });
  return choice?.codec === codec ? choice : undefined;
}

function chooseStream(media: OfferMedia, codecs: readonly VideoCodec[]): CodecChoice | undefined {
  return media.kind === "audio" ? chooseOpus(media) : chooseVideoCodec(media, codecs);
}

/** The section of the only association: that of the transport, which an answer cannot reject, or the first. */
function dataSection({ media, transportIndex }: Offer): OfferMedia | undefined {
  const isData = ({ bundled, kind }: OfferMedia) => bundled && kind === "application";
  const transport = media[transportIndex];
  return transport !== undefined && isData(transport) ? transport : media.find(isData);
}

function noVideo({ media }: Offer, codecs: readonly VideoCodec[]): OfferError {
  const videos = media.filter(({ mediaType }) => mediaType === "video");
  if (videos.length === 0) {
    return new OfferError(
      "unsupported_codec",
      'The offer has no video section; add `pc.addTransceiver("video", { direction: "recvonly" })`',
    );
  }
  const wanted = codecs.map((codec) => codec.toUpperCase()).join(" or ");
  const reasons = videos.map((video) => `mid ${video.mid}: ${explainMismatch(video, codecs)}`);
  return new OfferError(
    "unsupported_codec",
    cutText(`No video section of the offer takes ${wanted}: ${reasons.join("; ")}`),
  );
}

function cutText(text: string): string {
  if (text.length <= REASON_CHARACTERS_MAX) return text;
  return `${text.slice(0, REASON_CHARACTERS_MAX - 1).toWellFormed()}…`;
}
