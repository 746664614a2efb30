import { buildExecutable, openFolder } from "../../support/servers/executable.ts";
import { type Launch, ServerProcess } from "../../support/servers/server_process.ts";
import { join, type Times } from "../connect.ts";
import { type Cost, measureServer } from "../fan_out.ts";
import type { Progress } from "../figure.ts";
import { openOurPackets } from "../packet_cost.ts";
import {
  openAiortc,
  openPinhole,
  openPion,
  PeerProcess,
  type PeerServer,
} from "../peer_process.ts";
import type { Comparison } from "./comparison.ts";
import type { Programs } from "./programs.ts";
import { type Entry, takeTurns } from "./turns.ts";

/** Measures one subject for ours and all peers that have it. */
export type Row = (programs: Programs, progress: Progress) => Promise<Comparison[]>;

const TURNS = 3;
const STARTS = 5;
const FPS = 30;
/** Of one stream. */
const VIEWERS = [10, 50, 100] as const;
/** As many as aiortc can serve: each packet to each viewer takes a tenth of a millisecond of its only thread. */
const AIORTC_VIEWERS_MAX = 10;
const FAN_OUT = { settleMs: 3_000, windowMs: 4_000 } as const;
const LIMIT_WINDOW_MS = 2_000;
const WAYS = ["sendto", "sendmmsg", "gso"] as const;
/** Of a turn. */
const PACKETS = 180_000;
const JOINS = 15;
const CONNECTED_AIM_MS = 50;
/** Of aiortc's time to the first picture. */
const FIRST_PICTURE_AIM = 0.9;

/** By the names that `--only` takes, in the order in which they run. */
export const ROWS: Readonly<Record<string, Row>> = {
  packet: comparePackets,
  "fan-out": compareFanOut,
  connect: compareConnect,
  "first-picture": compareFirstPicture,
  start: (programs, progress) => compareStart(programs, { progress }),
  "start-executable": compareExecutableStart,
};

async function comparePackets(programs: Programs, progress: Progress): Promise<Comparison[]> {
  await using ours = openOurPackets();
  // For the compiler.
  await ours.measure(PACKETS);
  const { pion, aiortc, limit } = programs;
  const turns = await takeTurns([
    { name: "Pinhole", measure: () => ours.measure(PACKETS) },
    { name: "pion", measure: () => packetUs(pion, ["packet", String(PACKETS)]) },
    ...aiortc
      ? [{ name: "aiortc", measure: () => packetUs(aiortc[0], [aiortc[1], "packet"]) }]
      : [],
    ...limit
      ? WAYS.map((way) => ({
        name: `C, ${way}`,
        isLimit: true,
        measure: () => packetUs(limit, ["packet", way, String(PACKETS)]),
      }))
      : [],
  ], { turns: STARTS, what: "packet", progress });
  return [
    turns.compare({ subject: "A packet alone, AES-128-GCM and UDP", unit: "µs" }, (us) => us),
  ];
}

async function packetUs(program: string, args: readonly string[]): Promise<number> {
  await using child = await PeerProcess.start(program, args);
  return child.ready.packet_us ?? Number.NaN;
}

async function compareFanOut(programs: Programs, progress: Progress): Promise<Comparison[]> {
  const comparisons: Comparison[] = [];
  for (const viewers of VIEWERS) {
    const turns = await takeTurns(fanOutEntries(programs, viewers), {
      turns: TURNS,
      what: `${viewers} viewers`,
      progress,
    });
    comparisons.push(
      turns.compare(
        { subject: `CPU for a packet, one stream of 2.5 Mbit/s, ${viewers} viewers`, unit: "µs" },
        ({ packetUs }) => packetUs,
      ),
      turns.compare(
        { subject: `Time between two pictures of the slowest of ${viewers} viewers`, unit: "ms" },
        ({ picturesMin }) => 1000 / picturesMin,
      ),
    );
    const memory = turns.compare(
      { subject: `Memory for each of ${viewers} viewers`, unit: "MiB" },
      ({ viewerMib }) => Number.isNaN(viewerMib) ? undefined : viewerMib,
    );
    const others = memory.others.filter(({ isLimit }) => !isLimit);
    comparisons.push({ ...memory, others });
  }
  return comparisons;
}

function fanOutEntries(programs: Programs, viewers: number): Entry<Cost>[] {
  const { pion: peer, aiortc, limit, stream } = programs;
  const serve = async (open: () => Promise<PeerServer>) => {
    await using server = await open();
    return await measureServer(server, { peer, viewers, ...FAN_OUT });
  };
  const entries: Entry<Cost>[] = [
    { name: "Pinhole", measure: () => serve(() => openPinhole(stream, { viewers, fps: FPS })) },
    { name: "pion", measure: () => serve(() => openPion(peer)) },
  ];
  if (aiortc !== undefined && viewers <= AIORTC_VIEWERS_MAX) {
    const measure = () => serve(() => openAiortc(aiortc, "encoded"));
    entries.push({ name: "aiortc, tuned, encoded pictures", measure });
  }
  if (limit !== undefined) {
    for (const way of WAYS) {
      const measure = () => measureLimit(limit, { way, viewers });
      entries.push({ name: `C, ${way}`, isLimit: true, measure });
    }
  }
  return entries;
}

async function measureLimit(
  program: string,
  { way, viewers }: { way: typeof WAYS[number]; viewers: number },
): Promise<Cost> {
  await using limit = await PeerProcess.start(program, ["fan", way, String(viewers)]);
  const look = () => limit.ask<{ cpu_s: number; received: [number, number][] }>("");
  const before = await look();
  const startedMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, LIMIT_WINDOW_MS));
  const after = await look();
  const seconds = (performance.now() - startedMs) / 1000;
  const gained = after.received.map(([packets, pictures], at) => ({
    packets: packets - (before.received[at]?.[0] ?? 0),
    pictures: pictures - (before.received[at]?.[1] ?? 0),
  }));
  const packets = gained.reduce((sum, each) => sum + each.packets, 0);
  return {
    packetUs: 1e6 * (after.cpu_s - before.cpu_s) / packets,
    picturesMin: Math.min(...gained.map(({ pictures }) => pictures)) / seconds,
    viewerMib: Number.NaN,
  };
}

/** Streams that need no encoding. */
async function compareConnect(programs: Programs, progress: Progress): Promise<Comparison[]> {
  const { pion: peer, aiortc, stream } = programs;
  const entries: Entry<Times>[] = [
    joining("Pinhole", peer, () => openPinhole(stream, { viewers: JOINS, fps: FPS })),
    joining("pion", peer, () => openPion(peer)),
  ];
  if (aiortc !== undefined) {
    const open = () => openAiortc(aiortc, "encoded");
    entries.push(joining("aiortc, tuned, encoded pictures", peer, open));
  }
  const turns = await takeTurns(entries, { turns: TURNS, what: "connect", progress });
  return [
    turns.compare(
      { subject: "Offer to connected, encoded pictures", unit: "ms", aim: CONNECTED_AIM_MS },
      ({ connected }) => connected,
    ),
    turns.compare(
      { subject: "Offer to first packet, encoded pictures", unit: "ms" },
      ({ firstPacket }) => firstPacket,
    ),
  ];
}

/** Streams of 1280×720 that are drawn and encoded for the viewer who comes. */
async function compareFirstPicture(programs: Programs, progress: Progress): Promise<Comparison[]> {
  const { pion: peer, aiortc, reference } = programs;
  if (aiortc === undefined) return [];
  const turns = await takeTurns<Times>([
    joining("Pinhole", peer, () => openPinhole(reference, { viewers: JOINS, fps: FPS })),
    {
      ...joining("aiortc", peer, () => openAiortc(aiortc, "plain")),
      aimRatio: FIRST_PICTURE_AIM,
    },
    {
      ...joining("aiortc, tuned", peer, () => openAiortc(aiortc, "tuned")),
      aimRatio: FIRST_PICTURE_AIM,
    },
  ], { turns: TURNS, what: "first picture", progress });
  return [
    turns.compare(
      { subject: "Offer to connected, new session of 720p", unit: "ms", aim: CONNECTED_AIM_MS },
      ({ connected }) => connected,
    ),
    turns.compare(
      { subject: "Offer to first picture, new session of 720p, with its encoder", unit: "ms" },
      ({ firstPicture }) => firstPicture,
    ),
  ];
}

function joining(name: string, peer: string, open: () => Promise<PeerServer>): Entry<Times> {
  return {
    name,
    measure: async () => {
      await using server = await open();
      return await join(server, peer, JOINS);
    },
  };
}

async function compareStart(
  { pion, aiortc }: Programs,
  { progress, launch, ours = "source" }: { progress: Progress; launch?: Launch; ours?: string },
): Promise<Comparison[]> {
  const start = async () => {
    await using server = await ServerProcess.start(launch === undefined ? {} : { launch });
    return server.startup.readyMs;
  };
  const turns = await takeTurns([
    { name: "Pinhole", measure: start },
    { name: "pion", measure: () => timeOf(() => openPion(pion)) },
    ...aiortc ? [{ name: "aiortc", measure: () => timeOf(() => openAiortc(aiortc, "plain")) }] : [],
  ], { turns: STARTS, what: `start from ${ours}`, progress });
  return [
    turns.compare({ subject: `Start to ready, Pinhole from ${ours}`, unit: "ms" }, (ms) => ms),
  ];
}

async function compareExecutableStart(
  programs: Programs,
  progress: Progress,
): Promise<Comparison[]> {
  progress("the executable is built, unless it was");
  await using folder = await openFolder({ pinhole: await buildExecutable() });
  const launch: Launch = {
    command: [`${folder.path}/pinhole`, "serve", "--config", "/dev/null"],
    cwd: folder.path,
    env: { CACHE_DIRECTORY: `${folder.path}/cache` },
  };
  // The first start unpacks it.
  await using _unpacking = await ServerProcess.start({ launch });
  return await compareStart(programs, { progress, launch, ours: "executable" });
}

async function timeOf(open: () => Promise<AsyncDisposable>): Promise<number> {
  const startedMs = performance.now();
  await using _server = await open();
  return performance.now() - startedMs;
}
