// A process that runs a library for a bridge, as the server's own hidden command does.
import { NULL_LOGGER } from "../../../src/base/log.ts";
import { runBridgeHost } from "../../../src/renderer/bridge/library_host.ts";

Deno.exit(await runBridgeHost({ input: Deno.stdin.readable, openLog: () => NULL_LOGGER }));
