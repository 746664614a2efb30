import { Buffer } from "node:buffer";
import {
  Codec,
  CodecContext,
  Dictionary,
  FFmpegError,
  Frame,
  Packet,
  Rational,
  SoftwareResampleContext,
} from "node-av/lib";
import {
  AV_CHANNEL_LAYOUT_MONO,
  AV_CHANNEL_LAYOUT_STEREO,
  AV_SAMPLE_FMT_S16,
  AVERROR_EAGAIN,
  FF_ENCODER_LIBOPUS,
} from "node-av/constants";
import {
  type AudioEncoder,
  type EncodedAudio,
  OPUS_PACKET_SAMPLES,
  OPUS_SAMPLE_RATE,
} from "./audio_encoder.ts";
import type { AudioChunk } from "./frame.ts";

/** Amount of in-band FEC; a tunnel drops few packets, so little is enough. */
const EXPECTED_LOSS_PERCENT = "10";

/** libopus makes a packet that need not be sent this short (RFC 6716 §2.1.9, RFC 7587 §3.1.3). */
const DTX_BYTES_MAX = 2;

const BYTES_PER_SAMPLE = 2;

/** Settings of an Opus encoder. */
export interface OpusSettings {
  readonly bitrateKbps: number;
}

/** Opus with 20 ms packets, in-band FEC and DTX, from libopus. */
export function createOpusEncoder(settings: OpusSettings): AudioEncoder {
  let stream: OpusStream | undefined;
  let work: Promise<unknown> = Promise.resolve();
  return {
    encode(chunk) {
      const encoding = work.then(async () => {
        if (stream === undefined || !stream.takes(chunk)) {
          stream?.close();
          stream = await openStream(chunk, settings);
        }
        return await stream.encode(chunk);
      });
      work = encoding.catch(() => {});
      return encoding;
    },
    async close() {
      await work;
      stream?.close();
      stream = undefined;
    },
  };
}

type SoundFormat = Pick<AudioChunk, "sampleRate" | "channels">;

function layoutOf({ channels }: SoundFormat) {
  return channels === 1 ? AV_CHANNEL_LAYOUT_MONO : AV_CHANNEL_LAYOUT_STEREO;
}

async function openStream(
  { sampleRate, channels }: SoundFormat,
  { bitrateKbps }: OpusSettings,
): Promise<OpusStream> {
  const format = { sampleRate, channels };
  const codec = Codec.findEncoderByName(FF_ENCODER_LIBOPUS);
  if (codec === null) throw new Error("libopus is not part of this FFmpeg");
  const context = new CodecContext();
  context.allocContext3(codec);
  context.sampleRate = OPUS_SAMPLE_RATE;
  context.sampleFormat = AV_SAMPLE_FMT_S16;
  context.channelLayout = layoutOf(format);
  context.timeBase = new Rational(1, OPUS_SAMPLE_RATE);
  context.bitRate = BigInt(bitrateKbps * 1000);
  using options = Dictionary.fromObject({
    application: "audio",
    frame_duration: "20",
    fec: "1",
    packet_loss: EXPECTED_LOSS_PERCENT,
    dtx: "1",
  });
  try {
    FFmpegError.throwIfError(await context.open2(codec, options), "open libopus");
    return new OpusStream(format, context);
  } catch (error) {
    context.freeContext();
    throw error;
  }
}

/** Resampler and encoder for one sample rate and channel count. */
class OpusStream {
  readonly #format: SoundFormat;
  readonly #context: CodecContext;
  readonly #resampler: SoftwareResampleContext | undefined;
  readonly #frame = new Frame();
  readonly #packet = new Packet();
  readonly #timeline = new AudioTimeline(OPUS_SAMPLE_RATE);
  /** Remaining samples at 48 kHz that do not fill a packet. */
  #rest = new Int16Array(0);
  #samplesEncoded = 0;
  #silent = true;

  constructor(format: SoundFormat, context: CodecContext) {
    this.#format = format;
    this.#context = context;
    this.#packet.alloc();
    this.#frame.alloc();
    this.#frame.format = AV_SAMPLE_FMT_S16;
    this.#frame.sampleRate = OPUS_SAMPLE_RATE;
    this.#frame.channelLayout = layoutOf(format);
    this.#frame.nbSamples = OPUS_PACKET_SAMPLES;
    FFmpegError.throwIfError(this.#frame.getBuffer(0), "allocate sound");
    this.#resampler = format.sampleRate === OPUS_SAMPLE_RATE ? undefined : openResampler(format);
  }

  takes({ sampleRate, channels }: SoundFormat): boolean {
    return sampleRate === this.#format.sampleRate && channels === this.#format.channels;
  }

  async encode(chunk: AudioChunk): Promise<EncodedAudio[]> {
    const packets: EncodedAudio[] = [];
    if (this.#timeline.isNewStretch(chunk.timestampUs)) {
      await this.#finishStretch(packets);
      this.#timeline.begin(chunk.timestampUs);
    }
    const samples = await this.#resample(chunk.samples);
    this.#timeline.push(samples.length / this.#format.channels);
    const joined = new Int16Array(this.#rest.length + samples.length);
    joined.set(this.#rest);
    joined.set(samples, this.#rest.length);
    const packetLength = OPUS_PACKET_SAMPLES * this.#format.channels;
    let at = 0;
    for (; at + packetLength <= joined.length; at += packetLength) {
      await this.#encodePacket(joined.subarray(at, at + packetLength), packets);
    }
    this.#rest = joined.slice(at);
    return packets;
  }

  close(): void {
    this.#resampler?.free();
    this.#frame.free();
    this.#packet.free();
    this.#context.freeContext();
  }

  /** Before a gap, sends the remaining samples padded with silence, so that speech is not cut off. */
  async #finishStretch(packets: EncodedAudio[]): Promise<void> {
    if (this.#rest.length === 0) return;
    const last = new Int16Array(OPUS_PACKET_SAMPLES * this.#format.channels);
    last.set(this.#rest);
    this.#rest = new Int16Array(0);
    await this.#encodePacket(last, packets);
  }

  async #resample(samples: Int16Array): Promise<Int16Array> {
    if (this.#resampler === undefined) return samples;
    const { channels } = this.#format;
    const count = samples.length / channels;
    const room = this.#resampler.getOutSamples(count);
    const output = new Int16Array(room * channels);
    const written = await this.#resampler.convert(
      [bytesOf(output)],
      room,
      [bytesOf(samples)],
      count,
    );
    FFmpegError.throwIfError(written, "resample");
    return output.subarray(0, written * channels);
  }

  async #encodePacket(samples: Int16Array, packets: EncodedAudio[]): Promise<void> {
    const timestampUs = this.#timeline.take(OPUS_PACKET_SAMPLES);
    FFmpegError.throwIfError(this.#frame.makeWritable(), "allocate sound");
    this.#frame.data?.[0]?.set(bytesOf(samples));
    this.#frame.pts = BigInt(this.#samplesEncoded);
    this.#samplesEncoded += OPUS_PACKET_SAMPLES;
    FFmpegError.throwIfError(await this.#context.sendFrame(this.#frame), "encode sound");
    const status = await this.#context.receivePacket(this.#packet);
    if (status === AVERROR_EAGAIN) return;
    FFmpegError.throwIfError(status, "encode sound");
    try {
      const { data } = this.#packet;
      if (data === null) return;
      const silent = data.length <= DTX_BYTES_MAX;
      if (!silent) {
        packets.push({ data: new Uint8Array(data), timestampUs, startsTalkspurt: this.#silent });
      }
      this.#silent = silent;
    } finally {
      this.#packet.unref();
    }
  }
}

function openResampler(format: SoundFormat): SoftwareResampleContext {
  const resampler = new SoftwareResampleContext();
  const layout = layoutOf(format);
  FFmpegError.throwIfError(
    resampler.allocSetOpts2(
      layout,
      AV_SAMPLE_FMT_S16,
      OPUS_SAMPLE_RATE,
      layout,
      AV_SAMPLE_FMT_S16,
      format.sampleRate,
    ),
    "open resampler",
  );
  FFmpegError.throwIfError(resampler.init(), "open resampler");
  return resampler;
}

function bytesOf(samples: Int16Array): Buffer {
  return Buffer.from(samples.buffer, samples.byteOffset, samples.length * BYTES_PER_SAMPLE);
}

/**
 * If a chunk's timestamp differs from the end of the previous chunk by more than this, the timestamp is used. Below
 * that the chunks are joined, because renderers round timestamps and a sample clock drifts only slowly.
 */
const JUMP_US = 60_000;

/** Maps a stream of samples, in chunks of any length, to the session's timeline. Pure. */
class AudioTimeline {
  readonly #sampleRate: number;
  #anchorUs: number | undefined;
  /** Samples received and sent since the anchor. */
  #samplesIn = 0;
  #samplesOut = 0;

  /** @param sampleRate Samples per second and channel of the stream. */
  constructor(sampleRate: number) {
    this.#sampleRate = sampleRate;
  }

  /**
   * Whether a chunk at `timestampUs` begins a new section, so that the rest of the old one has to be sent first. True
   * for the first chunk and after a gap; chunks with an early timestamp are joined.
   */
  isNewStretch(timestampUs: number): boolean {
    return this.#anchorUs === undefined || timestampUs - this.#timeOf(this.#samplesIn) > JUMP_US;
  }

  /** Begins a section at `timestampUs`, never earlier than the samples already sent. */
  begin(timestampUs: number): void {
    const earliestUs = this.#anchorUs === undefined
      ? Number.NEGATIVE_INFINITY
      : this.#timeOf(this.#samplesOut);
    this.#anchorUs = Math.max(timestampUs, earliestUs);
    this.#samplesIn = 0;
    this.#samplesOut = 0;
  }

  /** Counts samples in. */
  push(samples: number): void {
    this.#samplesIn += samples;
  }

  /** Counts samples out and returns the time of the first of them, in microseconds. */
  take(samples: number): number {
    const timestampUs = this.#timeOf(this.#samplesOut);
    this.#samplesOut += samples;
    return timestampUs;
  }

  #timeOf(samples: number): number {
    return (this.#anchorUs ?? 0) + (samples * 1_000_000) / this.#sampleRate;
  }
}
