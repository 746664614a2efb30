import { AppError } from "../base/errors.ts";
import type { VideoCodec } from "../media/encoder.ts";
import { type AnswerSection, canReceive, type SendSection } from "../sdp/answer.ts";
import { chooseOpus, chooseVideoCodec, type CodecChoice } from "../sdp/codec.ts";
import type { Offer, OfferMedia } from "../sdp/model.ts";
import { parseOffer } from "../sdp/offer.ts";
import { MESSAGE_BYTES_MAX } from "./data_channel.ts";

/** The viewer takes no codec that this server sends, or no video at all. */
export class OfferError extends AppError<"unsupported_codec"> {}

/** A section of an offer in which a stream is sent. */
export interface Sending<Codec extends string> {
  readonly media: OfferMedia;
  readonly choice: CodecChoice<Codec>;
}

/** An offer, and the sections of it that are used. */
export interface UsableOffer {
  readonly offer: Offer;
  readonly video: Sending<VideoCodec>;
  readonly audio: Sending<"opus"> | undefined;
  /** The section for data channels. */
  readonly data: OfferMedia | undefined;
}

/**
 * Reads an offer and picks the first section that can take our video, the first for our audio, and the first for data.
 * @param codecs What may be sent as video, best first.
 * @throws {SdpError} `bad_sdp`
 * @throws {OfferError} `unsupported_codec`
 */
export function readUsableOffer(sdp: string, codecs: readonly VideoCodec[]): UsableOffer {
  const offer = parseOffer(sdp);
  const used = offer.media.filter(({ bundled, port }) => bundled && port !== 0);
  const video = firstSending(used, (media) => chooseVideoCodec(media, codecs));
  if (video === undefined) throw noVideo(offer, codecs);
  return {
    offer,
    video,
    audio: firstSending(used, chooseOpus),
    data: used.find(({ kind }) => kind === "application"),
  };
}

/** What each section is answered with, in the offer's order; what is not used is rejected. */
export function answerSections(
  { offer, video, audio, data }: UsableOffer,
  send: { video: SendSection; audio: SendSection | undefined },
): AnswerSection[] {
  return offer.media.map((media) => {
    if (media === video.media) return send.video;
    if (media === audio?.media && send.audio !== undefined) return send.audio;
    if (media === data) return { kind: "data", maxMessageSizeBytes: MESSAGE_BYTES_MAX };
    return { kind: "reject" };
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

function noVideo({ media }: Offer, codecs: readonly VideoCodec[]): OfferError {
  const videos = media.filter(({ kind }) => kind === "video");
  if (videos.length === 0) {
    return new OfferError(
      "unsupported_codec",
      'The offer has no video section; add `pc.addTransceiver("video", { direction: "recvonly" })`',
    );
  }
  const offered = new Set(videos.flatMap((video) => video.codecs.map(({ name }) => name)));
  return new OfferError(
    "unsupported_codec",
    `The offer has no video section that can receive ${codecs.join(" or ").toUpperCase()} ` +
      `(H264 in packetization mode 1); it offers ${[...offered].join(", ") || "no codec"}`,
  );
}
