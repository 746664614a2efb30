import { openChromium } from "../support/browsers/browser.ts";
import { LIP_SYNC_ARGS, measureLipSync } from "../support/browsers/lip_sync.ts";
import { ServerProcess } from "../support/servers/server_process.ts";
import { type Figure, median, percentile, type Progress } from "./figure.ts";

const SECONDS = 120;

/** The player needs these, in seconds, to find its buffers. */
const SETTLING = 4;

/** How much later the test pattern's beep is heard than its flash is seen. */
export async function measureLips(progress: Progress): Promise<Figure[]> {
  await using server = await ServerProcess.start();
  await using browser = await openChromium({ args: LIP_SYNC_ARGS });
  const page = await browser.newPage({ bypassCSP: true });
  await page.goto(`${server.origin}/healthz`);
  progress("two minutes of flashes and beeps");
  const { origin } = server;
  const errors = await measureLipSync(page, { origin, seconds: SECONDS });
  const sizes = errors.slice(SETTLING).map(Math.abs);
  return [
    { name: "beep after flash, median", value: median(errors.slice(SETTLING)), unit: "ms" },
    { name: "beep and flash apart, p95", value: percentile(sizes, 95), unit: "ms", aim: 40 },
    { name: "beep and flash apart, worst", value: Math.max(...sizes), unit: "ms", aim: 40 },
    {
      name: "the same in the first 4 s, worst",
      value: Math.max(...errors.slice(0, SETTLING).map(Math.abs)),
      unit: "ms",
    },
  ];
}
