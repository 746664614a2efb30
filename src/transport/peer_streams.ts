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

/** What {@link PeerStreams} are made of. */
export interface PeerStreamsOptions {
  /** Whether the session has sound. */
  readonly hasSound: boolean;
  readonly path: Pick<PathRate, "sent">;
  readonly clock: Clock;
  readonly send: (packet: Uint8Array) => void;
  /** Whether the viewer's address takes packets now: sound that it does not take is not numbered. */
  readonly mayStream: () => boolean;
  /** The viewer asks for sound, and did not before. Called once at most. */
  readonly soundAdded: (stream: RtpStream) => void;
}

/**
 * The streams of one viewer, in the form that its latest offer asks for. Offers change how packets are marked and whether
 * any are sent; synchronization sources, sequence numbers and timestamps go on.
 */
export class PeerStreams implements AudioSink {
  readonly video: RtpStream;
  readonly #options: PeerStreamsOptions;
  #use: OfferUse;
  #sound: RtpStream | undefined;
  /** The player was told to show each picture at once, which holds until it is told otherwise. */
  #rendersAtOnce = false;
  #keyframeExtensions: readonly RtpHeaderExtension[] = [];

  /** @param use Of the first offer; {@link follow} takes it up. */
  constructor(use: OfferUse, options: PeerStreamsOptions) {
    this.#options = options;
    this.#use = use;
    this.video = this.#open(VIDEO_CLOCK_RATE, this.#videoMarks());
  }

  /** Of what was ever asked for. */
  get sound(): RtpStream | undefined {
    return this.#sound;
  }

  /** What the answer says of sound: `undefined` where the latest offer has no section for it. */
  get soundSsrc(): number | undefined {
    return this.#use.audio && this.#sound?.ssrc;
  }

  /** Whether no video is asked for at present. */
  get isVideoPaused(): boolean {
    return !isSending(this.#use.video);
  }

  /** Whether no sound is asked for at present. */
  get isPaused(): boolean {
    return !isSending(this.#use.audio);
  }

  /** Whether the answer offers to say how long a player may hold a picture back. */
  get rendersAtOnce(): boolean {
    return this.#rendersAtOnce;
  }

  /** Of each packet of a keyframe. */
  get keyframeExtensions(): readonly RtpHeaderExtension[] {
    return this.#keyframeExtensions;
  }

  /** Takes an offer up. @returns Whether video goes on otherwise than before, which takes a keyframe. */
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
    const { clock, send } = this.#options;
    return new RtpStream({ ...marks, clockRate, clock, send });
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
    // Sound that shows no numbers takes none: the viewer would miss them.
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

/** Whether the viewer takes a stream at present. */
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
