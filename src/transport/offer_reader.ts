import { AppError } from "../base/errors.ts";
import type { VideoCodec } from "../media/encoder.ts";
import { type AnswerSection, canReceive, type SendSection } from "../sdp/answer.ts";
import { chooseOpus, chooseVideoCodec, type CodecChoice } from "../sdp/codec.ts";
import { explainMismatch, firstCodec, type UnusedSection } from "../sdp/mismatch.ts";
import type { Offer, OfferMedia } from "../sdp/model.ts";
import { parseOffer } from "../sdp/offer.ts";
import type { OfferIdentity } from "./peer_transport.ts";
import { MESSAGE_BYTES_MAX } from "./sctp/limits.ts";

/** The viewer takes no codec that this server sends, or no video at all. */
export class OfferError extends AppError<"unsupported_codec"> {}

/** Longest reason of a refusal, in characters: room for what is against two sections with every codec of a browser. */
const REASON_CHARACTERS_MAX = 390;

/** A section of an offer in which a stream is sent. */
export interface Sending<Codec extends string> {
  readonly media: OfferMedia;
  readonly choice: CodecChoice<Codec>;
}

/** An offer, and the sections of it that are used. In one that the viewer cannot receive, nothing is sent at present. */
export interface OfferUse {
  readonly offer: Offer;
  readonly video: Sending<VideoCodec> | undefined;
  readonly audio: Sending<"opus"> | undefined;
  /** The section for data channels. */
  readonly data: OfferMedia | undefined;
}

/** A viewer's first offer: it has a section that receives video. */
export interface UsableOffer extends OfferUse {
  readonly video: Sending<VideoCodec>;
}

/**
 * Reads an offer and picks the first section that can take our video, the first for our audio, and the first for data.
 * @param codecs What may be sent as video, best first.
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
 * Whether an offer is a further one of the same RTCPeerConnection, whose DTLS association goes on. It shows the same
 * certificate (RFC 8842 §5.5), and the same session id (RFC 3264 §8) or, since some clients write another one each time, the
 * same ICE credentials. A page may give one certificate to several connections, so the certificate alone tells nothing.
 */
export function isFurtherOffer(offer: OfferIdentity, former: OfferIdentity): boolean {
  return isSameCertificate(offer, former) &&
    (isSameSession(offer, former) || isSameIce(offer, former));
}

/**
 * Whether an offer is a further one of an RTCPeerConnection whose viewer has ended. Some clients have one certificate and one
 * session id for all their connections, the version included: with other ICE credentials, only a later version, as
 * RFC 3264 §8 has it for each change, tells a further offer from the first one of a new connection.
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
 * Picks the sections of a further offer: those of the offer before, by their `a=mid`, with the same codec and payload
 * type while they are offered; others where those receive nothing any more.
 * @param options.codecs What may be sent as video, best first.
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

/** What of an offer asks for a stream, or for a channel, and gets none. What it rejects by itself is not listed. */
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
 * What each section is answered with, in the offer's order. RTP that is not used stays in the transport and is inactive:
 * pion, aiortc, str0m and GStreamer refuse a whole answer for one section that is rejected.
 */
export function answerSections(
  { offer, video, audio, data }: OfferUse,
  send: { video: SendSection | undefined; audio: SendSection | undefined },
): AnswerSection[] {
  return offer.media.map((media) => {
    if (media === video?.media && send.video !== undefined) return send.video;
    if (media === audio?.media && send.audio !== undefined) return send.audio;
    if (media === data) return { kind: "data", maxMessageSizeBytes: MESSAGE_BYTES_MAX };
    // A codec that we know, since the client knows that one for sure.
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

/** The same codec by the same payload type, if that is still offered. */
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

/** One transport has one association: that of the transport's own section, which an answer cannot reject, or the first. */
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
