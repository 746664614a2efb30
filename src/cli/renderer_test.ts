import { splitAnnexB } from "../media/h264.ts";
import { examineLibrary } from "../renderer/conformance/examine.ts";
import { count, type Verdict } from "../renderer/conformance/verdict.ts";
import { printOut } from "./print.ts";

/** What `pinhole renderer-test` takes when nothing else is said. */
export const RENDERER_TEST_DEFAULTS = {
  width: 1280,
  height: 720,
  fps: 30,
  seconds: 5,
  callMaxMs: 10_000,
} as const;

/** What `pinhole renderer-test` is called with. */
export interface RendererTestOptions {
  /** Path of the shared library. */
  readonly library: string;
  /** Handed to the library as JSON: what `[renderer.options]` would say. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Pixels, even. */
  readonly width?: number;
  /** Pixels, even. */
  readonly height?: number;
  /** Frames per second. */
  readonly fps?: number;
  /** How long a stream is watched at its pace. */
  readonly seconds?: number;
  /** A call on a session that takes longer than this many milliseconds counts as stuck. */
  readonly callMaxMs?: number;
}

/**
 * `pinhole renderer-test`: examines a renderer library and prints, line by line, what it is about to do and how that went.
 *
 * A library that is stuck leaves a call under way: the process must end itself afterwards.
 *
 * @returns Whether nothing failed.
 */
export async function rendererTest(
  { library, options = {}, ...asked }: RendererTestOptions,
): Promise<boolean> {
  const { width, height, fps, seconds, callMaxMs } = { ...RENDERER_TEST_DEFAULTS, ...asked };
  const counts = { ok: 0, warning: 0, failed: 0 };
  const remarks = examineLibrary({
    path: library,
    options,
    asked: { width, height, fps },
    seconds,
    callMaxMs,
    nalUnits: splitAnnexB,
  });
  for await (const remark of remarks) {
    if ("begins" in remark) {
      printOut(`${remark.begins} …`);
    } else {
      counts[remark.level]++;
      printOut(formatVerdict(remark));
    }
  }
  printOut(`${counts.ok} ok, ${count(counts.warning, "warning")}, ${counts.failed} failed`);
  return counts.failed === 0;
}

function formatVerdict({ level, name, text }: Verdict): string {
  return `  ${level.padEnd(8)} ${name.padEnd(13)} ${text}`;
}
