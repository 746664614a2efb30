import { Listener } from "../app/listener.ts";
import { SYSTEM_CLOCK } from "../base/clock.ts";
import { NULL_LOGGER } from "../base/log.ts";
import { createOperatorsApp } from "../signalling/http_app.ts";
import { VIEWER_ASSETS } from "../viewer/assets.ts";

/** Serves the viewer page without sessions, on any free port. The caller disposes it. */
export async function servePage(
  hostname: string,
): Promise<AsyncDisposable & { readonly port: number }> {
  const app = createOperatorsApp({
    metricsText: () => Promise.resolve(""),
    sessionsJson: () => [],
    portsJson: () => [],
    site: () => ({ allowedOrigins: [], publicUrl: undefined, publicHost: undefined }),
    assets: VIEWER_ASSETS,
    health: () => [],
    log: NULL_LOGGER,
  });
  const listener = await Listener.open({
    hostname,
    port: 0,
    key: "the self-test",
    app,
    clock: SYSTEM_CLOCK,
    log: NULL_LOGGER,
  });
  return {
    port: listener.address.port,
    [Symbol.asyncDispose]: () => listener.close(),
  };
}
