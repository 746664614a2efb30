import assert from "assert";
import type { Browser } from "playwright-core";
import { browserTest } from "../support/browsers/browser.ts";
import { BrowserPage } from "../support/browsers/browser_page.ts";
import { SOON_MS } from "../support/deadline.ts";
import { ServiceProcess } from "../support/servers/service_process.ts";
import type { SeenFrame } from "../support/browsers/video_reader.ts";

const WHOLE = { width: 1280, height: 720 } as const;
/** Too little for the test pattern, easy as it is. */
const LOW_KBPS = 60;
const HIGH_KBPS = 2_500;
/** Far more than a change of size takes on a busy machine, and less than a viewer would call a standstill. */
const FREEZE_MS_MAX = 3_000;

for (const codec of ["h264", "vp8"] as const) {
  browserTest(
    `viewer page: plays on while pictures become smaller and whole again, ${codec}`,
    async (browser) => {
      await using service = await ServiceProcess.ready({
        config: configOf(codec, HIGH_KBPS),
        env: { PINHOLE_VIDEO_WIDTH: `${WHOLE.width}`, PINHOLE_VIDEO_HEIGHT: `${WHOLE.height}` },
      });
      await using viewer = await openViewer(browser, service);
      const frames = await viewer.read(30);
      assert.ok(frames.every(({ height }) => height === WHOLE.height));

      for (const kbps of [LOW_KBPS, HIGH_KBPS]) {
        service.writeConfig(configOf(codec, kbps));
        service.signal("SIGHUP");
        const isMeant = ({ height }: SeenFrame) => (height < WHOLE.height) === (kbps === LOW_KBPS);
        const until = performance.now() + SOON_MS;
        while (!frames.slice(-10).every(isMeant)) {
          assert.ok(performance.now() < until, `The pictures do not change at ${kbps} kbit/s`);
          frames.push(...await viewer.read(10));
        }
      }
      assertPlaysOn(frames);
      for (const { width, height } of frames) {
        assert.ok(
          Math.abs(width / height * WHOLE.height / WHOLE.width - 1) < 0.01,
          `${width}x${height}`,
        );
      }
      assert.deepEqual(viewer.errors, []);
    },
  );
}

function configOf(codec: string, kbps: number): string {
  return [
    `video.codec = "${codec}"`,
    `video.bitrate_kbps = ${kbps}`,
    `video.min_bitrate_kbps = 50`,
  ].join("\n");
}

function openViewer(browser: Browser, service: ServiceProcess): Promise<BrowserPage> {
  return BrowserPage.open(browser, `http://127.0.0.1:${service.httpPort}`);
}

/** Frames in order, none of them shown long after the one before. */
function assertPlaysOn(frames: readonly SeenFrame[]): void {
  frames.slice(1).forEach((frame, at) => {
    const before = frames[at] ?? assert.fail();
    assert.ok(frame.frameNumber > before.frameNumber, "frames are shown in order");
    const gapMs = frame.shownAtMs - before.shownAtMs;
    assert.ok(gapMs < FREEZE_MS_MAX, `${gapMs} ms without a new frame at ${frame.height} lines`);
  });
}
