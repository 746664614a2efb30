import { ServerProcess } from "../support/servers/server_process.ts";
import { type Figure, median, type Progress } from "./figure.ts";

const RUNS = 5;

/** From the start of the process, from source: when it listens, and when it is warm. */
export async function measureStartup(progress: Progress): Promise<Figure[]> {
  const listening: number[] = [];
  const ready: number[] = [];
  for (let run = 1; run <= RUNS; run++) {
    progress(`start ${run} of ${RUNS}`);
    await using server = await ServerProcess.start();
    listening.push(server.startup.listeningMs);
    ready.push(server.startup.readyMs);
  }
  return [
    { name: "start to listening", value: median(listening), unit: "ms" },
    { name: "start to ready", value: median(ready), unit: "ms" },
  ];
}
