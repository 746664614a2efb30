import { AppError } from "../base/errors.ts";
import type { VideoCodec } from "../media/encoder.ts";
import { type AnswerSection, canReceive, type SendSection } from "../sdp/answer.ts";
import { chooseVideoCodec, type CodecChoice } from "../sdp/codec.ts";
import type { Offer } from "../sdp/model.ts";
import { parseOffer } from "../sdp/offer.ts";

/** The viewer takes no codec that this server sends, or no video at all. */
export class OfferError extends AppError<"unsupported_codec"> {}

/** An offer, and the one section in which its video is sent. */
export interface VideoOffer {
  readonly offer: Offer;
  readonly videoIndex: number;
  readonly choice: CodecChoice<VideoCodec>;
}

/**
 * Reads an offer and picks the first section that can take our video.
 * @param codecs What may be sent, best first.
 * @throws {SdpError} `bad_sdp`
 * @throws {OfferError} `unsupported_codec`
 */
export function readVideoOffer(sdp: string, codecs: readonly VideoCodec[]): VideoOffer {
  const offer = parseOffer(sdp);
  const videos = offer.media.filter(({ kind, port }) => kind === "video" && port !== 0);
  if (videos.length === 0) {
    throw new OfferError(
      "unsupported_codec",
      'The offer has no video section; add `pc.addTransceiver("video", { direction: "recvonly" })`',
    );
  }
  for (const [videoIndex, media] of offer.media.entries()) {
    if (!media.bundled || !canReceive(media.direction)) continue;
    const choice = chooseVideoCodec(media, codecs);
    if (choice !== undefined) return { offer, videoIndex, choice };
  }
  const offered = new Set(videos.flatMap(({ codecs }) => codecs.map(({ name }) => name)));
  throw new OfferError(
    "unsupported_codec",
    `The offer has no video section that can receive ${codecs.join(" or ").toUpperCase()} ` +
      `(H264 in packetization mode 1); it offers ${[...offered].join(", ") || "no codec"}`,
  );
}

/** Answers for each section: video in the chosen one, every other one rejected. */
export function answerSections(
  { offer, videoIndex }: VideoOffer,
  video: SendSection,
): AnswerSection[] {
  return offer.media.map((_, index) => index === videoIndex ? video : { kind: "reject" });
}
