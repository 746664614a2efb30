import { SYSTEM_CLOCK } from "../base/clock.ts";
import type { Config } from "../config/config.ts";
import type { FrameSourceFactory } from "../media/frame.ts";
import { openBridge } from "../renderer/bridge/bridge.ts";
import { openIsolatedLibrary } from "../renderer/bridge/isolated_library.ts";
import { openRendererLibrary } from "../renderer/library.ts";
import { createTestPattern } from "../renderer/test_pattern.ts";
import type { ServerContext } from "./server_context.ts";

/**
 * Opens the configured renderer: a library in this process or in a child process, a bridge that another process feeds,
 * or the test pattern.
 */
export async function openRenderer(
  config: Config,
  { observers: { log, meter }, bridgeHostCommand: command }: ServerContext,
): Promise<FrameSourceFactory> {
  const { library: path, bridge, isolation, options } = config.renderer;
  const shared = { log, meter, clock: SYSTEM_CLOCK };
  if (bridge !== undefined) return await openBridge({ ...shared, name: bridge });
  if (path === undefined) return createTestPattern(shared);
  const renderer = isolation === "process"
    ? await openIsolatedLibrary({ ...shared, path, options, command, logSettings: config.log })
    : await openRendererLibrary({ path, options, log });
  log.info("renderer_opened", { library: path, isolation });
  return renderer;
}
