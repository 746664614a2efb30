import assert from "assert";
import { nextFrame, openSource, withBridge } from "../support/renderers/bridge.ts";
import { PythonWriter } from "../support/renderers/bridge_python.ts";

/** The number that a picture of pattern.py carries; fails when it carries two. */
function numberOf({ planes: [plane] }: Awaited<ReturnType<typeof nextFrame>>): number {
  const first = plane?.data[0] ?? -1;
  const other = plane?.data.findIndex((byte) => byte !== first) ?? -1;
  assert.equal(other, -1, `The picture ${first} is torn at byte ${other}`);
  return first;
}

Deno.test("bridge: pictures that come faster than they are taken are never torn, and newer ones win", async () => {
  await withBridge(async ({ name, factory, meter, log }) => {
    const source = await openSource(factory, { width: 1280, height: 720 });
    await using _python = PythonWriter.start("pattern.py", name, "0");
    let last = numberOf(await nextFrame(source));
    for (let count = 0; count < 60; count++) {
      const frame = await nextFrame(source);
      const before = numberOf(frame);
      // As long as an encoder may take; the writer goes on meanwhile.
      await new Promise((resolve) => setTimeout(resolve, count % 3 === 0 ? 20 : 1));
      assert.equal(numberOf(frame), before, "The picture has changed while it was shown");
      assert.notEqual(before, last);
      last = before;
    }
    assert.ok(meter.value("frames_dropped_total", { reason: "superseded" }) > 0);
    assert.deepEqual(log.all("bridge_violated"), []);
    await source.close();
  });
});

Deno.test("bridge: several sessions, each with its own pictures, while others come and go", async () => {
  await withBridge(async ({ name, factory, log }) => {
    await using _python = PythonWriter.start("pattern.py", name, "100");
    const steady = await openSource(factory, { sessionId: "steady" });
    for (let round = 0; round < 6; round++) {
      const sources = await Promise.all(
        Array.from(
          { length: 4 },
          (_, at) =>
            openSource(factory, { sessionId: `${round}-${at}`, width: 32 * (at + 1), height: 32 }),
        ),
      );
      const frames = await Promise.all([steady, ...sources].map((source) => nextFrame(source)));
      assert.deepEqual(frames.map(({ width }) => width), [64, 32, 64, 96, 128]);
      frames.forEach(numberOf);
      await Promise.all(sources.map((source) => source.close()));
    }
    assert.deepEqual(log.all("bridge_violated"), []);
    await steady.close();
  });
});

Deno.test("bridge: a loop that only calls render follows the writer's 25 pictures a second", async () => {
  await withBridge(async ({ name, factory }) => {
    const source = await openSource(factory, { fps: 30 });
    await using _python = PythonWriter.start("pattern.py", name, "25");
    const first = await nextFrame(source);
    const begunUs = first.timestampUs;
    let pictures = 0;
    let last = numberOf(first);
    let lastUs = begunUs;
    while (pictures < 50) {
      const frame = await nextFrame(source);
      pictures += (numberOf(frame) - last + 256) % 256;
      last = numberOf(frame);
      assert.ok(frame.timestampUs >= lastUs, "Time goes back");
      lastUs = frame.timestampUs;
    }
    const intervalUs = (lastUs - begunUs) / pictures;
    assert.ok(intervalUs > 30_000 && intervalUs < 50_000, `${intervalUs} µs between pictures`);
    await source.close();
  });
});
