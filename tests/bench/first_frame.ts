import type { Browser } from "playwright-core";
import { openChromium } from "../support/browsers/browser.ts";
import { ServerProcess } from "../support/servers/server_process.ts";
import { type JoinTimes, ViewerPage } from "./bench_viewer.ts";
import { type Figure, median, type Progress } from "./figure.ts";

const SERVERS = 7;
const LATER_VIEWERS = 3;

/** From the open WebSocket to the first frame that Chromium shows. */
export async function measureFirstFrame(progress: Progress): Promise<Figure[]> {
  const first: JoinTimes[] = [];
  const laterNew: JoinTimes[] = [];
  const laterRunning: JoinTimes[] = [];
  await using browser = await openChromium();
  for (let run = 1; run <= SERVERS; run++) {
    progress(`server ${run} of ${SERVERS}`);
    await using server = await ServerProcess.start();
    first.push(await joinOnce(browser, server));
    for (let viewer = 0; viewer < LATER_VIEWERS; viewer++) {
      laterNew.push(await joinOnce(browser, server));
    }
    await using watching = await ViewerPage.open(browser, server);
    await watching.join("demo");
    for (let viewer = 0; viewer < LATER_VIEWERS; viewer++) {
      laterRunning.push(await joinOnce(browser, server));
    }
  }
  return [
    ...figures("first viewer after start", first, { firstFrameAim: 350 }),
    ...figures("later viewer, new session", laterNew, { firstFrameAim: 150 }),
    ...figures("later viewer, running session", laterRunning, { firstFrameAim: 150 }),
  ];
}

async function joinOnce(browser: Browser, server: ServerProcess): Promise<JoinTimes> {
  await using page = await ViewerPage.open(browser, server);
  return await page.join("demo");
}

function figures(
  who: string,
  times: readonly JoinTimes[],
  { firstFrameAim }: { firstFrameAim: number },
): Figure[] {
  const middle = (key: keyof JoinTimes) => median(times.map((each) => each[key]));
  return [
    { name: `${who}: answer`, value: middle("answerMs"), unit: "ms" },
    { name: `${who}: connected`, value: middle("connectedMs"), unit: "ms" },
    { name: `${who}: first frame`, value: middle("firstFrameMs"), unit: "ms", aim: firstFrameAim },
  ];
}
