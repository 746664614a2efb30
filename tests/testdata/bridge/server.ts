// A server's process that opens a bridge by the name it is given, says so, and waits to be killed.
import { SYSTEM_CLOCK } from "../../../src/base/clock.ts";
import { NULL_LOGGER } from "../../../src/base/log.ts";
import { NULL_METER } from "../../../src/base/meter.ts";
import { openBridge } from "../../../src/renderer/bridge/bridge.ts";
import { openIsolatedLibrary } from "../../../src/renderer/bridge/isolated_library.ts";

const [name = "", library] = Deno.args;
const shared = { log: NULL_LOGGER, meter: NULL_METER, clock: SYSTEM_CLOCK };
if (library === undefined) {
  await openBridge({ name, ...shared });
} else {
  const host = new URL("host.ts", import.meta.url).pathname;
  const factory = await openIsolatedLibrary({
    path: library,
    options: {},
    logSettings: { level: "info", format: "json" },
    command: [Deno.execPath(), "run", "--allow-ffi", "--allow-read", host],
    ...shared,
  });
  await factory.open({ sessionId: "one", width: 64, height: 32, fps: 25, params: {} });
}
console.log("open");
setInterval(() => {}, 1000);
