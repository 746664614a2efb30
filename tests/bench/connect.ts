import { compileLibrary } from "../support/renderers/native.ts";
import { type Figure, median, type Progress } from "./figure.ts";
import { buildPeer, openPinhole, openPion, PeerProcess, type PeerServer } from "./peer_process.ts";

const ROUNDS = 3;
const VIEWERS = 20;
/** With local port and path, on loopback. */
const CONNECTED_AIM_MS = 50;

/** Medians of viewers that came one after the other, in milliseconds since the offer was sent. */
export interface Times {
  readonly connected: number;
  readonly firstPacket: number;
  readonly firstPicture: number;
}

/**
 * How long a viewer takes from its offer by WHEP until it is connected, and until its first packet of video, with our
 * server and with one by pion in turns. The viewers are pion's. They come one after the other, and each of ours begins a
 * new session, whose stream needs no encoding.
 */
export async function measureConnect(progress: Progress): Promise<Figure[]> {
  const peer = await buildPeer(progress);
  const library = await compileLibrary(new URL("stream.c", import.meta.url));
  const ours: Times[] = [];
  const pions: Times[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    progress(`round ${round} of ${ROUNDS}`);
    {
      await using server = await openPinhole(library, { viewers: VIEWERS, fps: 30 });
      ours.push(await join(server, peer));
    }
    await using server = await openPion(peer);
    pions.push(await join(server, peer));
  }
  const of = (times: readonly Times[], key: keyof Times) => median(times.map((each) => each[key]));
  const ratios = ours.map(({ connected }, at) => connected / (pions[at]?.connected ?? Number.NaN));
  return [
    {
      name: "offer to connected",
      value: of(ours, "connected"),
      unit: "ms",
      aim: CONNECTED_AIM_MS,
    },
    { name: "offer to connected, pion", value: of(pions, "connected"), unit: "ms" },
    { name: "offer to connected, ours / pion's", value: median(ratios), unit: "", aim: 1 },
    { name: "offer to first packet, new session", value: of(ours, "firstPacket"), unit: "ms" },
    { name: "offer to first packet, pion", value: of(pions, "firstPacket"), unit: "ms" },
  ];
}

/** Lets so many of pion's viewers join a server, one after the other. @param peer Pion's program. */
export async function join(server: PeerServer, peer: string, count = VIEWERS): Promise<Times> {
  await using viewers = await PeerProcess.start(peer, ["join", server.whep, String(count)]);
  const { joined = [] } = viewers.ready;
  return {
    connected: median(joined.map(({ connected }) => connected)),
    firstPacket: median(joined.map(({ first_packet }) => first_packet)),
    firstPicture: median(joined.map(({ first_picture }) => first_picture)),
  };
}
