import assert from "assert";
import { fileURLToPath } from "node:url";
import { SYSTEM_CLOCK } from "../../src/base/clock.ts";
import type { HostJob } from "../../src/renderer/bridge/library_host.ts";
import { openIsolatedLibrary } from "../../src/renderer/bridge/isolated_library.ts";
import { LogRecord, nextFrame, openSource } from "../support/renderers/bridge.ts";
import { compileTestRenderer } from "../support/renderers/native.ts";
import { RecordingMeter } from "../support/parts/recording_meter.ts";

const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));

/** What the process of an isolated library writes about a session that cannot be closed. */
async function wordsOfHost(logSettings: HostJob["log"]): Promise<string> {
  const folder = await Deno.makeTempDir();
  const errors = `${folder}/stderr`;
  const program = [Deno.execPath(), "run", "--allow-ffi", "--allow-read", "--allow-env", MAIN];
  // Only who is the server's child by its process id is let in, so the shell has to become the program.
  const script = `exec ${program.join(" ")} bridge-host 2>${errors}`;
  try {
    const factory = await openIsolatedLibrary({
      path: await compileTestRenderer("bad_citizen"),
      options: { misbehave: "close_error" },
      command: ["sh", "-c", script],
      logSettings,
      log: new LogRecord().logger,
      meter: new RecordingMeter(),
      clock: SYSTEM_CLOCK,
    });
    const source = await openSource(factory);
    await nextFrame(source);
    await source.close();
    // It writes before its process ends, for which this waits.
    await factory.close();
    return await Deno.readTextFile(errors);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("bridge-host: its log has the server's level and format", async () => {
  const json = await wordsOfHost({ level: "warn", format: "json" });
  const { level, event, session } = JSON.parse(json);
  assert.deepEqual([level, event, session], ["warn", "renderer_close_failed", "one"]);
  const pretty = await wordsOfHost({ level: "warn", format: "pretty" });
  assert.match(pretty, /^(?!\{).*renderer_close_failed/);
  assert.equal(await wordsOfHost({ level: "error", format: "json" }), "");
});
