import assert from "assert";
import type { LogFields } from "../../src/base/log.ts";
import type { FrameSource } from "../../src/media/frame.ts";
import { openSource, RawWriter, withBridge } from "../support/renderers/bridge.ts";
import { PythonWriter } from "../support/renderers/bridge_python.ts";
import { eventually } from "../support/deadline.ts";

const RATE = 16_000;

/** What came of an answer that was written at once. */
interface Answered {
  /** Samples that `audio` took. */
  readonly taken: number;
  /** Seconds that the session said lie ahead. */
  readonly ahead: number;
  /** Samples that came, in order. */
  readonly heard: readonly number[];
  readonly warnings: readonly LogFields[];
  /** What Python wrote to its standard error. */
  readonly words: string;
}

/** Fetches the sound of the next 100 s as it becomes due. */
async function hearAll(source: FrameSource): Promise<number[]> {
  const heard: number[] = [];
  const nowUs = performance.now() * 1000;
  for (let aheadUs = 0; aheadUs < 100_000_000; aheadUs += 250_000) {
    const chunk = await source.audio?.(nowUs + aheadUs);
    if (chunk !== undefined) { for (const sample of chunk.samples) heard.push(sample); }
  }
  return heard;
}

/** Writes an answer at once in Python, and hears it. */
async function answer(
  { seconds, piece, timed = false }: { seconds: number; piece: number; timed?: boolean },
): Promise<Answered> {
  let answered: Answered | undefined;
  await withBridge(async ({ name, factory, log }) => {
    const source = await openSource(factory);
    await source.render(performance.now() * 1000);
    const args = [String(seconds), String(piece), ...timed ? ["timed"] : []];
    await using python = PythonWriter.start("ahead.py", name, ...args);
    const taken = Number(await python.hear("taken"));
    const ahead = Number(await python.hear("ahead"));
    // Python has written all by now, and the server reads it in this very process.
    await new Promise((resolve) => setTimeout(resolve, 300));
    const heard = await hearAll(source);
    const warnings = log.all("renderer_sound_dropped");
    answered = { taken, ahead, heard, warnings, words: python.words };
    assert.deepEqual(log.all("bridge_violated"), []);
    await source.close();
  });
  assert(answered !== undefined);
  return answered;
}

Deno.test("pinhole_bridge.audio: an answer of 25 s that is written at once is heard whole", async () => {
  for (const piece of [25, 1, 0.02, 0.005]) {
    const { taken, ahead, heard, warnings, words } = await answer({ seconds: 25, piece });
    assert.equal(taken, 25 * RATE);
    assert.equal(heard.length, 25 * RATE, `pieces of ${piece} s`);
    assert.ok(ahead > 20 && ahead <= 25, `${ahead} s lie ahead`);
    assert.deepEqual(warnings, []);
    assert.equal(words, "");
  }
});

Deno.test("pinhole_bridge.audio: an answer whose pieces have times is heard whole", async () => {
  const { taken, heard, warnings } = await answer({ seconds: 40, piece: 0.02, timed: true });
  assert.equal(taken, 40 * RATE);
  assert.equal(heard.length, taken);
  assert.deepEqual(
    heard.filter((_, at) => at % 320 === 0),
    Array.from({ length: 2000 }, (_, at) => at),
  );
  assert.deepEqual(warnings, []);
});

Deno.test("pinhole_bridge.audio: of an answer that is too long as much is heard as was taken, and both sides say so once", async () => {
  for (const options of [{ piece: 1 }, { piece: 0.02 }, { piece: 0.02, timed: true }]) {
    const { taken, heard, warnings, words } = await answer({ seconds: 75, ...options });
    assert.ok(taken >= 60 * RATE && taken < 62 * RATE, `${taken / RATE} s were taken`);
    assert.equal(heard.length, taken);
    assert.equal(warnings.length, 1);
    assert.equal(warnings[0]?.session, "one");
    assert.equal(words.match(/was not sent/g)?.length, 1, words);
    assert.match(
      words,
      /for the session 'one' was not sent, because it would end more than 60 s ahead/,
    );
  }
});

Deno.test("pinhole_bridge.audio: a piece that is longer than all that may wait is not sent in part", async () => {
  const { taken, heard, warnings } = await answer({ seconds: 90, piece: 90 });
  assert.equal(taken, 0);
  assert.equal(heard.length, 0);
  assert.equal(warnings[0]?.ms, 90_000);
});

Deno.test("Bridge: sound of a writer that counts nothing is dropped with one warning", async () => {
  await withBridge(async ({ name, factory, log, meter }) => {
    const source = await openSource(factory);
    await source.render(performance.now() * 1000);
    using writer = await RawWriter.greet(name);
    await writer.hear("open");
    assert.equal((await writer.hear("welcome")).sound_ms, 60_000);
    const samples = new Uint8Array(2 * RATE);
    for (let second = 0; second < 70; second++) {
      const head = { session: 1, sampleRate: RATE, channels: 1, timestampUs: 0 } as const;
      await writer.say({ type: "audio", ...head, samples });
    }
    const dropped = () => meter.value("audio_dropped_total", { reason: "too_far_ahead" }) === 9;
    await eventually(dropped, { what: "for nine pieces to be dropped" });
    assert.equal(log.all("renderer_sound_dropped").length, 1);
    assert.equal((await hearAll(source)).length, 61 * RATE);
    await source.close();
  });
});
