import { readBlockCode } from "../support/media/block_code.ts";
import assert from "assert";
import { openRendererLibrary } from "../../src/renderer/library.ts";
import type { FrameSource } from "../../src/media/frame.ts";
import { formatCudaTable, measureCuda } from "../bench/cuda.ts";
import { fakeCuda, lifetime } from "../support/renderers/emulated_cuda.ts";
import {
  compileEmulatedCuda,
  compileReference,
  hasCplusplus,
} from "../support/renderers/native.ts";
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

const withCplusplus = await hasCplusplus();

/** A test of reference.cu, compiled against the emulation of CUDA. */
function emulatedTest(criterion: string, fn: () => Promise<void>): void {
  Deno.test({ name: `reference.cu: ${criterion}`, ignore: !withCplusplus, fn });
}

emulatedTest("shows the picture of reference.c", async () => {
  const moments = [50_000, 5_000_000, 31_500_000];
  const size = [650, 366] as const;
  const expected = await pictures(await compileReference(), { moments, size });
  for (const lazy of [false, true]) {
    const actual = await pictures(await compileEmulatedCuda({ lazy }), { moments, size });
    actual.forEach((picture, index) => assertAlike(picture, expected[index]));
  }
});

emulatedTest(
  "a frame is whole when it is handed out, and stays so while the next one is drawn",
  async () => {
    for (const lazy of [false, true]) {
      await withLibrary(await compileEmulatedCuda({ lazy }), async (factory) => {
        const session = await openSession(factory);
        for (let frameNumber = 0; frameNumber < 6; frameNumber++) {
          const frame = await frameAt(session, frameNumber * FRAME_US);
          assert.equal(readBlockCode(rgbaFromFrame(frame))?.frameNumber, frameNumber);
        }
      });
    }
  },
);

emulatedTest("draws ahead what is asked for next, and anew what was not foreseen", async () => {
  await withLibrary(await compileEmulatedCuda(), async (factory) => {
    const session = await openSession(factory, { size: [64, 36] });
    for (let index = 0; index < 10; index++) {
      const frame = await frameAt(session, index * 33_300);
      // One frame interval after the call before.
      assert.equal(frame.timestampUs, index === 0 ? 0 : (index - 1) * 33_300 + FRAME_US);
    }
    assert.deepEqual(await figures(session), { frames: 10, drawn_ahead: 9 });
    assert.equal((await frameAt(session, 1_000_000)).timestampUs, 1_000_000);
    assert.equal((await frameAt(session, 2_000_000)).timestampUs, 2_000_000);
    assert.deepEqual(await figures(session), { frames: 2, drawn_ahead: 0 });
  });
});

emulatedTest("timestamps never go back, however irregular the calls are", async () => {
  await withLibrary(await compileEmulatedCuda(), async (factory) => {
    const session = await openSession(factory, { size: [64, 36] });
    let [requestedUs, newestUs] = [0, 0];
    for (let step = 0; step < 200; step++) {
      requestedUs += (step * 7919) % 60_000;
      const { timestampUs } = await frameAt(session, requestedUs);
      assert.ok(timestampUs >= newestUs, `${timestampUs} after ${newestUs}`);
      assert.ok(Math.abs(timestampUs - requestedUs) <= FRAME_US, `${timestampUs}: ${requestedUs}`);
      newestUs = timestampUs;
    }
  });
});

emulatedTest("every CUDA call that fails is named, and leaves nothing behind", async () => {
  const path = await compileEmulatedCuda();
  using fake = fakeCuda(path);
  const total = await lifetime(path).then(() => fake.failAt(0));
  assert.ok(total > 40, `${total} calls`);
  const named = new Set<string>();
  for (let call = 1; call <= total; call++) {
    fake.failAt(call);
    const failures = await lifetime(path);
    assert.equal(failures.length, 1, `call ${call}: ${failures.join("; ")}`);
    const [failure = ""] = failures;
    // Closing has no text but a status.
    assert.match(
      failure,
      /^renderer_close_failed$|cuda\w+ failed: unknown error \(cudaErrorUnknown\)$/,
    );
    named.add(/cuda\w+/.exec(failure)?.[0] ?? "close");
    assert.equal(fake.live(), 0, `call ${call}`);
  }
  fake.failAt(0);
  assert.deepEqual([...named].toSorted(), [
    "close",
    "cudaEventCreateWithFlags",
    "cudaEventElapsedTime",
    "cudaEventRecord",
    "cudaEventSynchronize",
    "cudaFree",
    "cudaGetDeviceCount",
    "cudaHostAlloc",
    "cudaLaunchKernelEx",
    "cudaMalloc",
    "cudaMemcpyAsync",
    "cudaSetDevice",
    "cudaStreamCreateWithFlags",
  ]);
});

emulatedTest("goes on after a call that failed", async () => {
  const path = await compileEmulatedCuda();
  using fake = fakeCuda(path);
  await withLibrary(path, async (factory) => {
    const session = await openSession(factory, { size: [64, 36] });
    for (let call = 1; call <= 12; call++) {
      await frameAt(session, call * 1_000_000);
      fake.failAt(call);
      await assert.rejects(async () => {
        // The first may still have been drawn without it.
        await session.render(call * 1_000_000 + FRAME_US);
        await session.render(call * 1_000_000 + 2 * FRAME_US);
      }, /cudaErrorUnknown/);
      fake.failAt(0);
    }
    await frameAt(session, 20_000_000);
  });
});

emulatedTest(
  "works on the device that its option names, whatever thread it is called on",
  async () => {
    const path = await compileEmulatedCuda();
    using fake = fakeCuda(path);
    fake.newThreads();
    await withLibrary(path, async (factory) => {
      fake.newThreads();
      const session = await openSession(factory, { size: [64, 36] });
      for (let index = 0; index < 3; index++) {
        fake.newThreads();
        await frameAt(session, index * FRAME_US);
      }
      fake.newThreads();
      await session.close();
    }, { options: { device: 1 } });
    assert.equal(fake.live(), 0);
    await failsWith("open_failed", {
      message: /There is no CUDA device 2: this host has 2/,
      action: () => openRendererLibrary({ path, options: { device: 2 } }),
    });
    await failsWith("open_failed", {
      message: /Option "device" is -1: use a whole number from 0/,
      action: () => openRendererLibrary({ path, options: { device: -1 } }),
    });
    await failsWith("open_failed", {
      message: /Unknown option "gpu": known are device, audio/,
      action: () => openRendererLibrary({ path, options: { gpu: 0 } }),
    });
  },
);

emulatedTest("the bench takes its figures", async () => {
  await withLibrary(await compileEmulatedCuda(), async (factory) => {
    const load = { width: 16, height: 16, sessions: 2, seconds: 0.1 };
    const figures = await measureCuda(factory, load);
    assert.ok(figures.framesPerSecond > 0);
    // The emulation says that everything takes a quarter of a millisecond.
    assert.deepEqual([figures.kernelMs, figures.copyMs], [0.25, 0.25]);
    assert.ok(figures.ffiMs > 0 && figures.ffiMs < figures.callMs);
    const [names = "", row = "", ...more] = formatCudaTable([figures]).split("\n");
    assert.equal(names.length, row.length);
    assert.match(row, /^16x16 +2 /);
    assert.deepEqual(more, []);
  });
});

/** The averages depend on the host and are left out. */
async function figures(session: FrameSource): Promise<unknown> {
  session.message?.(new TextEncoder().encode('{"type":"figures"}'));
  const answer = JSON.parse(new TextDecoder().decode(await session.pollMessage?.()));
  assert.equal(answer.type, "figures");
  for (const name of ["kernel_ms", "copy_ms", "render_ms"]) assert.ok(answer[name] >= 0, name);
  return { frames: answer.frames, drawn_ahead: answer.drawn_ahead };
}
