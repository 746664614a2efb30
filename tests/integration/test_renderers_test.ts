import assert from "assert";
import { eventually } from "../support/deadline.ts";
import { decodeFrames } from "../support/media/decoder.ts";
import { compileTestRenderer } from "../support/renderers/native.ts";
import {
  frameAt,
  openSession,
  withBadCitizen,
  withLibrary,
} from "../support/renderers/renderers.ts";

Deno.test("encoded.c: a decoder reads each of its access units", async () => {
  await withLibrary(await compileTestRenderer("encoded"), async (factory) => {
    const session = await openSession(factory, { size: [330, 182] });
    const units: Uint8Array[] = [];
    const keyframes: number[] = [];
    for (let index = 0; index < 70; index++) {
      if (index === 5) session.requestKeyframe?.();
      const result = await session.render(index * 33_333);
      assert(result.status === "frame" && result.frame.kind === "h264");
      units.push(result.frame.data.slice());
      if (result.frame.keyframe) keyframes.push(index);
    }
    // The last one is 2 s after the one before.
    assert.deepEqual(keyframes, [0, 5, 66]);
    const pictures = await decodeFrames("h264", units);
    assert.deepEqual(pictures.map(({ code }) => code?.frameNumber), units.map((_, index) => index));
    assert.deepEqual([pictures[0]?.width, pictures[0]?.height], [330, 182]);
    session.setBitrate?.(1_500_000);
    const news = new TextDecoder().decode(await session.pollMessage?.());
    assert.deepEqual(JSON.parse(news), { type: "bitrate", bits_per_second: 1_500_000 });
  });
});

Deno.test("bad_citizen.c: behaves until its time has come", async () => {
  await withBadCitizen({ misbehave: "error_once", after: 3 }, async (factory) => {
    const session = await openSession(factory, { size: [64, 36] });
    const seen: string[] = [];
    for (let index = 0; index < 6; index++) {
      const result = await session.render(index * 33_333).catch((error: Error) => error);
      seen.push(result instanceof Error ? result.message.replace(/.*: /, "") : result.status);
    }
    assert.deepEqual(
      seen,
      ["frame", "frame", "frame", "The model fell over", "frame", "frame"],
    );
  });
});

Deno.test("bad_citizen.c: what is stuck can be released, and holds up nobody else", async () => {
  await withBadCitizen({ misbehave: "none" }, async (factory) => {
    const stuck = await openSession(factory, { params: { misbehave: "stuck", after: 0 } });
    const other = await openSession(factory, { sessionId: "other" });
    let returned = false;
    const rendered = stuck.render(0).then(() => returned = true);
    for (let index = 0; index < 10; index++) await frameAt(other, index * 33_333);
    assert.ok(!returned);
    await openSession(factory, { sessionId: "key", params: { misbehave: "release" } });
    await eventually(() => returned, { what: "for the release" });
    await rendered;
  });
});

Deno.test("bad_citizen.c: a frame that is written into changes after it was handed out", async () => {
  await withBadCitizen({ misbehave: "overwrite", after: 0 }, async (factory) => {
    const session = await openSession(factory);
    const frame = await frameAt(session, 0);
    const before = frame.planes.map(({ data }) => data.slice());
    await eventually(
      () => frame.planes.some(({ data }, index) => data[0] !== before[index]?.[0]),
      { what: "for a change" },
    );
  });
});
