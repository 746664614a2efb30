import assert from "assert";
import { fileURLToPath } from "node:url";
import type { FrameSource } from "../../src/media/frame.ts";
import { nextFrame, openSource, untilIdle, withBridge } from "../support/bridge.ts";
import { PythonWriter } from "../support/bridge_python.ts";
import { eventually } from "../support/deadline.ts";

const DOCUMENT = new URL("../../docs/bridge.md", import.meta.url);
const MODULES = fileURLToPath(new URL("../../deploy/python/", import.meta.url));

/** Inside of the open mouth, in blue, green and red. */
const MOUTH = [0x20, 0x18, 0x40];
const RATE = 16_000;

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

/** Runs the program of docs/bridge.md for a bridge of that name until it is disposed of. */
async function startDocumented(name: string): Promise<AsyncDisposable> {
  const [, program] = /```python\n([\s\S]*?)```/.exec(await Deno.readTextFile(DOCUMENT)) ?? [];
  assert.ok(program !== undefined, "docs/bridge.md has a program");
  assert.ok(program.includes('connect("avatar")'), "it connects to the bridge of the document");
  const child = new Deno.Command("python3", {
    args: ["-c", program.replace('connect("avatar")', `connect("${name}")`)],
    env: { PYTHONPATH: MODULES, PYTHONDONTWRITEBYTECODE: "1" },
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

Deno.test("docs/bridge.md: its program is seen and heard, and answers", async () => {
  await withBridge(async ({ name, factory, log }) => {
    const source = await openSource(factory, { sessionId: "anna", width: 512, height: 512 });
    await using _python = await startDocumented(name);
    const blues = new Set<number | undefined>();
    let heard = 0;
    while (blues.size < 25) {
      const { planes: [plane], format, width, height } = await nextFrame(source);
      assert.deepEqual([format, width, height], ["bgr24", 512, 512]);
      const [blue, ...rest] = plane?.data.subarray(-3) ?? [];
      assert.deepEqual(rest, [90, 60]);
      blues.add(blue);
    }
    const listen = async () => {
      const chunk = await source.audio?.(performance.now() * 1000);
      if (chunk !== undefined) assert.deepEqual([chunk.sampleRate, chunk.channels], [RATE, 1]);
      heard += chunk?.samples.length ?? 0;
      return heard >= RATE;
    };
    await eventually(listen, { what: () => `for a second of sound; there are ${heard} samples` });
    source.message?.(new TextEncoder().encode("hello"));
    let answer: Uint8Array | undefined;
    const answered = async () => (answer ??= await source.pollMessage?.()) !== undefined;
    await eventually(answered, { what: "for the answer" });
    assert.equal(new TextDecoder().decode(answer), "I heard hello");
    assert.deepEqual(log.all("bridge_violated"), []);
    await source.close();
  });
});
