import type { Frame } from "node-av/lib";
import { errorText } from "../../base/errors.ts";
import type { RawFrame } from "../frame.ts";
import type { IdleFormat } from "./clip.ts";
import { decodePictures } from "./decode.ts";
import { findIdleFiles } from "./files.ts";
import { IdleError } from "./idle_error.ts";
import type { PictureRecorder } from "./picture_recorder.ts";
import { PictureFitter } from "./picture_fitter.ts";

/** Receives the pictures of a source. */
export interface PictureSink {
  readonly recorder: PictureRecorder<RawFrame>;
  /** Ends the recording after the current picture. */
  readonly signal: AbortSignal;
  /** Called when a part of the source is skipped because it cannot be decoded. */
  readonly onDamaged: (reason: string) => void;
}

/** Size of the trial; any size shows whether a picture can be scaled. */
const TRIAL_SIZE = { width: 64, height: 64 };

/**
 * Decodes and scales the first picture of an idle source, to check that it can be shown.
 * @throws {IdleError} When it cannot.
 */
export async function decodeFirst(path: string): Promise<void> {
  const { paths: [first] } = await findIdleFiles(path);
  const fitter = new PictureFitter(TRIAL_SIZE);
  try {
    await fitFirst(first, fitter);
  } finally {
    fitter.close();
  }
}

/**
 * Decodes an idle source and records its pictures, scaled to the format's size. The images of a folder last 1/fps
 * seconds each; a broken one after the first is skipped.
 * @throws {IdleError} When there is no picture to show.
 * @throws {DOMException} When `signal` aborts.
 */
export async function recordPictures(
  path: string,
  { format, sink }: { format: IdleFormat; sink: PictureSink },
): Promise<void> {
  const { kind, paths } = await findIdleFiles(path);
  const fitter = new PictureFitter(format);
  try {
    if (kind === "file") await recordFile(paths[0], { fitter, sink });
    else await recordFolder(paths, { fitter, sink, fps: format.fps });
  } finally {
    fitter.close();
  }
}

async function recordFile(
  path: string,
  { fitter, sink: { recorder, signal, onDamaged } }: { fitter: PictureFitter; sink: PictureSink },
): Promise<void> {
  for await (const { frame, startUs, endUs } of decodePictures(path, { onDamaged })) {
    signal.throwIfAborted();
    if (!recorder.advance(endUs)) continue;
    const picture = await fit(frame, { path, fitter });
    if (!recorder.add({ ...picture, timestampUs: startUs }, startUs)) return;
  }
}

async function recordFolder(
  paths: readonly string[],
  { fitter, sink, fps }: { fitter: PictureFitter; sink: PictureSink; fps: number },
): Promise<void> {
  const { recorder, signal, onDamaged } = sink;
  for (const [index, path] of paths.entries()) {
    signal.throwIfAborted();
    if (!recorder.advance((index + 1) * 1e6 / fps)) continue;
    const startUs = index * 1e6 / fps;
    try {
      const picture = await fitFirst(path, fitter);
      if (!recorder.add({ ...picture, timestampUs: startUs }, startUs)) return;
    } catch (error) {
      if (index === 0 || !(error instanceof IdleError)) throw error;
      onDamaged(error.message);
    }
  }
}

async function fitFirst(path: string, fitter: PictureFitter): Promise<RawFrame> {
  for await (const { frame } of decodePictures(path)) return await fit(frame, { path, fitter });
  throw new IdleError("not_decodable", { path, reason: "it has no pictures" });
}

async function fit(
  frame: Frame,
  { path, fitter }: { path: string; fitter: PictureFitter },
): Promise<RawFrame> {
  try {
    return await fitter.fit(frame);
  } catch (cause) {
    throw new IdleError("not_decodable", { path, reason: errorText(cause), cause });
  }
}
