import assert from "assert";
import { fileURLToPath } from "node:url";
import { splitAnnexB } from "../../src/media/h264.ts";
import type { RendererTestOptions } from "../../src/cli/renderer_test.ts";
import { examineLibrary } from "../../src/renderer/conformance/examine.ts";
import type { Verdict } from "../../src/renderer/conformance/verdict.ts";
import { compileReference, compileTestRenderer } from "../support/renderers/native.ts";
import { SCENE_LIBRARIES } from "../support/renderers/renderers.ts";
import { assertVerdict } from "../support/doctor/verdict.ts";

/** So slow that a busy host does not skip many frames. */
const FPS = 10;
const COMMAND = new URL("../../src/cli/renderer_test.ts", import.meta.url).href;
const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));
const HOST = [Deno.execPath(), "run", "--allow-ffi", "--allow-read", "--allow-env", MAIN];

/** Examines a library in this process: verdicts by name. */
async function examine(
  path: string,
  { options = {}, seconds = 1 }: { options?: Record<string, unknown>; seconds?: number } = {},
): Promise<Map<string, Verdict>> {
  const verdicts = new Map<string, Verdict>();
  const asked = { width: 64, height: 36, fps: FPS };
  const callMaxMs = 60_000;
  const remarks = examineLibrary({
    path,
    options,
    asked,
    seconds,
    callMaxMs,
    nalUnits: splitAnnexB,
  });
  for await (const remark of remarks) {
    if (!("begins" in remark)) verdicts.set(remark.name, remark);
  }
  return verdicts;
}

/** How the command ended. */
interface Ended {
  readonly code: number;
  /** Of standard output. */
  readonly lines: string[];
  /** Of standard error. */
  readonly complaints: string[];
}

/** Runs the command in a process of its own. */
async function run(options: RendererTestOptions): Promise<Ended> {
  const command = [...HOST, "renderer-test-host"];
  const script = `import { rendererTest } from ${JSON.stringify(COMMAND)};
    const asked = ${JSON.stringify(options)};
    const command = ${JSON.stringify(command)};
    const passed = await rendererTest(asked, { command }).catch(({ name, message }) =>
      console.error(name + ": " + message)
    );
    Deno.exit(passed ? 0 : 1);`;
  const output = await new Deno.Command(Deno.execPath(), { args: ["eval", script] }).output();
  return {
    code: output.code,
    lines: linesOf(output.stdout),
    complaints: linesOf(output.stderr),
  };
}

/** Lines without their columns, which are for people. */
function linesOf(bytes: Uint8Array): string[] {
  const text = new TextDecoder().decode(bytes).trimEnd();
  return text === "" ? [] : text.split("\n").map((line) => line.trim().replace(/ +/g, " "));
}

const EVERYTHING = [
  ...["load", "ABI version", "symbols", "open", "session", "frames", "pace", "format"],
  ...["timestamps", "frame memory", "sound", "sound sync", "throughput", "memory", "messages"],
  ...["two sessions", "bad session", "close", "reopen"],
];

for (const { name, ignore, compile } of SCENE_LIBRARIES) {
  Deno.test({
    name: `renderer-test: nothing is wrong with ${name}`,
    ignore,
    async fn() {
      const verdicts = await examine(await compile());
      assert.deepEqual([...verdicts.keys()], EVERYTHING);
      // A busy host is slow, and no fault of the library's.
      for (const slow of ["pace", "session", "close"]) verdicts.delete(slow);
      const faults = [...verdicts.values()].filter(({ level }) => level !== "ok");
      assert.deepEqual(faults, []);
    },
  });
}

Deno.test("renderer-test: prints each step before it takes it, each finding, and the counts", async () => {
  const library = await compileReference();
  const options = { format: "bgr24", sample_rate: 16_000, channels: 2 };
  const pace = { fps: FPS, seconds: 1 };
  const ended = await run({ library, options, ...pace, width: 320, height: 180 });
  const { code, lines } = ended;
  assert.equal(code, 0, lines.join("\n"));
  assert.deepEqual(ended.complaints, []);
  const text = lines.join("\n");
  assert.match(text, /^load \/.*\.so …\nok load loads\n/);
  assert.match(text, /^open a session of 320×180 at 10 fps …$/m);
  assert.match(text, /^ok format bgr24 320×180$/m);
  assert.match(text, /^ok sound 16000 Hz × 2; 0\.\d\d s$/m);
  assert.match(text, /optional functions: audio, message, poll_message$/m);
  assert.match(lines.at(-1) ?? "", /^\d+ ok, \d+ warnings?, 0 failed$/);
});

Deno.test("renderer-test: access units are looked into", async () => {
  const path = await compileTestRenderer("encoded");
  const good = await examine(path);
  assertVerdict(good.get("keyframes"), { level: "ok", text: /^2 in \d+ access units$/ });
  assert.ok(!good.has("sound"));
  assertVerdict(good.get("messages"), { level: "ok", text: /accepts none, sent 0/ });
  assertVerdict(good.get("session"), { level: "ok", text: /set_bitrate, request_keyframe$/ });
  const silent = await examine(path, { options: { flagged: false } });
  assertVerdict(silent.get("keyframes"), {
    level: "failed",
    text: /the first access unit is not a keyframe.*2 not flagged/,
  });
  const deaf = await examine(path, { options: { keyframes: false }, seconds: 4 });
  assertVerdict(deaf.get("keyframes"), { level: "warning", text: /of a request/ });
});

Deno.test("renderer-test: what cannot be loaded or opened is named, and nothing else is called ok", async () => {
  const faulty = (defines: Record<string, string>) => compileTestRenderer("faulty", { defines });
  const cases: readonly [string, readonly string[], RegExp][] = [
    ["/nowhere/libnothing.so", ["load"], /there is no such file/],
    [COMMAND.replace("file://", ""), ["load"], /Cannot load renderer library/],
    [await faulty({ VERSION: "2" }), ["load", "ABI version"], /it has ABI version 2/],
    [await faulty({ WITHOUT_VERSION: "1" }), ["load", "symbols"], /export pinhole_abi_version$/],
    [await faulty({ WITHOUT_RENDER: "1" }), ["load", "symbols"], /export pinhole_session_close,/],
  ];
  for (const [path, names, text] of cases) {
    const verdicts = await examine(path);
    assert.deepEqual([...verdicts.keys()], names);
    const levels = [...verdicts.values()].map(({ level }) => level);
    assert.deepEqual(levels, names.map((_, at) => at === names.length - 1 ? "failed" : "ok"));
    assertVerdict(verdicts.get(names.at(-1) ?? ""), { level: "failed", text });
  }
  const closed = await examine(await faulty({}), { options: { fault: "open_error" } });
  assertVerdict(closed.get("open"), { level: "failed", text: /status -7: No such device/ });
  assertVerdict(closed.get("symbols"), { level: "ok", text: /./ });
});

const MISBEHAVIOUR: readonly [string, string, Verdict["level"], RegExp][] = [
  ["error_once", "frames", "failed", /1 error, first: .*The model fell over/],
  ["error_always", "frames", "failed", /errors, first: .*The model fell over/],
  ["error_mute", "frames", "failed", /status -8; pinhole_last_error gives no text/],
  ["end", "frames", "warning", /^1 frame, .*it ended the stream/],
  ["size_change", "format", "warning", /64×36, 34×20; it changes/],
  ["format_change", "format", "warning", /nv12, rgba 64×36; it changes/],
  ["null_plane", "frames", "failed", /plane 1 is null/],
  ["short_stride", "frames", "failed", /plane 0 has a stride of 32 bytes/],
  ["backwards", "timestamps", "failed", /they go back \d+ times?/],
  ["overwrite", "frame memory", "failed", /changed before the next pinhole_render/],
  ["audio_garbage", "sound", "failed", /errors?, first: Cannot use sound/],
  ["audio_error", "sound", "failed", /The voice is gone/],
  ["audio_drift", "sound sync", "warning", /drift 10000 ppm/],
  ["audio_late", "sound sync", "warning", /it comes 300 ms late/],
  ["audio_change", "sound", "warning", /(16|48)000 Hz × 1, (16|48)000 Hz × 1.*it changes/],
  ["message_error", "messages", "warning", /accepted 0 of 4, .*refused 4: .*No letters, please/],
  ["message_flood", "messages", "warning", /sent 100; .*never returns 0/],
  ["message_lie", "messages", "failed", /returned 65537, more than the capacity/],
  ["one_session", "two sessions", "warning", /the second is refused.*gives no text/],
  ["slow_open", "session", "warning", /pinhole_session_open should return at once/],
  ["close_error", "close", "failed", /pinhole_session_close failed with status -5/],
];

Deno.test("renderer-test: every misbehaviour is found and told by its figure", async () => {
  const path = await compileTestRenderer("bad_citizen");
  // Most of the time is spent in waiting for the next frame.
  const found = await Promise.all(
    MISBEHAVIOUR.map(([misbehave]) =>
      examine(path, { options: { misbehave, after: 1 }, seconds: 2 })
    ),
  );
  MISBEHAVIOUR.forEach(([_, name, level, text], index) =>
    assertVerdict(found[index]?.get(name), { level, text })
  );
});

Deno.test("renderer-test: a stream that ended is not asked again", async () => {
  const path = await compileTestRenderer("bad_citizen");
  const verdicts = await examine(path, { options: { misbehave: "end", after: 1 } });
  // This is where the library would complain.
  assert.equal(verdicts.get("close")?.level, "ok");
  assert.ok(!verdicts.has("throughput"));
});

Deno.test("renderer-test: memory that is lost shows", async () => {
  const library = await compileTestRenderer("bad_citizen");
  const options = { misbehave: "leak" };
  const { lines } = await run({ library, options, seconds: 0.2, width: 64, height: 36 });
  const memory = lines.find((line) => /^\w+ memory/.test(line)) ?? "";
  // 256 KiB are lost with each; Deno's own needs come on top.
  assert.match(memory, /^warning memory .* each frame seems to leak 2\d\d KiB$/);
});

Deno.test("renderer-test: a library that is stuck is named, and the command ends", async () => {
  const library = await compileTestRenderer("bad_citizen");
  const options = { misbehave: "stuck", after: 0 };
  const { code, lines } = await run({ library, options, seconds: 0.5, callMaxMs: 500 });
  assert.equal(code, 1, lines.join("\n"));
  assert.deepEqual(lines.slice(-2), [
    "failed pinhole_render it did not return within 500 ms",
    "5 ok, 0 warnings, 1 failed",
  ]);
});

Deno.test("renderer-test: a library that ends its process is told by the call, behind all that was printed", async () => {
  const library = await compileTestRenderer("bad_citizen");
  const ends = [
    { misbehave: "segfault", how: "crashed (SIGSEGV)" },
    { misbehave: "exit", how: "ended its process with exit code 3" },
  ];
  for (const { misbehave, how } of ends) {
    const options = { misbehave, after: 16 };
    const asked = { seconds: 2, width: 64, height: 36, fps: FPS };
    const { code, lines, complaints } = await run({ library, options, ...asked });
    assert.equal(code, 1);
    assert.equal(lines.at(-1), "request frames and sound for 2 s …");
    assert.equal(lines.filter((line) => line.startsWith("ok ")).length, 5, lines.join("\n"));
    assert.deepEqual(complaints, [
      `LibraryCrash: The library ${how} in pinhole_render, call 17 of session "one", 64×36`,
    ]);
  }
});

Deno.test("renderer-test: a library that crashes while it is opened or loaded is told so", async () => {
  const faulty = (defines: Record<string, string>) => compileTestRenderer("faulty", { defines });
  const opened = await run({ library: await faulty({}), options: { fault: "open_crash" } });
  assert.equal(opened.code, 1);
  assert.match(opened.complaints.join("\n"), /^LibraryCrash: .* \(SIGABRT\) in pinhole_open$/);
  const loaded = await run({ library: await faulty({ CRASH_ON_LOAD: "1" }) });
  assert.equal(loaded.code, 1);
  assert.deepEqual(loaded.lines.length, 1);
  assert.match(loaded.complaints.join("\n"), /\(SIGABRT\) while it was loaded/);
});

Deno.test("renderer-test: a crash in no call is told by the call before it", async () => {
  const library = await compileTestRenderer("bad_citizen");
  const options = { misbehave: "no_memory", after: 2 };
  const { code, complaints } = await run({ library, options, width: 64, height: 36, fps: FPS });
  assert.equal(code, 1);
  const place = /outside its calls, after pinhole_render, call 3 of session "one", 64×36: .* frame/;
  assert.match(complaints.join("\n"), place);
});
