import { type Answer, buildAnswer, type SendSection } from "../sdp/answer.ts";
import type { CodecChoice } from "../sdp/codec.ts";
import type { Fingerprint } from "../sdp/model.ts";
import type { IceCredentials } from "./ice/ice_agent.ts";
import { answerSections, type OfferUse } from "./offer_reader.ts";
import { PATH_REPORTS } from "./rtp/path_reports.ts";
import type { CandidateAddress } from "../sdp/candidate.ts";
import type { PublicAddresses } from "../base/public_ports.ts";
import { PLAYOUT_DELAY_URI } from "./rtp/playout.ts";

/** Supported RTCP feedback for video. */
const VIDEO_FEEDBACK = ["nack", "nack pli", "ccm fir", PATH_REPORTS.feedback];

/** Id of the MediaStream: one for both tracks, so that browsers synchronize them. */
const STREAM_ID = "pinhole";

/** Content of a peer's answer. */
export interface PeerAnswerOptions {
  readonly offer: OfferUse;
  /** Synchronization sources of the streams; without `audio` an offered audio section is inactive. */
  readonly ssrcs: { readonly video: number; readonly audio: number | undefined };
  /** Whether to negotiate the playout-delay extension. */
  readonly playoutDelay: boolean;
  /** Canonical name of both streams. */
  readonly cname: string;
  readonly ice: IceCredentials;
  readonly fingerprint: Fingerprint;
  readonly candidates: readonly [CandidateAddress, ...CandidateAddress[]];
  /** Decimal, below 2⁶³, the same in all answers to one viewer. */
  readonly sessionId: string;
  /** Number of this answer to the viewer, from 1. */
  readonly sessionVersion: number;
}

/** Answers an offer with one video stream, one audio stream if there is sound, and data channels. */
export function answerPeer(options: PeerAnswerOptions): Answer {
  const { offer, ssrcs: { video, audio }, cname, playoutDelay } = options;
  const section = (ssrc: number, codec: CodecChoice): SendSection => ({
    kind: "send",
    codec,
    ssrc,
    cname,
    streamId: STREAM_ID,
    trackId: codec.codec === "opus" ? "audio" : "video",
    feedback: [PATH_REPORTS.feedback],
    extensions: [PATH_REPORTS.extension],
  });
  const playout = playoutDelay ? [PLAYOUT_DELAY_URI] : [];
  return buildAnswer({
    ...options,
    offer: offer.offer,
    sections: answerSections(offer, {
      video: offer.video && {
        ...section(video, offer.video.choice),
        feedback: VIDEO_FEEDBACK,
        extensions: [PATH_REPORTS.extension, ...playout],
      },
      audio: offer.audio && audio !== undefined ? section(audio, offer.audio.choice) : undefined,
    }),
  });
}

/**
 * The candidates of a port's public addresses, UDP first.
 * @throws {RangeError} If the port takes neither.
 */
export function candidatesOf(
  { udp, tcp }: PublicAddresses,
  { takesUdp, takesTcp }: { readonly takesUdp: boolean; readonly takesTcp: boolean },
): readonly [CandidateAddress, ...CandidateAddress[]] {
  const [first, ...others] = [
    ...(udp !== undefined && takesUdp ? [{ ...udp, transport: "udp" as const }] : []),
    ...(tcp !== undefined && takesTcp ? [{ ...tcp, transport: "tcp" as const }] : []),
  ];
  if (first === undefined) throw new RangeError("A media port has no public address");
  return [first, ...others];
}
