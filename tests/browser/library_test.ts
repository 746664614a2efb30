/// <reference lib="dom" />
import assert from "assert";
import { browserTest } from "../support/browsers/browser.ts";
import { assertSteady, BrowserPage } from "../support/browsers/browser_page.ts";
import { compileReference } from "../support/renderers/native.ts";
import { ServerProcess } from "../support/servers/server_process.ts";

const FORMATS = ["nv12", "i420", "rgba", "bgr24"] as const;

browserTest("renderer library: its frames play in each of its formats", async (browser, test) => {
  const library = await compileReference();
  for (const format of FORMATS) {
    await test.step(format, async () => {
      await using server = await ServerProcess.start({
        config: {
          "renderer.library": library,
          "renderer.options": JSON.stringify({ format }),
          "video.width": 640,
          "video.height": 360,
        },
      });
      await using viewer = await BrowserPage.open(browser, server.origin);
      const frames = await viewer.read(30);
      assertSteady(frames, { gapMax: 15 });
      assert.deepEqual([frames[0]?.width, frames[0]?.height], [640, 360]);
      const [red, , blue] = await viewer.page.evaluate(skyColor);
      // At every hour of the scene; where red and blue change places it is the other way round.
      assert.ok(blue > red + 20, `The sky is not blue: ${blue} of blue, ${red} of red`);
      assert.deepEqual(viewer.errors, []);
      assert.deepEqual(server.complaints, []);
    });
  }
});

/** Mean of the top edge beside the block code, as red, green and blue of 0 to 255. */
function skyColor(): [number, number, number] {
  const video = document.querySelector("video");
  const canvas = new OffscreenCanvas(320, 180);
  const context = canvas.getContext("2d");
  if (!video || !context) throw new Error("There is no video");
  context.drawImage(video, 0, 0, 320, 180);
  const { data } = context.getImageData(220, 0, 100, 8);
  const sum: [number, number, number] = [0, 0, 0];
  for (let at = 0; at < data.length; at += 4) {
    sum[0] += data[at] ?? 0;
    sum[1] += data[at + 1] ?? 0;
    sum[2] += data[at + 2] ?? 0;
  }
  const pixels = data.length / 4;
  return [sum[0] / pixels, sum[1] / pixels, sum[2] / pixels];
}
