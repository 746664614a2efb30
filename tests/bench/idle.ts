import { ServerProcess } from "../support/servers/server_process.ts";
import type { Figure, Progress } from "./figure.ts";
import { cpuSeconds, residentMib } from "./process_usage.ts";
import { ReceiverCrowd } from "./receiver_crowd.ts";

const PORTS = 5;
const SESSIONS = 100;
/** In which sessions close the encoders that they do not need. */
const SETTLE_MS = 25_000;
const WINDOW_MS = 30_000;
/** Tunnels and routers forget a path on which nothing moves. */
const PACKETS_PER_S_MIN = 1;

/**
 * What sessions cost that have nothing to show: a hundred of them at 720p30 on a bridge that no renderer feeds, each with
 * one viewer of the idle card.
 */
export async function measureIdle(progress: Progress): Promise<Figure[]> {
  await using server = await ServerProcess.start({
    ports: PORTS,
    config: {
      "webrtc.peers_per_port": SESSIONS / PORTS,
      "renderer.bridge": `bench-${crypto.randomUUID()}`,
    },
  });
  const emptyMib = await residentMib(server.pid);
  await using crowd = await ReceiverCrowd.open(server);
  progress(`${SESSIONS} sessions join`);
  await crowd.grow(SESSIONS);
  await crowd.receive(SETTLE_MS);
  progress("they idle");
  const [startedS, startedMs] = [await cpuSeconds(server.pid), performance.now()];
  const receptions = await crowd.receive(WINDOW_MS);
  const cpuS = await cpuSeconds(server.pid) - startedS;
  const cpuPercent = 100 * cpuS / ((performance.now() - startedMs) / 1000);
  const fullMib = await residentMib(server.pid);
  return [
    { name: "resident memory, idle sessions: 0", value: emptyMib, unit: "MiB" },
    { name: `resident memory, idle sessions: ${SESSIONS}`, value: fullMib, unit: "MiB" },
    { name: "memory of an idle session", value: (fullMib - emptyMib) / SESSIONS, unit: "MiB" },
    { name: `CPU of one core, idle sessions: ${SESSIONS}`, value: cpuPercent, unit: "%" },
    {
      name: "packets to the idle viewer that gets fewest",
      value: Math.min(...receptions.map(({ packets }) => packets)),
      unit: "/s",
      aimAtLeast: PACKETS_PER_S_MIN,
    },
  ];
}
