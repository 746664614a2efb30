import assert from "assert";
import { eventually } from "../support/deadline.ts";
import { HostileViewer, nonsense } from "../support/attacks/hostile_viewer.ts";
import { heldBytes } from "../support/machine/memory.ts";
import { chunk, data, packet, sack, words } from "../support/attacks/sctp_attacker.ts";
import { startTestServer, type TestServer } from "../support/servers/test_server.ts";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";

const SHARED = { webrtc: { peers_per_port: 4 } } as const;

/** Lets the server, which is in this process, take what was sent: beyond some 200 KiB the kernel drops it. */
function serverTakes(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** All who watch still do, and somebody else comes in. */
async function assertServes(server: TestServer, ...viewers: WeriftViewer[]): Promise<void> {
  for (const viewer of viewers) viewer.packets.length = 0;
  await Promise.all(viewers.map((viewer) => viewer.receives(10)));
  await using another = await WeriftViewer.play(server.signallingUrl("another"));
  await another.receives(5);
  assert.equal(await server.metric("packets_dropped_total", { reason: "internal_error" }), 0);
}

Deno.test("hostile data: a viewer whose packets make no sense is passed over, and watches on", async () => {
  await using server = await startTestServer(SHARED);
  const url = server.signallingUrl("main");
  await using hostile = await HostileViewer.join(url);
  await using bystander = await WeriftViewer.play(url);
  const { viewer } = hostile;
  // Before there is an association.
  await viewer.sendData(Uint8Array.of(1, 2, 3, 4));
  await viewer.sendData(packet(5, data({ tsn: 1 })));
  await hostile.associate();
  const packets = nonsense(hostile);
  for (let turn = 0; turn < 50; turn++) {
    for (const each of packets) await viewer.sendData(each);
    await serverTakes();
  }
  await assertServes(server, viewer, bystander);
  const dropped = (reason: string) => server.metric("data_packets_dropped_total", { reason });
  const reasons = ["short", "checksum", "unknown_chunk", "malformed"];
  for (const reason of reasons) assert.ok(await dropped(reason) >= 50, reason);
  assert.equal(await dropped("unknown_ppid"), 1);
  assert.equal(await dropped("unknown_channel"), 1);
  assert.equal(await dropped("wrong_tag"), 1);
  assert.equal(await server.metric("data_channels_ended_total"), 0);
});

Deno.test("hostile data: what breaks the protocol ends that viewer's data channel, and nothing else", async () => {
  await using server = await startTestServer(SHARED);
  const url = server.signallingUrl("main");
  await using bystander = await WeriftViewer.play(url);
  const attacks: readonly [reason: string, attack: (by: HostileViewer) => Uint8Array][] = [
    ["no_user_data", ({ tsn }) => data({ tsn, payload: [] })],
    ["sack_beyond_sent", ({ lastTsn }) => sack((lastTsn + 77) >>> 0)],
    ["skips_too_far", ({ tsn }) => chunk(192, words(tsn + 0x7000_0000))],
    ["pieces_contradict", ({ tsn }) => data({ tsn, flags: "" })],
    ["aborted_by_viewer", () => chunk(6)],
  ];
  for (const [reason, attack] of attacks) {
    await using hostile = await HostileViewer.join(url);
    await hostile.associate();
    await hostile.say(attack(hostile));
    await eventually(
      async () => await server.metric("data_channels_ended_total", { reason }) === 1,
      { what: `for ${reason}` },
    );
    hostile.viewer.packets.length = 0;
    await hostile.viewer.receives(10);
  }
  await assertServes(server, bystander);
});

Deno.test("hostile data: messages that never end fill no memory, and a flood costs others nothing", async () => {
  await using server = await startTestServer(SHARED);
  const url = server.signallingUrl("main");
  await using hostile = await HostileViewer.join(url);
  await using bystander = await WeriftViewer.play(url);
  await hostile.associate();
  const { tsn } = hostile;
  const before = heldBytes();
  for (let turn = 1; turn < 20_000; turn++) {
    // Every second TSN, then pieces without an end, of one byte each.
    const piece = turn < 10_000
      ? data({ tsn: tsn + 2 * turn, flags: "BU" })
      : data({ tsn: tsn + 20_000 + turn, flags: "U" });
    await hostile.say(piece);
    if (turn % 16 === 0) await serverTakes();
    for (const { packets } of [hostile.viewer, bystander]) packets.length = 0;
    hostile.viewer.dataPackets.length = 0;
  }
  const grownMb = (heldBytes() - before) / 1e6;
  // A window of 1 MiB, and what the viewer in this process remembers.
  assert.ok(grownMb < 10, `${grownMb} MB`);
  const dropped = await server.metric("data_packets_dropped_total");
  assert.ok(dropped > 5_000, `${dropped} packets were dropped`);
  await assertServes(server, hostile.viewer, bystander);
});
