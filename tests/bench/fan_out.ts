import { compileLibrary } from "../support/renderers/native.ts";
import { type Figure, median, type Progress } from "./figure.ts";
import { buildPeer, openPinhole, openPion, PeerProcess, type PeerServer } from "./peer_process.ts";
import { cpuSeconds, residentMib } from "./process_usage.ts";

/** Viewers of one stream. */
const VIEWERS = [10, 50, 100] as const;
const ROUNDS = 2;
const SETTLE_MS = 3_000;
const WINDOW_MS = 6_000;
const FPS = 30;
/** What a server that sends all pictures reaches on a machine that does other things too. */
const FPS_MIN = 0.98 * FPS;

/** What a server used, and what its viewers got of it. */
export interface Cost {
  /** CPU time of the server for each packet, in microseconds. */
  readonly packetUs: number;
  /** Pictures per second, for the viewer that got fewest. */
  readonly picturesMin: number;
  /** Resident memory that each viewer added to the server's, in MiB; the stream's own part is in it. */
  readonly viewerMib: number;
}

/**
 * What a packet costs the server when one encoded stream of 2.5 Mbit/s goes to many viewers on one port, beside what it
 * costs pion, in turns. Viewers are pion's on both sides, in a process of their own that takes its part of the same
 * cores; they decode nothing. CPU time is that of the whole server process: RTCP, timers and the runtime included.
 */
export async function measureFanOut(progress: Progress): Promise<Figure[]> {
  const peer = await buildPeer(progress);
  const library = await compileLibrary(new URL("stream.c", import.meta.url));
  const viewers = Math.max(...VIEWERS);
  const servers = {
    pinhole: () => openPinhole(library, { viewers, fps: FPS }),
    pion: () => openPion(peer),
  };
  const figures: Figure[] = [];
  for (const viewers of VIEWERS) {
    const costs: Record<keyof typeof servers, Cost[]> = { pinhole: [], pion: [] };
    for (let round = 1; round <= ROUNDS; round++) {
      for (const name of ["pinhole", "pion"] as const) {
        progress(`${viewers} viewers, round ${round} of ${ROUNDS}, ${name}`);
        await using server = await servers[name]();
        costs[name].push(await measureServer(server, { peer, viewers }));
      }
    }
    figures.push(...figuresOf(viewers, costs));
  }
  return figures;
}

function figuresOf(viewers: number, costs: Record<"pinhole" | "pion", readonly Cost[]>): Figure[] {
  const of = (name: "pinhole" | "pion", key: keyof Cost) => median(costs[name].map((c) => c[key]));
  const ratios = costs.pinhole.map(({ packetUs }, round) =>
    packetUs / (costs.pion[round]?.packetUs ?? Number.NaN)
  );
  const name = `${viewers} viewers`;
  return [
    { name: `${name}, CPU for a packet`, value: of("pinhole", "packetUs"), unit: "µs" },
    { name: `${name}, CPU for a packet, pion`, value: of("pion", "packetUs"), unit: "µs" },
    { name: `${name}, CPU, ours / pion's`, value: median(ratios), unit: "", aim: 1 },
    {
      name: `${name}, pictures`,
      value: of("pinhole", "picturesMin"),
      unit: "/s",
      aimAtLeast: FPS_MIN,
    },
    { name: `${name}, pictures, pion`, value: of("pion", "picturesMin"), unit: "/s" },
  ];
}

/** Lets so many of pion's viewers watch a server. @param options.peer Pion's program. */
export async function measureServer(
  server: PeerServer,
  { peer, viewers, settleMs = SETTLE_MS, windowMs = WINDOW_MS }: {
    peer: string;
    viewers: number;
    settleMs?: number;
    windowMs?: number;
  },
): Promise<Cost> {
  const emptyMib = await residentMib(server.pid);
  await using crowd = await PeerProcess.start(peer, ["watch", server.whep, String(viewers)]);
  await sleep(settleMs);
  const first = await crowd.received();
  const cpuBefore = await cpuSeconds(server.pid);
  const startedMs = performance.now();
  await sleep(windowMs);
  const cpu = await cpuSeconds(server.pid) - cpuBefore;
  const last = await crowd.received();
  const seconds = (performance.now() - startedMs) / 1000;
  const viewerMib = (await residentMib(server.pid) - emptyMib) / viewers;
  const gained = last.map(([packets, pictures], at) => ({
    packets: packets - (first[at]?.[0] ?? 0),
    pictures: pictures - (first[at]?.[1] ?? 0),
  }));
  const packets = gained.reduce((sum, each) => sum + each.packets, 0);
  return {
    packetUs: 1e6 * cpu / packets,
    picturesMin: Math.min(...gained.map(({ pictures }) => pictures)) / seconds,
    viewerMib,
  };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
