import { sendExtensionId } from "../../sdp/answer.ts";
import type { OfferMedia } from "../../sdp/model.ts";
import type { OfferUse } from "../offer_reader.ts";

/**
 * Transport-wide reports (draft-holmer-rmcat-transport-wide-cc-extensions-01), as an SDP negotiates them: the feedback of
 * a payload type, and the header extension that numbers all packets of a connection.
 */
export const PATH_REPORTS = {
  feedback: "transport-cc",
  extension: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
} as const;

/** The id under which packets of a section are numbered; `undefined` for viewers that would not report on the video. */
export function numberExtensionId(
  { video }: Pick<OfferUse, "video">,
  media: OfferMedia,
): number | undefined {
  if (video === undefined) return undefined;
  const { payloadType } = video.choice;
  const codec = video.media.codecs.find((codec) => codec.payloadType === payloadType);
  const isReported = codec?.feedback.includes(PATH_REPORTS.feedback) &&
    sendExtensionId(video.media, PATH_REPORTS.extension) !== undefined;
  return isReported ? sendExtensionId(media, PATH_REPORTS.extension) : undefined;
}
