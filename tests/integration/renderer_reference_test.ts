import { readBlockCode } from "../support/media/block_code.ts";
import assert from "assert";
import { blockCodeArea } from "../../src/renderer/block_code.ts";
import { openRendererLibrary } from "../../src/renderer/library.ts";
import { LIBRARY_SYMBOLS, REQUIRED_SYMBOLS } from "../../src/renderer/library_symbols.ts";
import {
  checkHeader,
  compileReference,
  hasCplusplus,
  INCLUDE,
} from "../support/renderers/native.ts";
import { rgbaFromFrame } from "../support/media/picture.ts";
import { failsWith, frameAt, openSession, withReference } from "../support/renderers/renderers.ts";

Deno.test("pinhole.h: compiles as C11 without a warning", async () => {
  assert.deepEqual(await checkHeader("pinhole.h", { language: "c", standard: "c11" }), {
    ok: true,
    text: "",
  });
});

Deno.test({
  name: "pinhole.h: compiles as C++17 without a warning",
  ignore: !(await hasCplusplus()),
  async fn() {
    assert.deepEqual(await checkHeader("pinhole.h", { language: "c++", standard: "c++17" }), {
      ok: true,
      text: "",
    });
  },
});

Deno.test("pinhole.h: is alone in its folder, so that -I adds no other name", async () => {
  assert.deepEqual((await Array.fromAsync(Deno.readDir(INCLUDE))).map(({ name }) => name), [
    "pinhole.h",
  ]);
});

Deno.test("pinhole.h: declares the functions that are called, and marks the same ones as required", async () => {
  const url = new URL("pinhole.h", INCLUDE);
  const [required, optional] = (await Deno.readTextFile(url)).split("/* ---- Optional");
  const declared = (text = "") =>
    [...text.matchAll(/^PINHOLE_API \w+ (pinhole_\w+)\(/gm)].map(([_, name]) => name ?? "");
  assert.deepEqual(declared(required).toSorted(), REQUIRED_SYMBOLS.toSorted());
  const called = Object.keys(LIBRARY_SYMBOLS).filter((name) => !REQUIRED_SYMBOLS.includes(name));
  assert.deepEqual(called.filter((name) => !declared(optional).includes(name)), []);
});

Deno.test("reference.c: frames of every format show the same picture with a readable block code", async () => {
  const pictures: Uint8Array[] = [];
  for (const format of ["rgba", "bgr24", "i420", "nv12"] as const) {
    await withReference({ format }, async (factory) => {
      assert.match(factory.name, /^reference-\w+\.so$/);
      const session = await openSession(factory, { size: [650, 366] });
      for (let frameNumber = 0; frameNumber < 3; frameNumber++) {
        const frame = await frameAt(session, frameNumber * 40_000);
        assert.equal(frame.format, format);
        assert.equal(frame.timestampUs, frameNumber * 40_000);
        const code = readBlockCode(rgbaFromFrame(frame));
        assert.equal(code?.frameNumber, frameNumber);
        assert.ok(Math.abs(Date.now() - (code?.sentAtMs ?? 0)) < 60_000);
      }
      const { data, width, height } = rgbaFromFrame(await frameAt(session, 5_000_000));
      // Below the block code, which has another time in each.
      pictures.push(data.subarray(blockCodeArea({ width, height }).height * width * 4));
    });
  }
  const [exact, ...others] = pictures;
  assert(exact !== undefined);
  for (const other of others) {
    // Chroma has half the resolution in the last two, so edges differ; whole channels must not.
    const far = other.filter((value, index) => Math.abs(value - (exact[index] ?? 0)) > 8).length;
    assert.ok(far < exact.length * 0.02, `${far} of ${exact.length} values differ`);
  }
});

Deno.test("reference.c: options that it does not know are refused with what it knows", async () => {
  const path = await compileReference();
  const mistakes = [
    [{ format: "yuyv" }, /Unknown format "yuyv": use one of nv12, i420, rgba, bgr24/],
    [{ format: "nv1" }, /Unknown format "nv1"/],
    [{ format: 3 }, /Unknown format 3/],
    [{ format: {} }, /not a JSON object of texts, numbers, true and false/],
    [{ fromat: "nv12" }, /Unknown option "fromat": known are format, audio, sample_rate, channels/],
    [{ audio: "off" }, /Option "audio" is "off": use true or false/],
    [{ sample_rate: 7999 }, /Option "sample_rate" is 7999: use a whole number from 8000 to 48000/],
    [{ channels: 1.5 }, /Option "channels" is 1.5: use a whole number from 1 to 2/],
    [{ idle_after_s: 5 }, /"idle_after_s" and "idle_for_s" need each other/],
  ] as const;
  for (const [options, message] of mistakes) {
    await failsWith("open_failed", {
      message,
      action: () => openRendererLibrary({ path, options }),
    });
  }
  await withReference({}, async (factory) => {
    await failsWith("session_open_failed", {
      message: /Cannot draw 641x360 pixels/,
      action: () => openSession(factory, { size: [641, 360] }),
    });
  });
});

Deno.test("reference.c: sessions side by side count their own frames", async () => {
  await withReference({}, async (factory) => {
    const sessions = await Promise.all(
      ["a", "b", "c"].map((sessionId) => openSession(factory, { sessionId, size: [320, 180] })),
    );
    for (let round = 0; round < 10; round++) {
      await Promise.all(sessions.map(async (session, index) => {
        for (let times = 0; times <= index; times++) {
          const frame = await frameAt(session, round * 33_333);
          const code = readBlockCode(rgbaFromFrame(frame));
          assert.equal(code?.frameNumber, round * (index + 1) + times);
        }
      }));
    }
  });
});

Deno.test("openRendererLibrary: thousands of frames and hundreds of sessions leave no memory behind", async () => {
  const path = await compileReference();
  const run = async (rounds: number) => {
    const factory = await openRendererLibrary({ path, options: { format: "rgba" } });
    for (let round = 0; round < rounds; round++) {
      const session = await openSession(factory, { size: [640, 360] });
      for (let frame = 0; frame < 20; frame++) await frameAt(session, frame * 33_333);
      await session.close();
    }
    await factory.close();
  };
  await run(20);
  const before = Deno.memoryUsage().rss;
  await run(200);
  // One session's buffers are 2 MB: 200 of them that stay would be 400 MB.
  const grownMb = (Deno.memoryUsage().rss - before) / 2 ** 20;
  assert.ok(grownMb < 64, `${grownMb} MB more`);
});
