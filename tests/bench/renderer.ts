import { fileURLToPath } from "node:url";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { NULL_METER } from "../../src/base/meter.ts";
import { SYSTEM_CLOCK } from "../../src/base/clock.ts";
import { allocatePicture, PictureConverter } from "../../src/media/picture_converter.ts";
import type { FrameSource, FrameSourceFactory, RawFrame } from "../../src/media/frame.ts";
import { openIsolatedLibrary } from "../../src/renderer/bridge/isolated_library.ts";
import { openRendererLibrary } from "../../src/renderer/library.ts";
import { compileLibrary } from "../support/renderers/native.ts";
import { type Figure, median, percentile, type Progress } from "./figure.ts";

const SIZE = { width: 1920, height: 1080 } as const;
const FPS = 30;
const ROUNDS = 9;
const FRAMES_PER_ROUND = 300;
const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));
/** As the server starts it. */
const HOST = ["run", "--allow-ffi", "--allow-read", "--allow-env", MAIN, "bridge-host"] as const;

/**
 * What it costs to get one 1080p picture in NV12 from a renderer library that draws nothing: through the C ABI in this
 * process, over the bridge from a process of its own, and its copy into the encoder's picture, which both ways have in
 * common. The ways take turns, so that each meets the same moods of the machine.
 */
export async function measureRenderer(progress: Progress): Promise<Figure[]> {
  const path = await compileLibrary(new URL("still.c", import.meta.url));
  const shared = { path, options: {}, log: NULL_LOGGER };
  await using open = new AsyncDisposableStack();
  const inProcess = await openSource(await openRendererLibrary(shared), open);
  const isolated = await openSource(
    await openIsolatedLibrary({
      ...shared,
      meter: NULL_METER,
      clock: SYSTEM_CLOCK,
      logSettings: { level: "info", format: "json" },
      command: [Deno.execPath(), ...HOST],
    }),
    open,
  );
  const costs = { inProcess: [] as number[], isolated: [] as number[], copy: [] as number[] };
  // Round 0 is for the compiler.
  for (let round = 0; round <= ROUNDS; round++) {
    progress(round === 0 ? "warming up" : `round ${round} of ${ROUNDS}`);
    const near = await measureCalls(inProcess);
    const far = await measureCalls(isolated);
    const copies = await measureCopies(inProcess);
    if (round === 0) continue;
    costs.inProcess.push(...near);
    costs.isolated.push(...far);
    costs.copy.push(...copies);
  }
  return [
    ...figuresOf("frame, library in process", costs.inProcess),
    ...figuresOf("frame, library in a child process", costs.isolated),
    {
      name: "frame, child process / in process",
      value: median(costs.isolated) / median(costs.inProcess),
      unit: "",
    },
    ...figuresOf("frame, copy into the encoder's picture", costs.copy),
    {
      name: "frames that the call alone would carry, in process",
      value: 1e6 / mean(costs.inProcess),
      unit: "/s",
    },
    {
      name: "the same with the copy",
      value: 1e6 / (mean(costs.inProcess) + mean(costs.copy)),
      unit: "/s",
    },
  ];
}

async function openSource(
  factory: FrameSourceFactory,
  open: AsyncDisposableStack,
): Promise<FrameSource> {
  open.defer(() => factory.close());
  const source = await factory.open({ ...SIZE, sessionId: "bench", fps: FPS, params: {} });
  open.defer(() => source.close());
  return source;
}

/** Microseconds of each call. */
async function measureCalls(source: FrameSource): Promise<number[]> {
  const costsUs: number[] = [];
  for (let frame = 0; frame < FRAMES_PER_ROUND; frame++) {
    const startedMs = performance.now();
    await renderFrame(source);
    costsUs.push(1000 * (performance.now() - startedMs));
  }
  return costsUs;
}

/** Microseconds of each copy. */
async function measureCopies(source: FrameSource): Promise<number[]> {
  const costsUs: number[] = [];
  const converter = new PictureConverter();
  const picture = allocatePicture(SIZE.width, SIZE.height);
  for (let count = 0; count < FRAMES_PER_ROUND; count++) {
    const frame = await renderFrame(source);
    const startedMs = performance.now();
    await converter.convert(frame, picture);
    costsUs.push(1000 * (performance.now() - startedMs));
  }
  converter.close();
  picture.free();
  return costsUs;
}

async function renderFrame(source: FrameSource): Promise<RawFrame> {
  const result = await source.render(performance.now() * 1000);
  if (result.status === "frame" && result.frame.kind === "raw") return result.frame;
  throw new Error(`A frame was to come, not "${result.status}"`);
}

function figuresOf(name: string, costsUs: readonly number[]): Figure[] {
  return [
    { name: `${name}, median`, value: median(costsUs), unit: "µs" },
    { name: `${name}, p95`, value: percentile(costsUs, 95), unit: "µs" },
  ];
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
