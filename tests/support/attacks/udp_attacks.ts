import assert from "assert";
import { createServerCertificate } from "../../../src/transport/dtls/server_certificate.ts";
import { DTLS_CONTENT } from "../../../src/transport/dtls/dtls_records.ts";
import { type Attack, type AttackedTunnel, flood, pause } from "./attacked_tunnel.ts";
import { consentAnswer } from "../parts/checks.ts";
import { eventually, within } from "../deadline.ts";
import { plainRecord } from "../clients/dtls_client.ts";
import { Elsewhere, password, report } from "../network/elsewhere.ts";
import { checkOf, dtlsForgery, garbage, mediaAddress } from "./hostile_packets.ts";
import { HostileViewer, nonsense } from "./hostile_viewer.ts";
import { Random } from "../random.ts";
import { handshakeMessage, RawDtlsClient } from "../clients/raw_dtls_client.ts";
import { chunk, data, init, packet, sack, words } from "./sctp_attacker.ts";
import { Stranger } from "./stranger.ts";
import { WeriftViewer } from "../clients/werift_viewer.ts";

const SEED = 20_261_130;

/** Source ports of a flood: frpc has a socket of its own for each. */
const SOURCES = 300;

/** Source ports at which a viewer shows up. */
const SIGHTINGS = 60;
/** How many of a viewer's addresses the server remembers. */
const ADDRESSES_MAX = 8;

/** RTP, which viewers do not send. */
const RTP = Uint8Array.of(0x90, 96, ...new Uint8Array(40));

const dropped = (reason: string, min: number) =>
  ["packets_dropped_total", { reason }, min] as const;
const dataDropped = (reason: string, min: number) =>
  ["data_packets_dropped_total", { reason }, min] as const;
const rejected = (reason: string, min: number) => ["stun_rejected_total", { reason }, min] as const;

/** Attacks by viewers, inside of DTLS. */
export const SCTP_ATTACKS: readonly Attack[] = [
  {
    name: "SCTP that makes no sense",
    evidence: ["short", "checksum", "unknown_chunk", "malformed"]
      .map((reason) => dataDropped(reason, 20)),
    async run(site, signal) {
      await using hostile = await joinHostile(site);
      const packets = nonsense(hostile);
      await flood(
        { signal },
        (turn) => hostile.viewer.sendData(packets[turn % packets.length] ?? assert.fail()),
      );
      await watchesOn(hostile.viewer);
    },
  },
  {
    name: "pieces of messages that never end",
    evidence: [dataDropped("outside_window", 20)],
    async run(site, signal) {
      await using hostile = await joinHostile(site);
      await flood({ signal }, (turn) => {
        const from = hostile.tsn + 60 * turn;
        // Every second TSN, of one byte each.
        const pieces = Array.from(
          { length: 30 },
          (_, at) => data({ tsn: from + 2 * at, flags: turn % 2 === 0 ? "BU" : "U" }),
        );
        return hostile.say(...pieces);
      });
      await watchesOn(hostile.viewer);
    },
  },
  {
    name: "a flood of handshakes, heartbeats and reports of SCTP",
    evidence: [dataDropped("wrong_tag", 20)],
    async run(site, signal) {
      await using hostile = await joinHostile(site);
      const { tag, lastTsn } = hostile;
      const packets = [
        packet(0, init({ tag: 9, tsn: 77 })),
        packet(tag, chunk(4, [0, 1, 1, 0, ...new Array(252).fill(7)])),
        packet(tag, sack(lastTsn + 1), sack(lastTsn + 1)),
        packet(tag + 1, sack(lastTsn + 1)),
        packet(tag, chunk(10, new Uint8Array(600))),
        packet(tag, ...Array.from({ length: 60 }, () => chunk(4, [0, 1, 0, 4]))),
      ];
      await flood(
        { signal },
        (turn) => hostile.viewer.sendData(packets[turn % packets.length] ?? assert.fail()),
      );
      await watchesOn(hostile.viewer);
    },
  },
  {
    name: "SCTP that breaks the protocol",
    evidence: ["sack_beyond_sent", "skips_too_far", "no_user_data"]
      .map((reason) => ["data_channels_ended_total", { reason }, 1] as const),
    async run(site) {
      const breaches = [
        ({ lastTsn }: HostileViewer) => sack((lastTsn + 77) >>> 0),
        ({ tsn }: HostileViewer) => chunk(192, words(tsn + 0x7000_0000)),
        ({ tsn }: HostileViewer) => data({ tsn, payload: [] }),
      ];
      await Promise.all(breaches.map(async (breach) => {
        await using hostile = await joinHostile(site);
        await hostile.say(breach(hostile));
        await watchesOn(hostile.viewer);
      }));
    },
  },
];

/** Attacks on the handshake, by those who have a place and by those who have none. */
export const DTLS_ATTACKS: readonly Attack[] = [
  {
    name: "hellos without end, new and repeated",
    evidence: [dropped("dtls_flood", 100)],
    async run(site, signal) {
      await using idle = await joinIdle(site);
      const certificate = createServerCertificate();
      let latest: RawDtlsClient | undefined;
      using stranger = new Stranger(site.media, { hear: (packet) => latest?.receive(packet) });
      await stranger.send(checkOf(idle, { useCandidate: true }));
      let hellos: Uint8Array[] = [];
      await flood({ signal }, async (turn) => {
        // Each has a random of its own, and comes twice.
        if (turn % 2 === 0) {
          hellos = [];
          latest = new RawDtlsClient({ certificate, send: (out) => hellos.push(out) });
          latest.take("hello");
        }
        for (const datagram of hellos) await stranger.send(datagram);
      });
    },
  },
  {
    name: "huge handshake messages in pieces",
    evidence: [dropped("dtls_flood", 100), dropped("dtls_unexpected", 100)],
    async run(site, signal) {
      await using idle = await joinIdle(site);
      await using viewer = await WeriftViewer.play(site.signallingUrl());
      await viewer.state("connected");
      using stranger = new Stranger(site.media);
      await stranger.send(checkOf(idle, { useCandidate: true }));
      const random = new Random(SEED);
      await flood({ signal }, async (turn) => {
        const length = turn % 2 === 0 ? 0xff_ffff : 16_000;
        const offset = random.below(length - 1_200);
        const piece = { type: 11, sequence: random.below(9), body: random.bytes(1_200) };
        const message = handshakeMessage({ ...piece, length, offset });
        const record = plainRecord(DTLS_CONTENT.handshake, message);
        await (turn % 3 === 0 ? viewer.sendRaw(record) : stranger.send(record));
      });
      await watchesOn(viewer);
    },
  },
  {
    name: "alerts and other records that a viewer has not made, from its address",
    evidence: ["dtls_unexpected", "dtls_malformed", "dtls_forged"]
      .map((reason) => dropped(reason, 20)),
    async run(site, signal) {
      await using viewer = await WeriftViewer.play(site.signallingUrl());
      await viewer.state("connected");
      const random = new Random(SEED);
      await flood({ signal }, () => viewer.sendRaw(dtlsForgery(random)));
      await watchesOn(viewer);
    },
  },
];

/** Attacks on the paths of viewers, and by what anybody may send. */
export const PATH_ATTACKS: readonly Attack[] = [
  {
    name: "checks with a wrong password, old reports, RTP and garbage from hundreds of addresses",
    evidence: [
      rejected("integrity", 100),
      dropped("unknown_source", 100),
      dropped("unknown_kind", 20),
    ],
    async run(site, signal) {
      await using viewer = await WeriftViewer.play(site.signallingUrl());
      await viewer.state("connected");
      const old = await usedRequest(site, viewer);
      const moves = await movesOf(site);
      const check = checkOf(viewer, { password: "x".repeat(32), useCandidate: true });
      using crowd = gather(site, SOURCES);
      const random = new Random(SEED);
      await flood({ signal, least: 8 * SOURCES }, async (turn) => {
        const kind = Math.floor(turn / SOURCES) % 4;
        const packet = [check, old, RTP, garbage(random, check)][kind] ?? assert.fail();
        await crowd.strangers[turn % SOURCES]?.send(packet);
      });
      const sockets = socketsTo(site.tunnelled.server.portMin);
      assert.ok(sockets > SOURCES / 2, `frpc has ${sockets} sockets`);
      assert.deepEqual(crowd.strangers.filter(({ answers }) => answers > 0), []);
      assert.deepEqual(await movesOf(site), moves);
      await watchesOn(viewer);
    },
  },
  {
    name: "a viewer that shows up at many addresses",
    evidence: [dropped("unknown_source", SIGHTINGS - ADDRESSES_MAX)],
    async run(site) {
      await using viewer = await WeriftViewer.play(site.signallingUrl());
      await viewer.state("connected");
      using crowd = gather(site, SIGHTINGS);
      // Through a tunnel that is busy some may be lost.
      await untilAll(crowd.strangers, {
        send: (each) => each.send(checkOf(viewer)),
        isDone: ({ answers }) => answers > 0,
      });
      const seen = async () => [
        await site.metric("packets_dropped_total", { reason: "rtp" }),
        await site.metric("packets_dropped_total", { reason: "unknown_source" }),
      ];
      const [known = 0, unknown = 0] = await seen();
      for (const each of crowd.strangers) {
        await each.send(RTP);
        await pause(5);
      }
      await eventually(
        async () => ((await seen())[1] ?? 0) - unknown >= SIGHTINGS - ADDRESSES_MAX,
        {
          what: "for the packets from addresses that are forgotten",
        },
      );
      const remembered = ((await seen())[0] ?? 0) - known;
      assert.ok(remembered > 0 && remembered <= ADDRESSES_MAX, `${remembered} addresses`);
      await watchesOn(viewer);
    },
  },
  {
    name: "a viewer's own packets once more, changed and unchanged, from its address and others",
    evidence: [dropped("srtcp_forged", 100)],
    async run(site, signal) {
      await using viewer = await WeriftViewer.play(site.signallingUrl());
      await viewer.state("connected");
      const pli = await usedRequest(site, viewer);
      const [moves, before] = [await movesOf(site), await requested(site)];
      using crowd = gather(site, 20);
      const random = new Random(SEED);
      await flood({ signal }, async (turn) => {
        const packet = turn % 2 === 0 ? pli : random.mutate(pli);
        await (turn % 3 === 0 ? viewer.sendRaw(packet) : crowd.strangers[turn % 20]?.send(packet));
      });
      // The neighbour may have lost something itself.
      const requests = await requested(site) - before;
      assert.ok(requests <= 3, `${requests} requests`);
      assert.deepEqual(await movesOf(site), moves);
      assert.deepEqual(crowd.strangers.filter(({ answers }) => answers > 0), []);
      await watchesOn(viewer);
    },
  },
  {
    name: "reports from a false address, for which others answer",
    evidence: [rejected("response_integrity", 1), rejected("response_source", 1)],
    async run(site) {
      await using viewer = await WeriftViewer.play(site.signallingUrl());
      await using other = await WeriftViewer.play(site.signallingUrl());
      await Promise.all([viewer.state("connected"), other.state("connected")]);
      let request: Uint8Array | undefined;
      using victim = new Elsewhere(mediaAddress(viewer), {
        answer(asked) {
          request = asked.slice();
          // The other one knows no password but its own.
          return consentAnswer(asked, { password: password(other) });
        },
      });
      for (let turn = 0; turn < 8; turn++) {
        await victim.send(report(viewer));
        await pause(250);
        if (request === undefined) continue;
        const answer = consentAnswer(request, { password: password(viewer) });
        await (turn % 2 === 0 ? viewer : other).sendRaw(answer);
      }
      assert.ok(victim.requests > 0, "the victim was not asked");
      const { cameBytes, sentBytes } = victim;
      assert.ok(cameBytes <= 3 * sentBytes, `${cameBytes} bytes for ${sentBytes}`);
      await Promise.all([watchesOn(viewer), watchesOn(other)]);
    },
  },
  {
    name: "a flood of requests for keyframes",
    evidence: [["keyframes_suppressed_total", { reason: "pli" }, 10]],
    async run(site, signal) {
      await using viewer = await WeriftViewer.play(site.signallingUrl());
      await viewer.state("connected");
      const seen = viewer.frames.length;
      await flood({ signal, least: 50 }, async () => {
        await viewer.pli();
        await pause(20);
      });
      const cost = viewer.frames.slice(seen).filter(({ keyframe }) => keyframe).length;
      assert.ok(cost <= 7, `${cost} keyframes`);
      await watchesOn(viewer);
    },
  },
];

/** A viewer whose association stands. */
async function joinHostile(site: AttackedTunnel): Promise<HostileViewer> {
  const hostile = await HostileViewer.join(site.signallingUrl());
  await hostile.associate();
  return hostile;
}

/** A viewer with a place that never begins. */
function joinIdle(site: AttackedTunnel): Promise<WeriftViewer> {
  return WeriftViewer.join(site.signallingUrl("idle"), { answer: () => undefined });
}

/** A request for a keyframe of a viewer that has come and has been followed. */
async function usedRequest(site: AttackedTunnel, viewer: WeriftViewer): Promise<Uint8Array> {
  const before = await requested(site);
  const request = keyframeRequest(viewer);
  await viewer.sendRaw(request);
  await eventually(async () => await requested(site) > before, { what: "for the request to come" });
  return request;
}

function requested(site: AttackedTunnel): Promise<number> {
  return site.metric("keyframes_requested_total", { reason: "pli" });
}

/** How often viewers showed up elsewhere by packets that strangers could send again; checks are their browsers'. */
function movesOf(site: AttackedTunnel): Promise<number[]> {
  const proofs = ["srtcp", "dtls"];
  return Promise.all(proofs.map((proof) => site.metric("viewer_moves_total", { proof })));
}

/** Sends for each of the strangers until it is done. */
async function untilAll(
  strangers: readonly Stranger[],
  { send, isDone }: {
    send: (stranger: Stranger) => Promise<void>;
    isDone: (stranger: Stranger) => boolean;
  },
): Promise<void> {
  await eventually(async () => {
    const left = strangers.filter((stranger) => !isDone(stranger));
    for (const stranger of left) {
      await send(stranger);
      await pause(5);
    }
    await pause(100);
    return left.length === 0;
  }, { what: "for every stranger" });
}

/** Whatever it sent, a viewer that has shaken hands watches on. */
async function watchesOn(viewer: WeriftViewer): Promise<void> {
  viewer.packets.length = 0;
  await within(viewer.receives(10), { what: "for the attacker's own picture" });
}

/** Strangers with a source port each. */
function gather(
  { media }: AttackedTunnel,
  count: number,
): { readonly strangers: readonly Stranger[] } & Disposable {
  const strangers = Array.from({ length: count }, () => new Stranger(media));
  return {
    strangers,
    [Symbol.dispose]() {
      for (const stranger of strangers) stranger[Symbol.dispose]();
    },
  };
}

/** How many UDP sockets of this host are connected to a port of its own. */
function socketsTo(port: number): number {
  const remote = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return Deno.readTextFileSync("/proc/net/udp").split("\n")
    .filter((line) => line.trim().split(/\s+/)[2]?.endsWith(remote)).length;
}

/** An encrypted request for a keyframe (RFC 4585 §6.3.1). */
function keyframeRequest(viewer: WeriftViewer): Uint8Array {
  const { ssrc } = viewer.packets[0] ?? assert.fail("no packet");
  const pli = new Uint8Array(12);
  pli.set([0x81, 206, 0, 2]);
  new DataView(pli.buffer).setUint32(8, ssrc);
  return viewer.protectRtcp(pli);
}
