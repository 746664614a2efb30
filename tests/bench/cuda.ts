/**
 * Measures the CUDA reference library through the FFI binding, on a host with an NVIDIA GPU: see docs/cuda.md.
 *
 *   deno run -A tests/bench/cuda.ts [--seconds N]
 */
import { parseArgs } from "node:util";
import type { FrameSource, FrameSourceFactory } from "../../src/media/frame.ts";
import { openRendererLibrary } from "../../src/renderer/library.ts";
import { buildCuda, findNvcc, hasGpu } from "../support/renderers/cuda.ts";

const SIZES = [[1920, 1080], [3840, 2160]] as const;
const SESSIONS = [1, 4, 16] as const;
const FPS = 30;
const FRAME_US = 1_000_000 / FPS;
const WARM_UP_FRAMES = 30;
const PACED_FRAMES = 60;

/** What is measured. */
export interface CudaLoad {
  /** Pixels of each session, even. */
  readonly width: number;
  readonly height: number;
  /** Sessions at the same time. */
  readonly sessions: number;
  /** How long each is asked for frames without a pause. */
  readonly seconds: number;
}

/** What a frame took, as the mean over all sessions; milliseconds. */
export interface CudaFigures extends CudaLoad {
  /** Of all sessions together. */
  readonly framesPerSecond: number;
  /** One call as JavaScript sees it, while frames are asked for without a pause. */
  readonly callMs: number;
  /** Drawing and converting, by CUDA's events. */
  readonly kernelMs: number;
  /** From the GPU into pinned memory, by CUDA's events. */
  readonly copyMs: number;
  /** What a call takes outside of the library. */
  readonly ffiMs: number;
  /** One call when frames are asked for at 30 a second: what drawing ahead leaves of it. */
  readonly pacedCallMs: number;
}

/** Measures one load on an open library, which must be one that answers `{"type":"figures"}`. */
export async function measureCuda(
  factory: FrameSourceFactory,
  load: CudaLoad,
): Promise<CudaFigures> {
  const sources = await Promise.all(
    Array.from(
      { length: load.sessions },
      (_, index) => factory.open({ ...load, sessionId: `bench-${index}`, fps: FPS, params: {} }),
    ),
  );
  const streams = sources.map((source) => new Stream(source));
  await Promise.all(streams.map((stream) => stream.renderFrames(WARM_UP_FRAMES)));
  // The warm-up is not to count.
  await Promise.all(streams.map((stream) => stream.figures()));

  const startMs = performance.now();
  const endMs = startMs + load.seconds * 1000;
  const calls = (await Promise.all(streams.map((stream) => stream.renderUntil(endMs)))).flat();
  const elapsedMs = performance.now() - startMs;
  const figures = await Promise.all(streams.map((stream) => stream.figures()));
  const paced = (await Promise.all(streams.map((stream) => stream.renderPaced(PACED_FRAMES))))
    .flat();
  await Promise.all(sources.map((source) => source.close()));

  const callMs = mean(calls);
  return {
    ...load,
    framesPerSecond: calls.length / elapsedMs * 1000,
    callMs,
    kernelMs: mean(figures.map(({ kernel_ms }) => kernel_ms)),
    copyMs: mean(figures.map(({ copy_ms }) => copy_ms)),
    ffiMs: callMs - mean(figures.map(({ render_ms }) => render_ms)),
    pacedCallMs: mean(paced),
  };
}

/** One line for each load, below a line of names. */
export function formatCudaTable(rows: readonly CudaFigures[]): string {
  const names = "size sessions frames/s call-ms kernel-ms copy-ms ffi-ms paced-call-ms".split(" ");
  const lines = [
    names,
    ...rows.map((row) => [
      `${row.width}x${row.height}`,
      String(row.sessions),
      row.framesPerSecond.toFixed(0),
      ...[row.callMs, row.kernelMs, row.copyMs, row.ffiMs, row.pacedCallMs].map((ms) =>
        ms.toFixed(3)
      ),
    ]),
  ];
  const widths = names.map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0))
  );
  return lines
    .map((line) => line.map((cell, column) => cell.padStart(widths[column] ?? 0)).join("  "))
    .join("\n");
}

/** A session that is asked for one frame after another, on a timeline of its own. */
class Stream {
  readonly #source: FrameSource;
  #frames = 0;

  constructor(source: FrameSource) {
    this.#source = source;
  }

  /** @returns Milliseconds that the call took. */
  async #render(): Promise<number> {
    const startMs = performance.now();
    const { status } = await this.#source.render(this.#frames++ * FRAME_US);
    if (status !== "frame") throw new Error(`A frame was to come, not "${status}"`);
    return performance.now() - startMs;
  }

  async renderFrames(count: number): Promise<void> {
    for (let index = 0; index < count; index++) await this.#render();
  }

  async renderUntil(endMs: number): Promise<number[]> {
    const calls: number[] = [];
    do calls.push(await this.#render()); while (performance.now() < endMs);
    return calls;
  }

  async renderPaced(count: number): Promise<number[]> {
    const calls: number[] = [];
    const startMs = performance.now();
    for (let index = 0; index < count; index++) {
      const waitMs = Math.max(0, startMs + index * FRAME_US / 1000 - performance.now());
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      calls.push(await this.#render());
    }
    return calls;
  }

  /** Means of the frames since the last call. */
  async figures(): Promise<{ kernel_ms: number; copy_ms: number; render_ms: number }> {
    this.#source.message?.(new TextEncoder().encode('{"type":"figures"}'));
    const answer = await this.#source.pollMessage?.();
    if (answer === undefined) throw new Error("The library does not tell its figures");
    return JSON.parse(new TextDecoder().decode(answer));
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { seconds: { type: "string", default: "3" } } });
  if (!await hasGpu()) {
    say("This host has no NVIDIA GPU: nothing was measured");
    return 1;
  }
  const nvcc = await findNvcc();
  if ("reason" in nvcc) {
    say(nvcc.reason);
    return 1;
  }
  const factory = await openRendererLibrary({ path: await buildCuda(nvcc), options: {} });
  const rows: CudaFigures[] = [];
  for (const [width, height] of SIZES) {
    for (const sessions of SESSIONS) {
      const seconds = Number(values.seconds);
      rows.push(await measureCuda(factory, { width, height, sessions, seconds }));
    }
  }
  await factory.close();
  say(await gpuName());
  say(formatCudaTable(rows));
  return 0;
}

async function gpuName(): Promise<string> {
  const args = ["--query-gpu=name,driver_version", "--format=csv,noheader"];
  const output = await new Deno.Command("nvidia-smi", { args }).output().catch(() => undefined);
  return output === undefined
    ? "GPU of an unknown name"
    : new TextDecoder().decode(output.stdout).trim();
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

if (import.meta.main) Deno.exit(await main(Deno.args));
