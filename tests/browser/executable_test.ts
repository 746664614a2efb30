import assert from "assert";
import { assertSteady, BrowserPage } from "../support/browsers/browser_page.ts";
import { browserTest } from "../support/browsers/browser.ts";
import { buildExecutable, openFolder } from "../support/servers/executable.ts";
import { compileReference } from "../support/renderers/native.ts";
import { ServerProcess } from "../support/servers/server_process.ts";

browserTest(
  "executable: from an empty folder and without an environment it plays a library in its page",
  async (browser) => {
    const executable = await buildExecutable();
    await using folder = await openFolder();
    await using server = await ServerProcess.start({
      launch: {
        command: [executable, "serve", "--config", "/dev/null"],
        cwd: folder.path,
        env: { CACHE_DIRECTORY: `${folder.path}/cache` },
      },
      config: {
        "renderer.library": await compileReference(),
        "renderer.isolation": "process",
        "video.width": 640,
        "video.height": 360,
      },
    });
    await using viewer = await BrowserPage.open(browser, server.origin);
    const frames = await viewer.read(30);
    assertSteady(frames, { gapMax: 15 });
    assert.deepEqual([frames[0]?.width, frames[0]?.height], [640, 360]);
    assert.deepEqual(viewer.errors, []);
    assert.deepEqual(server.complaints, []);
  },
);
