import assert from "assert";
import type { FrameSource, RawFrame } from "../../src/media/frame.ts";
import {
  nextFrame,
  openSource,
  type TestBridge,
  untilIdle,
  withBridge,
} from "../support/renderers/bridge.ts";
import { hasNumpy, PythonWriter } from "../support/renderers/bridge_python.ts";
import { eventually, within } from "../support/deadline.ts";

const numpy = await hasNumpy();

/** Opens a bridge, a session, and Python's end of both. */
async function withPython(
  use: (parts: TestBridge & { source: FrameSource; python: PythonWriter }) => Promise<void>,
): Promise<void> {
  await withBridge(async (bridge) => {
    const source = await openSource(bridge.factory, { params: { avatar_id: "anna" } });
    await using python = PythonWriter.start("writer.py", bridge.name);
    await python.hear("opened");
    await use({ ...bridge, source, python });
    await source.close();
  });
}

function tell(source: FrameSource, command: Readonly<Record<string, unknown>>): void {
  source.message?.(new TextEncoder().encode(JSON.stringify(command)));
}

/** The pictures' bytes row by row: byte n of the whole is 7 n + 3. */
function assertKnown(frame: RawFrame, rowBytes: readonly number[]): void {
  let count = 0;
  frame.planes.forEach(({ data, strideBytes }, plane) => {
    const row = rowBytes[plane] ?? 0;
    for (let start = 0; start < data.byteLength; start += strideBytes) {
      for (const byte of data.subarray(start, start + row)) {
        if (byte !== (7 * count + 3) % 256) assert.fail(`Byte ${count} is ${byte}`);
        count++;
      }
    }
  });
  assert.equal(count, frame.planes.length === 1 ? 32 * (rowBytes[0] ?? 0) : 64 * 32 * 1.5);
}

Deno.test("pinhole_bridge.frame: bytes of each format arrive as they are", async () => {
  await withPython(async ({ source }) => {
    const formats = {
      i420: [64, 32, 32],
      nv12: [64, 64],
      rgba: [256],
      bgra: [256],
      rgb24: [192],
      bgr24: [192],
    };
    for (const [format, rowBytes] of Object.entries(formats)) {
      const bytes = rowBytes.length === 1 ? 32 * (rowBytes[0] ?? 0) : 3072;
      tell(source, { do: "frame", format, bytes });
      const frame = await nextFrame(source);
      assert.equal(frame.format, format);
      assert.deepEqual([frame.width, frame.height], [64, 32]);
      assertKnown(frame, rowBytes);
    }
  });
});

Deno.test("pinhole_bridge.frame: a size other than the session's is followed, larger ones too", async () => {
  await withPython(async ({ source }) => {
    for (const [width, height] of [[32, 16], [640, 360], [64, 32]] as const) {
      tell(source, {
        do: "frame",
        format: "bgra",
        bytes: width * height * 4,
        size: { width, height },
      });
      const frame = await nextFrame(source);
      assert.deepEqual([frame.width, frame.height], [width, height]);
      assert.equal(frame.planes[0]?.data.at(-1), (7 * (width * height * 4 - 1) + 3) % 256);
    }
  });
});

Deno.test("pinhole_bridge.frame: what is no picture is refused in Python, by its shape or size", async () => {
  await withPython(async ({ source, python }) => {
    const mistakes = [
      [{ format: "bgr24", bytes: 10 }, /of 64x32 has 6144 bytes, not 10: pass width= and height=/],
      [{ format: "bgr24", bytes: 10, size: { width: 32, height: 16 } }, /has 1536 bytes, not 10$/],
      [{ format: "yuyv", bytes: 10 }, /Unknown format 'yuyv'/],
      [
        { format: "bgr24", bytes: 10, size: { width: 5 } },
        /width of a picture must be even.*not 5/,
      ],
    ] as const;
    for (const [command, words] of mistakes) {
      python.lines.length = 0;
      tell(source, { do: "frame", ...command });
      assert.match(String(await python.hear("error")), words);
    }
  });
});

Deno.test({
  name: "pinhole_bridge.frame: arrays of NumPy are taken, with rows apart too",
  ignore: !numpy,
  async fn() {
    await withPython(async ({ source, python }) => {
      for (const how of ["tight", "strided"]) {
        tell(source, { do: "array", shape: [32, 64, 3], format: "bgr24", how });
        assertKnown(await nextFrame(source), [192]);
        tell(source, { do: "array", shape: [48, 64], format: "nv12", how });
        assertKnown(await nextFrame(source), [64, 64]);
      }
      tell(source, { do: "array", shape: [32, 64, 4], format: "bgr24", how: "tight" });
      assert.match(String(await python.hear("error")), /shape .* is not a bgr24 picture/);
    });
  },
});

Deno.test("pinhole_bridge: sessions open and close with their viewers, with what the offer said", async () => {
  await withPython(async ({ factory, python }) => {
    const { opened, number, ...session } = python.lines.find((line) => "opened" in line) ?? {};
    assert.equal(opened, "one");
    assert.equal(number, 1);
    assert.deepEqual(session, { width: 64, height: 32, fps: 25, params: { avatar_id: "anna" } });
    const second = await openSource(factory, { sessionId: "two" });
    const heard = () => python.lines.some((line) => line.opened === "two");
    await eventually(heard, { what: "for Python to open the second session" });
    await second.close();
    assert.equal(await python.hear("closed"), "two");
  });
});

Deno.test("pinhole_bridge.audio: samples arrive whole and in order", async () => {
  await withPython(async ({ source, python }) => {
    await source.render(0);
    const collect = async (count: number) => {
      const samples: number[] = [];
      await eventually(async () => {
        const chunk = await source.audio?.(0);
        samples.push(...chunk?.samples ?? []);
        return samples.length >= count;
      }, { what: () => `for ${count} samples; there are ${samples.length}` });
      return samples;
    };
    tell(source, { do: "audio", bytes: 640, rate: 16_000, channels: 1 });
    const samples = await collect(320);
    const expected = new Int16Array(Uint8Array.from({ length: 640 }, (_, at) => at % 256).buffer);
    assert.deepEqual(samples, [...expected]);
    // More than a message holds, so that it comes in parts; they are played one after another.
    tell(source, { do: "audio", bytes: 48_000 * 4, rate: 48_000, channels: 2 });
    assert.equal((await collect(96_000)).length, 96_000);
    python.lines.length = 0;
    tell(source, { do: "audio", bytes: 640, rate: 4000, channels: 1 });
    assert.match(String(await python.hear("error")), /4000 samples a second/);
  });
});

Deno.test("pinhole_bridge: messages go both ways", async () => {
  await withPython(async ({ source }) => {
    tell(source, { do: "reply", text: "grüß dich" });
    let reply: Uint8Array | undefined;
    const heard = async () => (reply ??= await source.pollMessage?.()) !== undefined;
    await eventually(heard, { what: "for the reply" });
    assert.equal(new TextDecoder().decode(reply), "grüß dich");
  });
});

Deno.test("pinhole_bridge.on_dropped: a program that says too much hears how much of it was dropped", async () => {
  await withPython(async ({ source, python }) => {
    tell(source, { do: "flood", count: 100 });
    const told = () => python.lines.filter((line) => "dropped" in line);
    // The bytes come in pieces, and what comes in the second after the first word of it is told after that second.
    const total = async () => {
      await source.render(0);
      return told().reduce((sum, { dropped }) => sum + Number(dropped), 0) === 36;
    };
    await eventually(total, { what: () => `for 36 drops; heard of ${JSON.stringify(told())}` });
    assert.deepEqual(told()[0]?.of, "one");
  });
});

Deno.test("pinhole_bridge: idle, error and end reach the session", async () => {
  await withPython(async ({ source, python }) => {
    tell(source, { do: "frame", format: "rgb24", bytes: 6144 });
    await nextFrame(source);
    tell(source, { do: "idle" });
    await python.hear("sent");
    await untilIdle(source);
    tell(source, { do: "error", text: "The model\nis gone" });
    let failure: Error | undefined;
    await eventually(async () => {
      await source.render(0).catch((error) => failure = error);
      return failure !== undefined;
    }, { what: "for the failure" });
    assert.match(failure?.message ?? "", /^The model is gone$/);
    tell(source, { do: "end" });
    const ended = async () => (await source.render(0)).status === "end";
    await eventually(ended, { what: "for the end" });
  });
});

Deno.test("pinhole_bridge: a program that is killed leaves the session idle, and its successor takes it up", async () => {
  await withBridge(async ({ name, factory, log }) => {
    const source = await openSource(factory);
    for (let times = 0; times < 3; times++) {
      await using python = PythonWriter.start("pattern.py", name, "0");
      await nextFrame(source);
      python.kill("SIGKILL");
      await untilIdle(source);
    }
    assert.equal(log.all("bridge_writer_connected").length, 3);
    assert.equal(log.all("bridge_violated").length, 0);
    assert.ok(log.all("bridge_writer_gone").length > 0);
    await source.close();
  });
});

Deno.test("pinhole_bridge: comes back to a server that restarts", async () => {
  await withBridge(async ({ name, factory }) => {
    await using python = PythonWriter.start("writer.py", name);
    await python.hear("connected");
    const first = await openSource(factory, { sessionId: "first" });
    const told = () => python.lines.some((line) => line.opened === "first");
    await eventually(told, { what: "for Python to open the first session" });
    await factory.close();
    assert.equal(await python.hear("closed"), "first");
    assert.equal((await first.render(0)).status, "idle");
    await withBridge(async ({ factory: successor }) => {
      const second = await openSource(successor, { sessionId: "second" });
      const again = () => python.lines.some((line) => line.opened === "second");
      await eventually(again, { what: "for Python to come back" });
      tell(second, { do: "frame", format: "bgr24", bytes: 6144 });
      await nextFrame(second);
      await second.close();
    }, { name });
  });
});

Deno.test("pinhole_bridge.turns: a program that is too slow leaves out numbers, and is never behind", async () => {
  await withBridge(async ({ name }) => {
    for (const [fps, workMs] of [[25, 100], [25, 0]] as const) {
      await using python = PythonWriter.start("turns.py", name, String(fps), String(workMs));
      const numbers = await python.hear("numbers") as number[];
      // In time for the number that was due, which those that were left out had not been.
      assert.ok(Number(await python.hear("late")) < 0.5, `late by ${await python.hear("late")} s`);
      assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b));
      const steps = numbers.slice(1).map((number, at) => number - (numbers[at] ?? 0));
      if (workMs > 0) assert.ok(steps.every((step) => step >= 2), JSON.stringify(numbers));
      await python.status;
    }
  });
});

Deno.test("pinhole_bridge.close: ends the program's part in order", async () => {
  await withPython(async ({ source, python, log }) => {
    tell(source, { do: "leave" });
    const { code } = await within(python.status, { what: "for Python to end" });
    assert.equal(code, 0, python.words);
    await untilIdle(source);
    assert.equal(log.all("bridge_violated").length, 0);
  });
});
