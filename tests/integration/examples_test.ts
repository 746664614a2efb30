import assert from "assert";
import { openRendererLibrary } from "../../src/renderer/library.ts";
import { buildCuda, findNvcc, hasGpu } from "../support/renderers/cuda.ts";
import { fakeCuda, lifetime } from "../support/renderers/emulated_cuda.ts";
import { compileEmulatedCuda, compileLibrary, hasCplusplus } from "../support/renderers/native.ts";
import { failsWith, frameAt, openSession, withLibrary } from "../support/renderers/renderers.ts";

const GREY = new URL("../../examples/c/grey.c", import.meta.url);
const STRIPES = new URL("../../examples/cuda/stripes.cu", import.meta.url);

const nvcc = await findNvcc();
const gpu = await hasGpu();
const leftOut = "reason" in nvcc ? ` (left out: ${nvcc.reason})` : "";
const withCplusplus = await hasCplusplus();

Deno.test("examples/c: compiles without a warning, and its grey brightens", async () => {
  await withLibrary(await compileLibrary(GREY), async (factory) => {
    const session = await openSession(factory, { sessionId: "demo" });
    for (const [timestampUs, grey] of [[20_000, 1], [2_000_000, 100]] as const) {
      const frame = await frameAt(session, timestampUs);
      assert.equal(frame.format, "bgr24");
      assert.ok(frame.planes[0]?.data.every((value) => value === grey));
    }
    await session.close();
  });
});

Deno.test({
  name: "examples/cuda: its stripes move, on an emulation of CUDA",
  ignore: !withCplusplus,
  async fn() {
    for (const lazy of [false, true]) {
      await assertStripes(await compileEmulatedCuda({ lazy, source: STRIPES }));
    }
  },
});

Deno.test({
  name: "examples/cuda: every CUDA call that fails is named, and leaves nothing behind",
  ignore: !withCplusplus,
  async fn() {
    const path = await compileEmulatedCuda({ source: STRIPES });
    using fake = fakeCuda(path);
    const total = await lifetime(path).then(() => fake.failAt(0));
    assert.ok(total > 20, `${total} calls`);
    for (let call = 1; call <= total; call++) {
      fake.failAt(call);
      const [failure = "", ...more] = await lifetime(path);
      // Closing has no text but a status.
      assert.match(
        failure,
        /^renderer_close_failed$|cuda\w+ failed: unknown error \(cudaErrorUnknown\)$/,
      );
      assert.deepEqual(more, [], `call ${call}`);
      assert.equal(fake.live(), 0, `call ${call}`);
    }
    fake.failAt(0);
  },
});

Deno.test({
  name: `examples/cuda: nvcc compiles it without a warning, and it runs${leftOut}`,
  ignore: leftOut !== "",
  async fn() {
    assert(!("reason" in nvcc));
    const path = await buildCuda(nvcc, { source: STRIPES });
    if (gpu) return await assertStripes(path);
    await failsWith("open_failed", {
      message: /cudaSetDevice failed: .+ \(cudaError\w+\)$/,
      action: () => openRendererLibrary({ path, options: {} }),
    });
  },
});

/** Holds a library to the picture of examples/cuda, in two sessions of different size. */
async function assertStripes(path: string): Promise<void> {
  await withLibrary(path, async (factory) => {
    for (const [width, height] of [[640, 360], [50, 22]] as const) {
      const session = await openSession(factory, { size: [width, height] });
      for (const timestampUs of [0, 1_230_000]) {
        const { format, planes: [luma, chroma], ...frame } = await frameAt(session, timestampUs);
        assert.deepEqual([format, frame.width, frame.height], ["nv12", width, height]);
        const row = Array.from({ length: width }, (_, x) => 16 + (x + timestampUs / 10_000) % 220);
        const colours = Array.from(
          { length: height / 2 },
          (_, y) =>
            row.map((_, x) =>
              16 + Math.floor(x % 2 === 0 ? x * 224 / width : y * 2 * 224 / height)
            ),
        );
        assertSame(luma?.data, Array(height).fill(row).flat());
        assertSame(chroma?.data, colours.flat());
      }
      await session.close();
    }
  });
}

/** As deepEqual, which takes minutes to describe how long arrays differ. */
function assertSame(actual: Uint8Array | undefined, expected: readonly number[]): void {
  assert.equal(actual?.length, expected.length);
  const at = expected.findIndex((value, index) => actual?.[index] !== value);
  assert.equal(at, -1, `byte ${at} is ${actual?.[at]} and not ${expected[at]}`);
}
