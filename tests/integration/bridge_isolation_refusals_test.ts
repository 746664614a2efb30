import assert from "assert";
import { fileURLToPath } from "node:url";
import { SYSTEM_CLOCK } from "../../src/base/clock.ts";
import { BridgeError } from "../../src/renderer/bridge/bridge_error.ts";
import { openIsolatedLibrary } from "../../src/renderer/bridge/isolated_library.ts";
import { RendererError } from "../../src/renderer/renderer_error.ts";
import { LogRecord, nextFrame, openSource, RawWriter } from "../support/renderers/bridge.ts";
import { fragile, openIsolated, withFragile } from "../support/renderers/isolated_library.ts";
import { RecordingMeter } from "../support/parts/recording_meter.ts";

Deno.test("openIsolatedLibrary: a library that cannot open is refused in its own words", async () => {
  const cases = [
    [{ path: "/nowhere/lib.so" }, "library_missing", /there is no such file/],
    [{ path: fileURLToPath(import.meta.url) }, "library_unloadable", /_test\.ts/],
    [{ options: { fault: "refuse_open" } }, "open_failed", /pinhole_open failed.*No such device/],
  ] as const;
  for (const [options, code, words] of cases) {
    await assert.rejects(openIsolated({ log: new LogRecord(), ...options }), (error) => {
      assert(error instanceof RendererError, String(error));
      assert.equal(error.code, code);
      assert.match(error.message, words);
      return true;
    });
  }
  await assert.rejects(
    openIsolated({ log: new LogRecord(), options: { fault: "crash_open" } }),
    (error) => error instanceof BridgeError && /ended by SIGSEGV/.test(error.message),
  );
  await assert.rejects(
    openIsolatedLibrary({
      path: fragile,
      options: {},
      command: ["/nowhere/program"],
      logSettings: { level: "info", format: "json" },
      log: new LogRecord().logger,
      meter: new RecordingMeter(),
      clock: SYSTEM_CLOCK,
    }),
    /its process "\/nowhere\/program" cannot be started/,
  );
});

Deno.test({
  name:
    "openIsolatedLibrary: without the permission to start processes, the task that has it is named",
  permissions: { run: false, ffi: true, read: true, env: true, net: true, sys: true },
  fn: async () => {
    await assert.rejects(
      openIsolated({ log: new LogRecord() }),
      (error) =>
        error instanceof BridgeError && error.code === "library_process" &&
        /: renderer\.isolation = "process" needs `deno task start-isolated`/.test(error.message),
    );
  },
});

Deno.test("openIsolatedLibrary: a session that the library refuses is refused", async () => {
  await withFragile(async ({ factory }) => {
    await assert.rejects(
      openSource(factory, { params: { fault: "refuse_session" } }),
      (error) =>
        error instanceof RendererError && error.code === "session_open_failed" &&
        /pinhole_session_open failed.*No place/.test(error.message),
    );
    const source = await openSource(factory, { sessionId: "two" });
    await nextFrame(source);
    await source.close();
  });
});

Deno.test("openIsolatedLibrary: nobody but the library's process may write", async () => {
  await withFragile(async ({ log }) => {
    const { bridge } = log.all("bridge_opened")[0] ?? {};
    using writer = await RawWriter.connect(String(bridge));
    await writer.say({ type: "hello", version: 1, writer: "raw", clockUs: 0, pace: "server" });
    assert.match(
      await writer.lastWords(),
      /^not_expected: This bridge accepts only the library's process/,
    );
  });
});
