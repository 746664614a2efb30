import type { Clock } from "../base/clock.ts";
import { type EncodedAudio, OPUS_SAMPLE_RATE } from "../media/audio_encoder.ts";
import type { VideoCodec } from "../media/encoder.ts";
import { canReceive } from "../sdp/answer.ts";
import type { OfferUse, Sending } from "./offer_reader.ts";
import type { PathRate } from "../rate/path_rate.ts";
import { numberExtensionId } from "./rtp/path_reports.ts";
import type { AudioSink } from "./peer_transport.ts";
import { renderAtOnce, renderInStep, SOUND_LATER_US } from "./rtp/playout.ts";
import type { RtpHeaderExtension } from "./rtp/rtp.ts";
import { type RtpMarks, RtpStream } from "./rtp/rtp_stream.ts";

/** Hz; every video payload type has this clock (RFC 6184 §8.1, RFC 7741 §6.1). */
export const VIDEO_CLOCK_RATE = 90_000;

export interface PeerStreamsOptions {
  /** Whether the session has sound. */
  readonly hasSound: boolean;
  readonly path: Pick<PathRate, "sent" | "isRepeating" | "resent">;
  readonly clock: Clock;
  readonly send: (packet: Uint8Array) => void;
  /** Whether packets may be sent to the viewer's address; sound that may not be sent gets no sequence number. */
  readonly mayStream: () => boolean;
  /** The viewer requests sound for the first time. Called at most once. */
  readonly soundAdded: (stream: RtpStream) => void;
}

/**
 * The streams of one viewer, as its latest offer requests. Offers change payload types and extensions, and whether
 * packets are sent; synchronization sources, sequence numbers and timestamps continue.
 */
export class PeerStreams implements AudioSink {
  readonly video: RtpStream;
  readonly #options: PeerStreamsOptions;
  #use: OfferUse;
  #sound: RtpStream | undefined;
  /** Whether playout-delay 0 was sent, which applies until another value is sent. */
  #rendersAtOnce = false;
  #keyframeExtensions: readonly RtpHeaderExtension[] = [];

  /** @param use From the first offer; {@link follow} applies it. */
  constructor(use: OfferUse, options: PeerStreamsOptions) {
    this.#options = options;
    this.#use = use;
    this.video = this.#open(VIDEO_CLOCK_RATE, this.#videoMarks());
  }

  /** The audio stream, if the viewer ever requested sound. */
  get sound(): RtpStream | undefined {
    return this.#sound;
  }

  /** SSRC of sound for the answer; `undefined` if the latest offer has no section for it. */
  get soundSsrc(): number | undefined {
    return this.#use.audio && this.#sound?.ssrc;
  }

  /** Whether the latest offer requests no video. */
  get isVideoPaused(): boolean {
    return !isSending(this.#use.video);
  }

  /** Whether the latest offer requests no sound. */
  get isPaused(): boolean {
    return !isSending(this.#use.audio);
  }

  /** Whether the answer has the playout-delay extension. */
  get rendersAtOnce(): boolean {
    return this.#rendersAtOnce;
  }

  /** Header extensions of each packet of a keyframe. */
  get keyframeExtensions(): readonly RtpHeaderExtension[] {
    return this.#keyframeExtensions;
  }

  /** Applies an offer. @returns Whether the video changed, so that a keyframe is needed. */
  follow(use: OfferUse): boolean {
    const former = this.#use;
    this.#use = use;
    const { video, audio } = use;
    if (video !== undefined) this.video.mark(this.#videoMarks());
    if (audio !== undefined && this.#options.hasSound) this.#followSound(this.#soundMarks(audio));
    this.#keyframeExtensions = this.#playoutDelay();
    return isSending(video) && !(isSending(former.video) && isSameStream(video, former.video));
  }

  sendPacket({ data, timestampUs, startsTalkspurt }: EncodedAudio): void {
    if (this.isPaused || !this.#options.mayStream()) return;
    this.#sound?.send({
      payloads: [data],
      timestampUs: timestampUs + SOUND_LATER_US,
      marker: startsTalkspurt,
    });
  }

  #open(clockRate: number, marks: RtpMarks): RtpStream {
    const { clock, send, path } = this.#options;
    return new RtpStream({ ...marks, clockRate, clock, send, repetition: path });
  }

  #videoMarks(): RtpMarks {
    const { path, clock } = this.#options;
    const { video } = this.#use;
    return {
      payloadType: video?.choice.payloadType ?? 0,
      numberExtensionId: video && numberExtensionId(this.#use, video.media),
      sent: (bytes) => path.sent(bytes, clock.now()),
    };
  }

  #soundMarks({ media, choice: { payloadType } }: Sending<"opus">): RtpMarks {
    const { path, clock } = this.#options;
    const extensionId = numberExtensionId(this.#use, media);
    // Without the extension no transport-wide number is used, which would appear lost.
    if (extensionId === undefined) return { payloadType };
    const sent = () => path.sent(0, clock.now());
    return { payloadType, numberExtensionId: extensionId, sent };
  }

  #followSound(marks: RtpMarks): void {
    if (this.#sound !== undefined) return this.#sound.mark(marks);
    this.#sound = this.#open(OPUS_SAMPLE_RATE, marks);
    this.#options.soundAdded(this.#sound);
  }

  #playoutDelay(): readonly RtpHeaderExtension[] {
    const { video } = this.#use;
    if (video === undefined) return [];
    if (this.#sound !== undefined && !this.isPaused) {
      return this.#rendersAtOnce ? renderInStep(video.media) : [];
    }
    this.#rendersAtOnce = true;
    return renderAtOnce(video.media);
  }
}

/** Whether the viewer currently receives a stream. */
function isSending(sending: Sending<string> | undefined): boolean {
  return sending !== undefined && canReceive(sending.media.direction);
}

function isSameStream(
  one: Sending<VideoCodec> | undefined,
  other: Sending<VideoCodec> | undefined,
): boolean {
  return one?.media.mid === other?.media.mid &&
    one?.choice.payloadType === other?.choice.payloadType;
}
