import assert from "assert";
import { DTLS_CONTENT } from "../../src/transport/dtls/dtls_records.ts";
import { eventually } from "../support/deadline.ts";
import { plainRecord } from "../support/clients/dtls_client.ts";
import { checkOf, dtlsForgery, garbage, mediaAddress } from "../support/attacks/hostile_packets.ts";
import { Random } from "../support/random.ts";
import { Stranger } from "../support/attacks/stranger.ts";
import { startTestServer, type TestServer } from "../support/servers/test_server.ts";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";

const SEED = 20_261_122;

/**
 * Calls `send` so many times, slowly enough for the server in this process to take what comes: beyond some 200 KiB the
 * kernel drops it.
 */
async function flood(times: number, send: (turn: number) => Promise<void>): Promise<void> {
  for (let turn = 0; turn < times; turn++) {
    await send(turn);
    if (turn % 16 === 0) await new Promise((resolve) => setTimeout(resolve));
  }
}

/** After whatever happened: the viewer still receives, another connects, and no place is lost. */
async function assertServes(server: TestServer, viewer: WeriftViewer): Promise<void> {
  await viewer.receives(10);
  {
    await using another = await WeriftViewer.play(server.signallingUrl("another"));
    await another.receives(5);
    assert.equal(await server.usedPlaces(), 2);
  }
  await eventually(async () => await server.usedPlaces() === 1, { what: "for the place" });
  assert.equal(await server.metric("packets_dropped_total", { reason: "internal_error" }), 0);
  assert.ok(!viewer.messages.some(({ state }) => state === "failed" || state === "disconnected"));
}

Deno.test("hostile: thousands of datagrams of a stranger get no answer and do no harm", async () => {
  await using server = await startTestServer();
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
  using stranger = new Stranger(mediaAddress(viewer));
  const random = new Random(SEED);
  const check = checkOf(viewer, { password: "x".repeat(32), useCandidate: true });
  await flood(6_000, (turn) => stranger.send(turn % 10 === 0 ? check : garbage(random, check)));
  await assertServes(server, viewer);
  assert.equal(stranger.answers, 0);
  assert.equal(await server.metric("viewer_moves_total"), 0);
  const counted = [
    ["stun_rejected_total", { reason: "integrity" }],
    ["stun_rejected_total", { reason: "fingerprint" }],
    ["packets_dropped_total", { reason: "unknown_source" }],
    ["packets_dropped_total", { reason: "unknown_kind" }],
    ["packets_dropped_total", { reason: "too_long" }],
  ] as const;
  for (const [name, labels] of counted) {
    assert.ok(await server.metric(name, labels) > 50, `${name} ${labels.reason}`);
  }
});

Deno.test("hostile: thousands of forged datagrams from a viewer's own address do not end it", async () => {
  await using server = await startTestServer();
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
  await viewer.state("connected");
  const random = new Random(SEED);
  const check = checkOf(viewer, { password: "x".repeat(32), useCandidate: true });
  await flood(
    6_000,
    (turn) => viewer.sendRaw(turn % 3 === 0 ? dtlsForgery(random) : garbage(random, check)),
  );
  await assertServes(server, viewer);
  const reasons = ["dtls_unexpected", "dtls_malformed", "dtls_forged", "srtcp_forged", "rtp"];
  for (const reason of reasons) {
    assert.ok(await server.metric("packets_dropped_total", { reason }) > 50, reason);
  }
});

Deno.test("hostile: SRTCP that is replayed or changed is dropped", async () => {
  await using server = await startTestServer();
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
  await viewer.state("connected");
  const { ssrc } = viewer.packets[0] ?? assert.fail();
  const pli = new Uint8Array(12);
  pli.set([0x81, 206, 0, 2]);
  new DataView(pli.buffer).setUint32(8, ssrc);
  const packet = viewer.protectRtcp(pli);
  const asked = () => server.metric("keyframes_requested_total", { reason: "pli" });
  const before = await asked();
  const random = new Random(SEED);
  await flood(1_000, (turn) => viewer.sendRaw(turn % 2 === 0 ? packet : random.mutate(packet)));
  await viewer.receives(5);
  assert.equal(await asked(), before + 1);
  await assertServes(server, viewer);
});

Deno.test("hostile: a viewer may show many addresses; it is sent to one, and eight are remembered", async () => {
  await using server = await startTestServer();
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
  const others = Array.from({ length: 60 }, () => new Stranger(mediaAddress(viewer)));
  const check = checkOf(viewer);
  for (const other of others) {
    // Its own address must not seem silent: that of a viewer that is gives way to any other.
    await viewer.sendRaw(check);
    await other.send(check);
  }
  await eventually(() => others.every(({ answers }) => answers > 0), { what: "for the answers" });
  await viewer.receives(20);
  // A plain check gets its answer; the media stays where it is.
  assert.ok(others.every(({ answers }) => answers === 1));
  assert.equal(await server.metric("viewer_moves_total"), 0);
  for (const other of others) other[Symbol.dispose]();
  await assertServes(server, viewer);
});

Deno.test("hostile: a viewer that floods its handshake for ever fills no memory", async () => {
  // However slow the machine: one who has not shaken hands is still there when the flood ends.
  await using server = await startTestServer({ webrtc: { connect_timeout_s: 120 } });
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
  await using idle = await WeriftViewer.join(server.signallingUrl("idle"), {
    answer: () => undefined,
  });
  using hostile = new Stranger(mediaAddress(idle));
  await hostile.send(checkOf(idle, { useCandidate: true }));
  // A piece of a message that never comes to its end: whoever puts messages together has to keep it.
  const piece = Uint8Array.of(11, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0x50, ...new Uint8Array(1_360));
  const record = plainRecord(DTLS_CONTENT.handshake, piece);
  const before = Deno.memoryUsage().rss;
  const dropped = async () =>
    await server.metric("packets_dropped_total", { reason: "dtls_flood" }) +
    await server.metric("packets_dropped_total", { reason: "dtls_unexpected" });
  await flood(40_000, (turn) => turn % 2 === 0 ? hostile.send(record) : viewer.sendRaw(record));
  assert.ok(await dropped() > 30_000, `${await dropped()} were seen`);
  const grownMb = (Deno.memoryUsage().rss - before) / 1e6;
  assert.ok(grownMb < 30, `${grownMb} MB of 55 MB stayed`);
  await viewer.receives(10);
});

/** What the server said to an offer. */
async function offer(url: string, sdp: unknown): Promise<Record<string, unknown>> {
  const socket = new WebSocket(url);
  const closed = new Promise((resolve) => socket.onclose = resolve);
  const reply = new Promise<Record<string, unknown>>((resolve, reject) => {
    socket.onopen = () => socket.send(JSON.stringify({ type: "offer", sdp }));
    socket.onmessage = ({ data }) => resolve(JSON.parse(data));
    socket.onerror = () => reject(new Error("The WebSocket broke"));
  });
  try {
    return await reply;
  } finally {
    socket.close(1000);
    await closed;
  }
}

Deno.test("hostile: thousands of broken offers get an answer or an error each, and leak no place", async () => {
  await using server = await startTestServer({ webrtc: { peers_per_port: 4 } });
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
  const good = new TextEncoder().encode(
    await Deno.readTextFile(
      new URL("../testdata/sdp/chrome_156_sendrecv_data.offer.sdp", import.meta.url),
    ),
  );
  const random = new Random(SEED);
  const outcomes = new Map<string, number>();
  const one = async () => {
    const sdp = random.oneIn(20)
      ? random.pick(["", "v=0", null, 7, {}, "v=0\r\n".repeat(1_000), "\0"])
      : new TextDecoder().decode(breakLines(random, good));
    const { type, code } = await offer(server.signallingUrl(`s${random.below(5)}`), sdp);
    const outcome = String(code ?? type);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  };
  for (let round = 0; round < 100; round++) {
    await Promise.all(Array.from({ length: 20 }, one));
  }
  const refusals = ["bad_sdp", "bad_message", "unsupported_codec"];
  const known = ["answer", ...refusals, "no_free_port", "too_many_offers"];
  assert.deepEqual([...outcomes.keys()].filter((outcome) => !known.includes(outcome)), []);
  assert.ok((outcomes.get("bad_sdp") ?? 0) > 200, JSON.stringify([...outcomes]));
  assert.ok((outcomes.get("answer") ?? 0) > 0, "some are still offers");
  await eventually(async () => await server.usedPlaces() === 1, { what: "for all places" });
  await assertServes(server, viewer);
  assert.ok(await server.metric("viewers_refused_total", { code: "bad_sdp" }) > 200);
});

/** Changes an offer in a few places: single bytes, whole lines, and what is much too long. */
function breakLines(random: Random, sdp: Uint8Array): Uint8Array {
  const lines = new TextDecoder().decode(random.oneIn(2) ? random.mutate(sdp) : sdp).split("\r\n");
  for (let edits = random.below(4); edits > 0; edits--) {
    const index = random.below(lines.length + 1);
    const line = lines[index] ?? "";
    const edited = random.pick([
      [],
      [line, line],
      [line.slice(0, random.below(line.length + 1))],
      [`${line}${"9".repeat(random.below(3_000))}`],
      [lines[random.below(lines.length + 1)] ?? ""],
      [`${line.slice(0, 2)}${random.uint32()}`],
    ]);
    lines.splice(index, 1, ...edited);
  }
  return new TextEncoder().encode(lines.join(random.oneIn(10) ? "\n" : "\r\n"));
}
