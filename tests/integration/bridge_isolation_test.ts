import assert from "assert";
import { fileURLToPath } from "node:url";
import type { AudioChunk, FrameSource, RawFrame, SourceFrame } from "../../src/media/frame.ts";
import { RendererError } from "../../src/renderer/renderer_error.ts";
import { LogRecord, nextFrame, openSource, untilIdle } from "../support/renderers/bridge.ts";
import { eventually, within } from "../support/deadline.ts";
import {
  fragile,
  isRunning,
  openIsolated,
  withFragile,
} from "../support/renderers/isolated_library.ts";

const SERVER = fileURLToPath(new URL("../testdata/bridge/server.ts", import.meta.url));

/** Pictures that the library gives before it never returns. */
const STUCK_AFTER = 5;

/** Renders until a session has been idle and shows pictures again. */
async function untilBack(source: FrameSource): Promise<void> {
  await untilIdle(source);
  await nextFrame(source);
}

/** The picture of a moment; a library that has no core for half a second leaves its session idle until it comes. */
async function frameFor(source: FrameSource, timestampUs: number): Promise<RawFrame> {
  let frame: SourceFrame | undefined;
  await eventually(async () => {
    const result = await source.render(timestampUs);
    if (result.status === "frame") ({ frame } = result);
    return frame !== undefined;
  }, { what: "for the picture" });
  assert(frame?.kind === "raw");
  return frame;
}

Deno.test("openIsolatedLibrary: pictures, sound and messages are those of the library", async () => {
  await withFragile(async ({ factory }) => {
    assert.match(factory.name, /^fragile-\w+\.so$/);
    const source = await openSource(factory, { width: 640, height: 360 });
    for (let number = 0; number < 300; number++) {
      const frame = await frameFor(source, 40_000 * (number + 1));
      assert.equal(frame.timestampUs, 40_000 * (number + 1));
      assert.deepEqual([frame.format, frame.width, frame.height], ["nv12", 640, 360]);
      for (const { data, strideBytes } of frame.planes) {
        assert.equal(strideBytes, 640);
        assert.ok(data.every((byte) => byte === number % 256), `Picture ${number} is torn`);
      }
    }
    await source.audio?.(1_000_000);
    let chunk: AudioChunk | undefined;
    await eventually(async () => (chunk = await source.audio?.(1_020_000)) !== undefined, {
      what: "for sound",
    });
    assert.equal(chunk?.sampleRate, 16_000);
    assert.equal(chunk?.timestampUs, 1_000_000);
    assert.deepEqual([...chunk?.samples ?? []], Array.from({ length: 320 }, (_, at) => at));
    source.message?.(new TextEncoder().encode("hello"));
    let reply: Uint8Array | undefined;
    await eventually(async () => {
      await source.render(20_000_000);
      return (reply = await source.pollMessage?.()) !== undefined;
    }, { what: "for the library's message" });
    assert.equal(new TextDecoder().decode(reply), "hello");
    await source.close();
  });
});

Deno.test("openIsolatedLibrary: access units come with their flags, and the library hears of bitrate and keyframes", async () => {
  await withFragile(async ({ factory, pid }) => {
    const source = await openSource(factory, { params: { fault: "encode" } });
    const next = async () => {
      let unit: { number: number; bitsPerSecond: number; keyframe: boolean } | undefined;
      await eventually(async () => {
        const result = await source.render(1000);
        if (result.status !== "frame" || result.frame.kind !== "h264") return false;
        const [number = -1, bitsPerSecond = -1] = new Uint32Array(result.frame.data.slice().buffer);
        unit = { number, bitsPerSecond, keyframe: result.frame.keyframe };
        return true;
      }, { what: "for an access unit" });
      return unit;
    };
    source.setBitrate?.(1_500_000);
    assert.deepEqual(await next(), { number: 0, bitsPerSecond: 1_500_000, keyframe: true });
    assert.deepEqual(await next(), { number: 1, bitsPerSecond: 1_500_000, keyframe: false });
    source.requestKeyframe?.();
    assert.deepEqual(await next(), { number: 2, bitsPerSecond: 1_500_000, keyframe: true });
    // The library's next process is told the bitrate as well.
    Deno.kill(pid(), "SIGKILL");
    await untilIdle(source);
    assert.deepEqual(await next(), { number: 0, bitsPerSecond: 1_500_000, keyframe: true });
    await source.close();
  });
});

Deno.test("openIsolatedLibrary: a library that ends its process leaves every session open, idle, and back", async () => {
  for (
    const [fault, end] of [
      ["crash_render", "its process was ended by SIGSEGV"],
      ["abort_render", "its process was ended by SIGABRT"],
      ["exit_render", "its process ended with exit code 7"],
    ] as const
  ) {
    await withFragile(async ({ factory, log, meter }) => {
      const good = await openSource(factory, { sessionId: "good" });
      await nextFrame(good);
      const bad = await openSource(factory, { sessionId: "bad", params: { fault } });
      const ended = () => log.all("renderer_process_ended").length > 0;
      await eventually(async () => {
        await bad.render(0);
        return ended();
      }, { what: "for the library to end its process" });
      await bad.close();
      await untilBack(good);
      const [{ restart_ms, ...fields } = {}] = log.all("renderer_process_ended");
      assert.deepEqual(fields, { renderer: factory.name, end });
      assert.equal(restart_ms, 500);
      assert.equal(meter.value("renderer_errors_total", { call: "process" }), 1);
      await good.close();
    });
  }
});

Deno.test("openIsolatedLibrary: a message or a session's opening that crashes is survived as well", async () => {
  await withFragile(async ({ factory, log }) => {
    const source = await openSource(factory, { sessionId: "one" });
    await nextFrame(source);
    source.message?.(new TextEncoder().encode("crash"));
    await untilBack(source);
    const crashing = await openSource(factory, {
      sessionId: "two",
      params: { fault: "crash_session" },
    });
    assert.equal((await crashing.render(0)).status, "idle");
    await crashing.close();
    await untilBack(source);
    const pauses = log.all("renderer_process_ended").map(({ restart_ms }) => restart_ms);
    assert.deepEqual(pauses, [500, 1000]);
    await source.close();
  });
});

Deno.test("openIsolatedLibrary: a process that is killed with a picture half written does no harm", async () => {
  await withFragile(async ({ factory, pid }) => {
    const source = await openSource(factory, { width: 1920, height: 1080 });
    await nextFrame(source);
    Deno.kill(pid(), "SIGKILL");
    await untilBack(source);
    await source.close();
  });
});

Deno.test("openIsolatedLibrary: a session that is stuck is idle, others go on, and closing waits no longer than it must", async () => {
  const log = new LogRecord();
  const factory = await openIsolated({ log });
  const good = await openSource(factory, { sessionId: "good" });
  const stuck = await openSource(factory, { sessionId: "stuck", params: { fault: "stick" } });
  // A library that has no core for half a second is idle as well, before it is stuck.
  for (let pictures = 0; pictures < STUCK_AFTER; pictures++) await nextFrame(stuck);
  await untilIdle(stuck);
  await nextFrame(good);
  assert.equal((await stuck.render(0)).status, "idle");
  assert.equal(await stuck.audio?.(0), undefined);
  await stuck.close();
  await nextFrame(good);
  await factory.close();
  assert.equal(log.all("renderer_process_ended").length, 0);
});

Deno.test("openIsolatedLibrary: the library's process ends with its server, however that ends", async () => {
  const server = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", SERVER, "unused", fragile],
    stdout: "piped",
  }).spawn();
  const reader = server.stdout.getReader();
  await within(reader.read(), { what: "for the server to open its library" });
  // Any thread of the server may have started it.
  const children = [...Deno.readDirSync(`/proc/${server.pid}/task`)].map(({ name }) =>
    Deno.readTextFileSync(`/proc/${server.pid}/task/${name}/children`)
  );
  const pid = Number.parseInt(children.join(""));
  assert.ok(isRunning(pid));
  server.kill("SIGKILL");
  await server.status;
  await eventually(() => !isRunning(pid), { what: "for the library's process to end" });
  await reader.cancel();
});

Deno.test("openIsolatedLibrary: many sessions of one library at a time, opened and closed", async () => {
  await withFragile(async ({ factory, log }) => {
    for (let round = 0; round < 3; round++) {
      const sources = await Promise.all(
        Array.from({ length: 20 }, (_, at) => openSource(factory, { sessionId: `${at}` })),
      );
      await Promise.all(sources.map((source) => nextFrame(source)));
      await Promise.all(sources.map((source) => source.close()));
    }
    assert.equal(log.all("bridge_violated").length, 0);
    assert.equal(log.all("renderer_process_started").length, 1);
  });
});

Deno.test("openIsolatedLibrary: a session that always ends the process is given up, and the others go on for good", async () => {
  for (const fault of ["crash_session", "crash_render"]) {
    await withFragile(async ({ factory, log }) => {
      const good = await openSource(factory, { sessionId: "good" });
      await nextFrame(good);
      const bad = await openSource(factory, { sessionId: "bad", params: { fault } });
      const given = async () => (await bad.render(0)).status === "failed";
      await eventually(async () => {
        await good.render(0);
        return await given();
      }, { what: `for the session with ${fault} to be given up` });
      await bad.close();
      const [{ session } = {}] = log.all("renderer_session_quarantined");
      assert.equal(session, "bad");
      await nextFrame(good);
      const started = log.all("renderer_process_started").length;
      await assert.rejects(
        openSource(factory, { sessionId: "bad", params: { fault } }),
        (error) =>
          error instanceof RendererError && error.code === "session_open_failed" &&
          /"bad" has crashed the library's process too often/.test(error.message),
      );
      await nextFrame(good);
      assert.equal(log.all("renderer_process_started").length, started);
      await good.close();
    });
  }
});
