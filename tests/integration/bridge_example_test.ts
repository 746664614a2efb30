import assert from "assert";
import type { FrameSource } from "../../src/media/frame.ts";
import {
  nextFrame,
  openSource,
  type TestBridge,
  untilIdle,
  withBridge,
} from "../support/renderers/bridge.ts";
import { hasNumpy, PYTHON_PATH, PythonWriter } from "../support/renderers/bridge_python.ts";
import { eventually } from "../support/deadline.ts";

const DOCUMENT = new URL("../../docs/bridge.md", import.meta.url);
const TONE = new URL("../../examples/python/tone.py", import.meta.url);

/** Inside of the open mouth, in blue, green and red. */
const MOUTH = [0x20, 0x18, 0x40];
const RATE = 16_000;

const numpy = await hasNumpy();

/** What was heard, by the session's time in units of 20 ms. */
class Heard {
  readonly #levels = new Map<number, number>();

  /** Takes all the sound that is there. */
  async listen(source: FrameSource): Promise<void> {
    const chunk = await source.audio?.(performance.now() * 1000);
    if (chunk === undefined) return;
    assert.deepEqual([chunk.sampleRate, chunk.channels], [RATE, 1]);
    for (let start = 0; start < chunk.samples.length; start += RATE / 50) {
      const piece = chunk.samples.subarray(start, start + RATE / 50);
      const level = Math.sqrt(piece.reduce((sum, sample) => sum + sample ** 2, 0) / piece.length);
      this.#levels.set(Math.round(chunk.timestampUs / 20_000 + start / (RATE / 50)), level);
    }
  }

  at(timestampUs: number): number | undefined {
    return this.#levels.get(Math.round(timestampUs / 20_000));
  }
}

/** Runs examples/python/tone.py for a bridge of that name until it is disposed of. */
async function startTone(name: string): Promise<AsyncDisposable> {
  const program = await Deno.readTextFile(TONE);
  assert.ok(program.includes('connect("avatar")'), "it connects to the bridge of the document");
  const child = new Deno.Command("python3", {
    args: ["-c", program.replace('connect("avatar")', `connect("${name}")`)],
    env: { PYTHONPATH: PYTHON_PATH, PYTHONDONTWRITEBYTECODE: "1" },
    stdin: "null",
    stdout: "null",
  }).spawn();
  return {
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended by itself.
      }
      await child.status;
    },
  };
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

Deno.test("example_talking_head: the mouth is open when it is loud, then the head is idle, and it answers", async () => {
  await withBridge(async ({ name, factory, log }) => {
    const source = await openSource(factory, { sessionId: "anna", width: 512, height: 512 });
    await using _python = PythonWriter.start("example_talking_head.py", name);
    // The phrase that is being spoken may have begun before anybody looked.
    await nextFrame(source);
    await untilIdle(source);

    const heard = new Heard();
    const pictures: { readonly open: boolean; readonly timestampUs: number }[] = [];
    while (pictures.length < 75) {
      const { planes: [plane], timestampUs, ...frame } = await nextFrame(source);
      assert.deepEqual([frame.format, frame.width, frame.height], ["bgr24", 512, 512]);
      const middle = (335 * 512 + 256) * 3;
      const open = MOUTH.every((value, at) => plane?.data[middle + at] === value);
      pictures.push({ open, timestampUs });
      await heard.listen(source);
    }
    const levels = (open: boolean) =>
      pictures.filter((picture) => picture.open === open)
        .map(({ timestampUs }) => heard.at(timestampUs) ?? 0);
    const [loud, quiet] = [{ open: true }, { open: false }].map(({ open }) => levels(open));
    assert.ok(
      loud !== undefined && loud.length > 10,
      `${loud?.length} pictures with an open mouth`,
    );
    assert.ok(quiet !== undefined && quiet.length > 10, `${quiet?.length} with a closed one`);
    assert.ok(average(loud) > 5 * average(quiet), `${average(loud)} against ${average(quiet)}`);

    source.message?.(new TextEncoder().encode("hello"));
    let answer: Uint8Array | undefined;
    const answered = async () => (answer ??= await source.pollMessage?.()) !== undefined;
    await eventually(answered, { what: "for the answer" });
    assert.equal(new TextDecoder().decode(answer), "You said: hello");
    assert.deepEqual(log.all("bridge_violated"), []);
    await source.close();
  });
});

Deno.test("docs/bridge.md: its program is examples/python/tone.py", async () => {
  const [, program] = /```python\n([\s\S]*?)```/.exec(await Deno.readTextFile(DOCUMENT)) ?? [];
  assert.equal(program, await Deno.readTextFile(TONE));
});

Deno.test({
  name: `examples/python: it is seen and heard, and answers${numpy ? "" : " (skipped: no NumPy)"}`,
  ignore: !numpy,
  fn: () => withBridge(watchTone),
});

async function watchTone({ name, factory, log }: TestBridge): Promise<void> {
  const source = await openSource(factory, { sessionId: "anna", width: 512, height: 512 });
  await using _python = await startTone(name);
  const blues = new Set<number | undefined>();
  while (blues.size < 25) {
    const { planes: [plane], format, width, height } = await nextFrame(source);
    assert.deepEqual([format, width, height], ["bgr24", 512, 512]);
    const [blue, ...rest] = plane?.data.subarray(-3) ?? [];
    assert.deepEqual(rest, [90, 60]);
    blues.add(blue);
  }
  const heard: number[] = [];
  const listen = async () => {
    const chunk = await source.audio?.(performance.now() * 1000);
    if (chunk !== undefined) assert.deepEqual([chunk.sampleRate, chunk.channels], [RATE, 1]);
    heard.push(...chunk?.samples ?? []);
    return heard.length >= RATE;
  };
  await eventually(listen, { what: () => `for a second of sound; ${heard.length} samples came` });
  // A wave of 440 Hz is 36.4 samples long; on a busy machine there is silence here and there.
  const rises = heard.flatMap((sample, at) => sample > 0 && (heard[at - 1] ?? 0) <= 0 ? [at] : []);
  const lengths = rises.map((at, index) => at - (rises[index - 1] ?? 0)).toSorted((a, b) => a - b);
  const length = lengths[Math.floor(lengths.length / 2)] ?? 0;
  assert.ok(length === 36 || length === 37, `${lengths.length} waves, of ${length} samples`);
  source.message?.(new TextEncoder().encode("hello"));
  let answer: Uint8Array | undefined;
  const answered = async () => (answer ??= await source.pollMessage?.()) !== undefined;
  await eventually(answered, { what: "for the answer" });
  assert.equal(new TextDecoder().decode(answer), "I heard hello");
  assert.deepEqual(log.all("bridge_violated"), []);
  await source.close();
}
