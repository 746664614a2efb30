import type { EncoderFactory, EncoderSettings, VideoCodec, VideoEncoder } from "../encoder.ts";
import { EncodedLoop, type LoopUnit } from "./encoded_loop.ts";
import type { LoopMoment, LoopRound } from "./loop_moments.ts";

/**
 * Before a moving loop's start, this much of its end is encoded and discarded, in microseconds. The rate control settles
 * meanwhile, and also the size if the rate is too low for the whole one, so that every round starts as the last ended.
 */
const RUN_UP_US = 3_000_000;

/** How a loop is encoded. */
export interface LoopEncoding {
  readonly encoders: EncoderFactory;
  readonly codec: VideoCodec;
  /** Those of the session, with the rate of the loop. */
  readonly settings: EncoderSettings;
  /** Reserves memory for one more unit; false stops the encoding. */
  readonly reserve: (bytes: number) => boolean;
  /** Stops the encoding after the current picture. */
  readonly signal: AbortSignal;
}

/** Encodes one round at full speed, off the event loop. @returns `undefined` if memory ran out. */
export async function encodeLoop(
  { moments, still, durationUs }: LoopRound,
  { encoders, codec, settings, reserve, signal }: LoopEncoding,
): Promise<EncodedLoop | undefined> {
  const runUp = still ? [] : moments.filter(({ startUs }) => startUs >= durationUs - RUN_UP_US);
  const originUs = still ? 0 : Math.min(durationUs, RUN_UP_US);
  const encoder = await encoders.open(codec, settings);
  try {
    const kbps = settings.bitrateKbps;
    for (const moment of runUp) {
      signal.throwIfAborted();
      await encode(encoder, moment, { offsetUs: originUs - durationUs, kbps });
    }
    const units: LoopUnit[] = [];
    for (const moment of moments) {
      signal.throwIfAborted();
      const encoded = await encode(encoder, moment, { offsetUs: originUs, kbps });
      // The rate control skipped it; the next frame refers to the one before.
      if (encoded === undefined) continue;
      if (!reserve(encoded.data.length)) return undefined;
      const { data, keyframe } = encoded;
      units.push({ data, keyframe, startUs: moment.startUs });
    }
    return new EncodedLoop(units, { still, durationUs, fps: settings.fps });
  } finally {
    await encoder.close();
  }
}

async function encode(
  encoder: VideoEncoder,
  { picture, startUs, keyframe }: LoopMoment,
  { offsetUs, kbps }: { offsetUs: number; kbps: number },
) {
  await encoder.load({ ...picture, timestampUs: offsetUs + startUs });
  return await encoder.encode({ keyframe, kbps });
}
