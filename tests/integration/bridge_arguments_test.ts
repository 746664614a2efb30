import assert from "assert";
import type { FrameSource } from "../../src/media/frame.ts";
import { nextFrame, openSource, withBridge } from "../support/renderers/bridge.ts";
import { hasNumpy, PythonWriter } from "../support/renderers/bridge_python.ts";
import { eventually } from "../support/deadline.ts";

const ignore = !await hasNumpy();

/** What came of a call. */
interface Outcome {
  readonly of: string;
  readonly returned?: boolean;
  readonly raised?: string;
  readonly words?: string;
}

/** Makes calls in Python and gives their outcomes. */
async function callPython(
  { call, expressions }: { call: "audio" | "frame"; expressions: readonly string[] },
  use: (source: FrameSource, outcomes: readonly Outcome[]) => Promise<void>,
): Promise<void> {
  await withBridge(async ({ name, factory, log }) => {
    const source = await openSource(factory);
    await using python = PythonWriter.start("arguments.py", name, call, ...expressions);
    await python.hear("done");
    await use(source, python.lines.filter((line) => "of" in line) as unknown as Outcome[]);
    assert.deepEqual(log.all("bridge_violated"), []);
    await source.close();
  });
}

/** Expects each call to be refused with these words. */
async function expectRefused(
  call: "audio" | "frame",
  cases: readonly (readonly [expression: string, words: string])[],
): Promise<void> {
  const expressions = cases.map(([expression]) => expression);
  await callPython({ call, expressions }, (_, outcomes) => {
    assert.equal(outcomes.length, cases.length);
    outcomes.forEach(({ of, raised = "", words = "nothing" }, index) => {
      assert.match(raised, /^(TypeError|ValueError)$/, `${of}: ${words}`);
      const expected = cases[index]?.[1] ?? "";
      assert.ok(words.includes(expected), `${of}: "${words}" does not say "${expected}"`);
    });
    return Promise.resolve();
  });
}

/** Expects each call to be taken, and the samples of all of them to come one after another. */
async function expectHeard(
  cases: readonly (readonly [expression: string, samples: readonly number[]])[],
  { channels }: { channels: 1 | 2 },
): Promise<void> {
  const expressions = cases.map(([expression]) => expression);
  await callPython({ call: "audio", expressions }, async (source, outcomes) => {
    assert.deepEqual(outcomes, expressions.map((of) => ({ of, returned: true })));
    const expected = cases.flatMap(([, samples]) => samples);
    const heard: number[] = [];
    await eventually(async () => {
      const chunk = await source.audio?.(0);
      if (chunk !== undefined) assert.equal(chunk.channels, channels);
      heard.push(...chunk?.samples ?? []);
      return heard.length >= expected.length;
    }, { what: () => `for ${expected.length} samples; there are ${heard.length}` });
    assert.deepEqual(heard, expected);
  });
}

Deno.test({
  name: "pinhole_bridge.audio: int16 samples of each container and layout arrive as they are",
  ignore,
  async fn() {
    const mono = Array.from({ length: 320 }, (_, at) => at - 160);
    const evens = mono.filter((_, at) => at % 2 === 0);
    const swapped = mono.map((_, at) => mono[at % 2 === 0 ? at + 1 : at - 1] ?? 0);
    const cases: readonly (readonly [string, number[]])[] = [
      ["(samples, 16000)", mono],
      ["(samples, 16000.0)", mono],
      ["(samples, numpy.int64(16000), numpy.int8(1))", mono],
      ["(samples.tobytes(), 16000)", mono],
      ["(bytearray(samples), 16000)", mono],
      ["(memoryview(samples.tobytes()), 16000)", mono],
      ["(array.array('h', samples), 16000)", mono],
      ["(samples[::2], 16000)", evens],
      ["(samples[::-1], 16000)", mono.toReversed()],
      ["(Tensor(samples), 16000)", mono],
      ["(samples.reshape(1, 320), 16000)", mono],
      ["(samples.reshape(320, 1), 16000)", mono],
      ["(samples[:0], 16000)", []],
      ["(b'', 16000)", []],
    ];
    await expectHeard(cases, { channels: 1 });
    await expectHeard([
      ["(samples, 16000, 2)", mono],
      ["(samples.reshape(160, 2), 16000)", mono],
      ["(samples.reshape(160, 2), 16000, 2)", mono],
      ["(samples.reshape(160, 2)[:, ::-1], 16000)", swapped],
      ["(samples.reshape(160, 2).T.copy().T, 16000)", mono],
    ], { channels: 2 });
  },
});

Deno.test({
  name: "pinhole_bridge.audio: samples of another kind are refused with the conversion to do",
  ignore,
  fn: () =>
    expectRefused("audio", [
      [
        "(samples.astype('f4'), 16000)",
        "not float32 of shape (320,): pass (x.clip(-1, 1) * 32767).astype('<i2')",
      ],
      ["(samples.astype('f8'), 16000)", "float64 of shape (320,): pass (x.clip(-1, 1) * 32767)"],
      ["(samples[:0].astype('f4'), 16000)", "float32 of shape (0,)"],
      [
        "(samples.astype('f4').reshape(2, 160), 16000)",
        "of shape (2, 160): pass (x.T.clip(-1, 1) * 32767).astype('<i2')",
      ],
      ["(samples.reshape(2, 160), 16000)", "int16 of shape (2, 160): pass x.T"],
      ["(samples.reshape(2, 160), 16000, 2)", "int16 of shape (2, 160): pass x.T"],
      ["(samples.reshape(160, 2), 16000, 1)", "channels= is 1, but the sound is int16 of shape"],
      ["(samples.reshape(80, 4), 16000)", "shape (80, 4): pass x.mean(axis=1).astype('<i2')"],
      ["(samples.reshape(1, 160, 2), 16000)", "shape (1, 160, 2): pass x[0]"],
      ["(samples.astype('i4'), 16000)", "int32 of shape (320,): pass (x >> 16).astype('<i2')"],
      ["(samples.astype('i8'), 16000)", "int64 of shape (320,): pass (x >> 16)"],
      [
        "(samples.astype('u1'), 16000)",
        "uint8 of shape (320,): pass ((x.astype('<i2') - 128) << 8)",
      ],
      ["(samples.astype('i1'), 16000)", "int8 of shape (320,): pass (x.astype('<i2') << 8)"],
      ["(samples.astype('u2'), 16000)", "uint16 of shape (320,): pass (x ^ 0x8000)"],
      ["(samples.astype('>i2'), 16000)", ">i2 of shape (320,): pass x.astype('<i2')"],
      ["(samples > 0, 16000)", "bool of shape (320,)"],
      ["(samples.astype('c8'), 16000)", "complex64 of shape (320,): pass (x.real.clip"],
      ["(samples[3], 16000)", "int16 of shape (): pass x.reshape(1)"],
      ["(array.array('f', [0.5]), 16000)", "float32 of shape (1,): pass (numpy.asarray(x).clip"],
      ["(Tensor(samples.astype('f4')), 16000)", "pass (x.detach().numpy().clip(-1, 1) * 32767)"],
      ["(Tensor(samples, 'cuda:0'), 16000)", "device cuda:0: pass x.cpu().numpy()"],
      ["(Tensor(samples, readable=False), 16000)", "x.detach().float().cpu().numpy()"],
      ["([1, 2, 3], 16000)", "not list: pass numpy.array(x, '<i2')"],
      ["(None, 16000)", "not NoneType"],
      ["('abcd', 16000)", "not str"],
      ["(b'abc', 16000)", "ends in the middle of a sample: it has 3 bytes"],
      ["(samples[:3], 16000, 2)", "ends in the middle of a sample: it has 6 bytes"],
      ["(samples, '16000')", "rate= must be a number, not '16000'"],
      ["(samples, None)", "rate= must be a number, not None"],
      ["(samples, True)", "rate= must be a number, not True"],
      ["(samples, float('nan'))", "rate= must be a whole number, not nan"],
      ["(samples, 16000.5)", "rate= must be a whole number, not 16000.5"],
      ["(samples, 7999)", "7999 samples a second: rate= must be 8000 to 48000"],
      ["(samples, 96000)", "96000 samples a second"],
      ["(samples, 16000, 3)", "channels= must be 1 or 2, not 3"],
    ]),
});

Deno.test({
  name: "pinhole_bridge.frame: pictures of each container and layout arrive as they are",
  ignore,
  async fn() {
    const pixels = Uint8Array.from({ length: 32 * 64 * 3 }, (_, at) => 7 * at % 256);
    const cases: readonly [string, number][] = [
      ["(picture,)", 0],
      ["(picture.tobytes(),)", 0],
      ["(memoryview(picture),)", 0],
      ["(numpy.asfortranarray(picture),)", 0],
      ["(picture[::-1][::-1],)", 0],
      ["(Tensor(picture),)", 0],
      ["(picture[::-1],)", 31 * 192],
      ["(picture[:, :, ::-1],)", 2],
      ["(Photo(picture), 'rgb24')", 0],
      ["(picture.tobytes(), {'width': 64.0, 'height': numpy.int64(32)})", 0],
    ];
    for (const [expression, first] of cases) {
      await callPython({ call: "frame", expressions: [expression] }, async (source, outcomes) => {
        assert.deepEqual(outcomes, [{ of: expression, returned: true }]);
        const { data } = (await nextFrame(source)).planes[0] ?? {};
        assert.equal(data?.[0], pixels[first], expression);
        if (first === 0) assert.deepEqual(data, pixels, expression);
      });
    }
  },
});

Deno.test({
  name: "pinhole_bridge.frame: pictures of another kind are refused with the conversion to do",
  ignore,
  fn: () =>
    expectRefused("frame", [
      ["(picture > 1,)", "bool of shape (32, 64, 3): pass x.astype('u1') * 255"],
      ["(picture.astype('i1'),)", "int8 of shape (32, 64, 3): pass x.view('u1')"],
      ["(picture / 255,)", "float64 of shape (32, 64, 3): pass (x.clip(0, 1) * 255).astype('u1')"],
      ["(picture.astype('u2'),)", "uint16 of shape (32, 64, 3): pass (x >> 8).astype('u1')"],
      ["(picture.transpose(2, 0, 1),)", "shape (3, 32, 64): pass x.transpose(1, 2, 0)"],
      [
        "(picture.transpose(2, 0, 1) / 255,)",
        "shape (3, 32, 64): pass (x.transpose(1, 2, 0).clip(0, 1) * 255).astype('u1')",
      ],
      ["(picture[None],)", "shape (1, 32, 64, 3): pass x[0]"],
      ["(picture[:, :, 0],)", "but a greyscale one: pass numpy.stack([x] * 3, axis=-1)"],
      ["(picture[:, :, :1],)", "but a greyscale one: pass numpy.repeat(x, 3, axis=2)"],
      ["(numpy.dstack([picture, picture])[:, :, :4],)", "its format is 'rgba' or 'bgra'"],
      ["(picture, 'bgra')", "its format is 'rgb24' or 'bgr24'"],
      ["(picture, 'i420')", "its format is 'rgb24' or 'bgr24'"],
      [
        "(picture[:31],)",
        "height of a picture must be even, 2 to 16384 pixels, not 31: pass x[:30, :64]",
      ],
      ["(picture[:, :63],)", "not 63: pass x[:32, :62]"],
      ["(picture[:0],)", "not 0"],
      ["(Tensor(picture, 'cuda:1'),)", "device cuda:1: pass x.cpu().numpy()"],
      ["(Tensor(picture / 255),)", "pass (x.detach().numpy().clip(0, 1) * 255).astype('u1')"],
      ["([[1, 2, 3]],)", "not list: pass numpy.array(x, 'u1')"],
      ["(None,)", "not NoneType"],
      ["(object(),)", "not object"],
      ["(Photo(picture),)", "mode 'RGB' is not bgr24: call frame(session, x, 'rgb24')"],
      ["(Photo(picture, 'L'), 'rgb24')", "call frame(session, x.convert('RGB'), 'rgb24')"],
      ["(b'abcdef', {'width': '2', 'height': 1})", "width= must be a number, not '2'"],
      ["(b'abcdef', {'width': 0, 'height': 2})", "width of a picture must be even, 2 to 16384"],
      ["(picture, {'timestamp': float('nan')})", "in seconds of time.monotonic(), not nan"],
      ["(picture, {'timestamp': 1.7e18})", "in seconds of time.monotonic(), not 1.7e+18"],
      ["(picture, {'timestamp': 'now'})", "in seconds of time.monotonic(), not 'now'"],
    ]),
});
