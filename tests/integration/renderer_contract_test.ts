import { readBlockCode } from "../support/media/block_code.ts";
import assert from "assert";
import type { AudioChunk, FrameSource, RawFrame } from "../../src/media/frame.ts";
import { drawBlockCode } from "../../src/renderer/block_code.ts";
import { I420Picture } from "../../src/renderer/i420.ts";
import { compileExercise, hasSanitizers } from "../support/renderers/native.ts";
import { rgbaFromFrame } from "../support/media/picture.ts";
import {
  type Faulty,
  frameAt,
  openSession,
  SCENE_LIBRARIES,
  withLibrary,
} from "../support/renderers/renderers.ts";

const SECOND_US = 1_000_000;
const FLASH_US = 100_000;

for (const { name, ignore, compile } of SCENE_LIBRARIES) {
  const sceneTest = (criterion: string, fn: () => Promise<void>) =>
    Deno.test({ name: `${name}: ${criterion}`, ignore, fn });

  sceneTest("a corner is white during the first 100 ms of each second, and only then", async () => {
    await withLibrary(await compile(), async (factory) => {
      for (const timestampUs of [0, 99_999, 100_000, 999_999, 1_000_000, 1_099_999, 7_500_000]) {
        const session = await openSession(factory, { size: [320, 180] });
        const luma = cornerLuma(await frameAt(session, timestampUs));
        const flashes = timestampUs % SECOND_US < FLASH_US;
        assert.equal(luma > 230, flashes, `${luma} at ${timestampUs}`);
        if (!flashes) assert.ok(luma < 180, `${luma} at ${timestampUs}`);
        await session.close();
      }
    });
  });

  sceneTest("its block code is that of block_code.ts, to the pixel", async () => {
    await withLibrary(await compile(), async (factory) => {
      for (const size of [[650, 366], [330, 182], [160, 240]] as const) {
        const session = await openSession(factory, { size });
        const frame = await frameAt(session, 500_000);
        const code = readBlockCode(rgbaFromFrame(frame));
        assert(code !== undefined);
        const [plane] = new I420Picture(frame).planes;
        drawBlockCode(plane, frame, code);
        assert.deepEqual(codeRows(frame), codeRows({ ...frame, planes: [plane] }));
      }
    });
  });

  for (
    const [sample_rate, channels] of [[8000, 1], [16_000, 1], [44_100, 2], [48_000, 2]] as const
  ) {
    sceneTest(`${sample_rate} Hz × ${channels}: sounds exactly while it flashes`, async () => {
      await withLibrary(await compile(), async (factory) => {
        const session = await openSession(factory);
        const samples = await listen(session, { untilUs: 3_300_000, sample_rate, channels });
        assert.equal(samples.length / channels, Math.floor(3.3 * sample_rate));
        assertBeeps(samples, { sample_rate, channels });
      }, { options: { sample_rate, channels } });
    });
  }

  sceneTest("after a pause it gives the last second of its sound", async () => {
    await withLibrary(await compile(), async (factory) => {
      const session = await openSession(factory);
      const chunk = await session.audio?.(10 * SECOND_US);
      assert.equal(chunk?.samples.length, 48_000);
      assert.equal(chunk?.timestampUs, 9 * SECOND_US);
      assert.equal(await session.audio?.(10 * SECOND_US), undefined);
    });
  });

  sceneTest("without audio there is silence", async () => {
    await withLibrary(await compile(), async (factory) => {
      const session = await openSession(factory);
      assert.equal(await session.audio?.(SECOND_US), undefined);
    }, { options: { audio: false } });
  });

  sceneTest("idles in a cycle, without sound meanwhile", async () => {
    const options = { idle_after_s: 0.5, idle_for_s: 0.25 };
    await withLibrary(await compile(), async (factory) => {
      const session = await openSession(factory, { size: [64, 36] });
      const seen: string[] = [];
      for (let timestampUs = 0; timestampUs <= SECOND_US; timestampUs += 125_000) {
        const { status } = await session.render(timestampUs);
        const chunk = await session.audio?.(timestampUs);
        seen.push(`${status} ${chunk === undefined ? "" : chunk.timestampUs / 1000}`.trim());
      }
      // After the idle period sound begins where it was asked for last.
      assert.deepEqual(seen, [
        "frame",
        ...["frame 0", "frame 125", "frame 250"],
        ...["idle", "idle"],
        ...["frame 625", "frame 750", "frame 875"],
      ]);
    }, { options });
  });

  sceneTest("the pointer moves the balloon", async () => {
    await withLibrary(await compile(), async (factory) => {
      const colorsAt = async (x: number, y: number) => {
        const session = await openSession(factory, { size: [640, 360] });
        session.message?.(text(`{ "y":${y}, "extra":null, "type":"pointer", "x":${x} }`));
        // The second is surely drawn after the message, whatever was drawn ahead.
        await session.render(0);
        await session.render(500_000);
        const frame = await frameAt(session, 533_333);
        return { left: lumaAt(frame, [0.2, 0.2]), right: lumaAt(frame, [0.8, 0.5]) };
      };
      const left = await colorsAt(0.2, 0.2);
      const right = await colorsAt(0.8, 0.5);
      assert.equal(left.left, right.right);
      assert.notEqual(left.right, right.right);
      assert.notEqual(left.left, right.left);
    });
  });

  sceneTest("any other message comes back as it was, in order", async () => {
    const letters = [
      text("hello"),
      text('{"type":"pointer","x":0.5}'),
      text('{"type":"pointer","x":0.5,"y":1.5}'),
      text('{"type":"pointer","x":0.5,"y":0x1}'),
      text('{"type":"pointer","x":0.5,"y":0.5'),
      text('{"type":"pointer","x":0.5,"y":0.5}\0'),
      text('{"type":"key","key":"ä"}'),
      new Uint8Array([0, 255, 0]),
      new Uint8Array(65_536).fill(7),
    ];
    await withLibrary(await compile(), async (factory) => {
      const session = await openSession(factory);
      session.message?.(new Uint8Array());
      for (const letter of letters) session.message?.(letter);
      for (const letter of letters) assert.deepEqual(await session.pollMessage?.(), letter);
      assert.equal(await session.pollMessage?.(), undefined);
    });
  });

  sceneTest("messages that nobody fetches are refused at last", async () => {
    const warnings: Faulty["warnings"] = [];
    await withLibrary(await compile(), async (factory) => {
      const session = await openSession(factory);
      for (let count = 0; count < 17; count++) session.message?.(text(String(count)));
      await session.pollMessage?.();
      assert.match(String(warnings[0]?.fields.error), /16 messages wait already/);
      assert.equal(warnings.length, 1);
    }, { warnings });
  });

  Deno.test({
    name: `${name}: no memory error under the sanitizers`,
    ignore: ignore || !(await hasSanitizers()),
    async fn() {
      const program = await compileExercise(name === "reference.c" ? name : "reference.cu");
      const { stdout, stderr } = await new Deno.Command(program).output();
      assert.equal(new TextDecoder().decode(stdout), "done\n", new TextDecoder().decode(stderr));
    },
  });
}

function text(message: string): Uint8Array {
  return new TextEncoder().encode(message);
}

/** Luma of one pixel, by its place in parts of the picture. */
function lumaAt({ width, height, planes: [luma] }: RawFrame, place: [number, number]): number {
  const [x, y] = [Math.floor(place[0] * width), Math.floor(place[1] * height)];
  return luma?.data[y * luma.strideBytes + x] ?? 0;
}

/** Luma of what the block code covers, rows joined. */
function codeRows({ width, height, planes: [luma] }: RawFrame): Uint8Array {
  const cell = Math.min(width / 40, height / 12);
  const [columns, rows] = [Math.floor(26 * cell), Math.floor(4 * cell)];
  const covered = new Uint8Array(columns * rows);
  for (let y = 0; y < rows; y++) {
    const start = y * (luma?.strideBytes ?? 0);
    covered.set(luma?.data.subarray(start, start + columns) ?? [], y * columns);
  }
  return covered;
}

/** Mean luma of the lower right sixteenth, within its edges. */
function cornerLuma(frame: RawFrame): number {
  const { data, width, height } = rgbaFromFrame(frame);
  let sum = 0;
  let pixels = 0;
  for (let y = Math.ceil(height * 0.75); y < height; y++) {
    for (let x = Math.ceil(width * 0.75); x < width; x++, pixels++) {
      sum += data[(y * width + x) * 4 + 1] ?? 0;
    }
  }
  return sum / pixels;
}

/** All sound up to a moment, asked for at irregular times; it must have no gaps. */
async function listen(
  session: FrameSource,
  { untilUs, sample_rate, channels }: { untilUs: number; sample_rate: number; channels: number },
): Promise<Int16Array> {
  const samples: number[] = [];
  let timestampUs = 0;
  for (let step = 1; timestampUs < untilUs; step++) {
    timestampUs = Math.min(untilUs, timestampUs + 1_000 * (step * 37 % 50));
    const chunk: AudioChunk | undefined = await session.audio?.(timestampUs);
    if (chunk === undefined) continue;
    assert.equal(chunk.sampleRate, sample_rate);
    assert.equal(chunk.channels, channels);
    const expectedUs = samples.length / channels * SECOND_US / sample_rate;
    assert.ok(Math.abs(chunk.timestampUs - expectedUs) < 2, `${chunk.timestampUs}: ${expectedUs}`);
    samples.push(...chunk.samples);
  }
  return Int16Array.from(samples);
}

function assertBeeps(
  samples: Int16Array,
  { sample_rate, channels }: { sample_rate: number; channels: number },
): void {
  const heard = new Map<number, { firstUs: number; lastUs: number; peak: number }>();
  for (let index = 0; index < samples.length; index++) {
    const value = samples[index] ?? 0;
    if (channels === 2) assert.equal(value, samples[index - index % 2]);
    if (value === 0) continue;
    const timeUs = Math.floor(index / channels) * SECOND_US / sample_rate;
    const second = Math.floor(timeUs / SECOND_US);
    const beep = heard.get(second) ?? { firstUs: timeUs % SECOND_US, lastUs: 0, peak: 0 };
    beep.lastUs = timeUs % SECOND_US;
    beep.peak = Math.max(beep.peak, value);
    heard.set(second, beep);
  }
  assert.deepEqual([...heard.keys()], [0, 1, 2, 3]);
  for (const { firstUs, lastUs, peak } of heard.values()) {
    assert.ok(firstUs < 1_000, `${firstUs}`);
    assert.ok(lastUs > FLASH_US - 1_000 && lastUs < FLASH_US, `${lastUs}`);
    assert.ok(peak > 4_000 && peak < 16_000, `${peak}`);
  }
}
