import { readBlockCode } from "../support/media/block_code.ts";
import assert from "assert";
import { openRendererLibrary } from "../../src/renderer/library.ts";
import { LIBRARY_SYMBOLS } from "../../src/renderer/library_symbols.ts";
import { buildCuda, findNvcc, hasGpu } from "../support/renderers/cuda.ts";
import { compileReference } from "../support/renderers/native.ts";
import { rgbaFromFrame } from "../support/media/picture.ts";
import {
  assertAlike,
  failsWith,
  frameAt,
  openSession,
  pictures,
  withLibrary,
} from "../support/renderers/renderers.ts";

const FRAME_US = 33_333;

const nvcc = await findNvcc();
const gpu = await hasGpu();
const noNvcc = "reason" in nvcc ? nvcc.reason : undefined;
const noGpu = gpu ? undefined : "this host has no NVIDIA GPU";

let built: Promise<string> | undefined;

/** A test of reference.cu as nvcc compiles it. Its name says why it is left out. */
function nvccTest(
  criterion: string,
  { leftOut, fn }: { leftOut: string | undefined; fn: (path: string) => Promise<void> },
): void {
  const why = noNvcc ?? leftOut;
  Deno.test({
    name: `reference.cu: ${criterion}${why === undefined ? "" : ` (left out: ${why})`}`,
    ignore: why !== undefined,
    async fn() {
      assert(!("reason" in nvcc));
      built ??= buildCuda(nvcc);
      await fn(await built);
    },
  });
}

nvccTest("nvcc compiles it, and it exports the contract and nothing else", {
  leftOut: undefined,
  async fn(path) {
    const encoding = ["pinhole_set_bitrate", "pinhole_request_keyframe"];
    const contract = Object.keys(LIBRARY_SYMBOLS).filter((name) => !encoding.includes(name));
    assert.deepEqual(await exportedSymbols(path), contract.toSorted());
  },
});

nvccTest("without a GPU it says so in CUDA's words", {
  leftOut: gpu ? "this host has a GPU" : undefined,
  async fn(path) {
    await failsWith("open_failed", {
      message:
        /pinhole_open failed with status -1: cudaGetDeviceCount failed: .+ \(cudaError\w+\)$/,
      action: () => openRendererLibrary({ path, options: {} }),
    });
  },
});

nvccTest("shows the picture of reference.c on a GPU, in several sessions at once", {
  leftOut: noGpu,
  async fn(path) {
    const moments = [50_000, 5_000_000, 31_500_000];
    const size = [1280, 720] as const;
    const expected = await pictures(await compileReference(), { moments, size });
    const actual = await pictures(path, { moments, size });
    actual.forEach((picture, index) => assertAlike(picture, expected[index]));
    await withLibrary(path, async (factory) => {
      const sessions = await Promise.all(
        ["a", "b", "c", "d"].map((sessionId) => openSession(factory, { sessionId })),
      );
      for (let frameNumber = 0; frameNumber < 100; frameNumber++) {
        await Promise.all(sessions.map(async (session) => {
          const frame = await frameAt(session, frameNumber * FRAME_US);
          assert.equal(readBlockCode(rgbaFromFrame(frame))?.frameNumber, frameNumber);
        }));
      }
    });
  },
});

/** Names of the functions that a shared library exports, sorted. */
async function exportedSymbols(path: string): Promise<string[]> {
  const { stdout } = await new Deno.Command("nm", { args: ["-D", "--defined-only", path] })
    .output();
  return [...new TextDecoder().decode(stdout).matchAll(/ [TW] (\S+)$/gm)]
    .map(([_, name = ""]) => name)
    .toSorted();
}
