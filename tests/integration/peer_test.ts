import assert from "assert";
import { decodeFrames } from "../support/media/decoder.ts";
import { eventually } from "../support/deadline.ts";
import { assertEveryPicture } from "../support/media/picture_numbers.ts";
import { startTestServer } from "../support/servers/test_server.ts";
import { UdpRelay } from "../support/network/udp_relay.ts";
import { type ReceivedFrame, WeriftViewer } from "../support/clients/werift_viewer.ts";

/** The first pictures that came whole. */
async function watch(viewer: WeriftViewer, count: number): Promise<ReceivedFrame[]> {
  while (viewer.frames.length < count) await viewer.receives();
  return viewer.frames.slice(0, count);
}

/** Numbers of these pictures, as the decoded test pattern shows them. */
async function frameNumbers(
  codec: "h264" | "vp8",
  frames: readonly ReceivedFrame[],
): Promise<number[]> {
  const pictures = await decodeFrames(codec, frames.map(({ data }) => data));
  assert.deepEqual(pictures.map(({ keyframe }) => keyframe), frames.map((each) => each.keyframe));
  return pictures.map(({ code }) => code?.frameNumber ?? assert.fail("no block code"));
}

/** Points an answer's candidate to another port. */
function toPort(port: number): (sdp: string) => string {
  return (sdp) => sdp.replace(/^(a=candidate:.* 127\.0\.0\.1) \d+/m, `$1 ${port}`);
}

for (const codec of ["h264", "vp8"] as const) {
  Deno.test(`peer: a viewer that offers ${codec} alone gets every picture, from a keyframe on`, async () => {
    await using server = await startTestServer();
    await using viewer = await WeriftViewer.join(server.signallingUrl("main"), { codecs: [codec] });
    const frames = await watch(viewer, 20);
    assert.ok(frames[0]?.keyframe);
    const numbers = await frameNumbers(codec, frames);
    await assertEveryPicture(server, numbers);
    await viewer.state("connected");
    assert.equal(await server.usedPlaces(), 1);
  });
}

Deno.test("peer: H.264 is sent to who offers both, whatever their order", async () => {
  await using server = await startTestServer();
  const url = server.signallingUrl("main");
  await using viewer = await WeriftViewer.play(url, { codecs: ["vp8", "h264"] });
  assert.match(viewer.answerSdp, /^a=rtpmap:\d+ H264\/90000/m);
});

Deno.test("peer: the answer names one candidate, that of the leased port, and nothing private", async () => {
  await using server = await startTestServer({
    webrtc: { public_ip: "203.0.113.7", public_port_min: 50_000 },
  });
  await using viewer = await WeriftViewer.join(server.signallingUrl("main"), {
    answer: () => undefined,
  });
  const port = 50_000 + server.ports.indexOf((await server.sessions())[0]?.viewers[0]?.port ?? 0);
  const lines = viewer.answerSdp.trim().split("\r\n");
  const candidates = lines.filter((line) => line.startsWith("a=candidate:"));
  assert.equal(candidates.length, 1);
  assert.match(candidates[0] ?? "", new RegExp(` udp \\d+ 203\\.0\\.113\\.7 ${port} typ host$`));
  assert.deepEqual(lines.filter((line) => line.startsWith("c=")), ["c=IN IP4 203.0.113.7"]);
  for (const line of ["a=ice-lite", "a=end-of-candidates", "a=setup:passive"]) {
    assert.ok(lines.includes(line), line);
  }
  const addresses = viewer.answerSdp.match(/\b\d+\.\d+\.\d+\.\d+\b/g);
  assert.deepEqual([...new Set(addresses)], ["203.0.113.7"]);
  assert.doesNotMatch(viewer.answerSdp, /\.local|IP6|127\.0\.0\.1/);
  const message = await viewer.nextOf("candidate");
  const { candidate } = message.candidate as { candidate: string };
  assert.equal(`a=${candidate}`, candidates[0]);
});

Deno.test("peer: two viewers of two sessions share one port, and each gets its own", async () => {
  await using server = await startTestServer({ webrtc: { peers_per_port: 2 } }, { ports: 1 });
  await using one = await WeriftViewer.play(server.signallingUrl("one"));
  await using two = await WeriftViewer.play(server.signallingUrl("two"), { codecs: ["vp8"] });
  const [port] = server.ports;
  const sessions = await server.sessions();
  assert.deepEqual(sessions.map(({ viewers }) => viewers[0]?.port), [port, port]);
  for (const [codec, viewer] of [["h264", one], ["vp8", two]] as const) {
    await assertEveryPicture(server, await frameNumbers(codec, await watch(viewer, 10)));
  }
});

Deno.test("peer: two viewers of one session see the same pictures, encoded once", async () => {
  await using server = await startTestServer();
  await using one = await WeriftViewer.play(server.signallingUrl("main"));
  await using two = await WeriftViewer.play(server.signallingUrl("main"));
  const late = await watch(two, 10);
  assert.ok(late[0]?.keyframe, "who comes late begins with a keyframe too");
  const seen = new Set(one.frames.map(({ data }) => data.toString()));
  const shared = late.slice(0, 8).filter(({ data }) => seen.has(data.toString()));
  assert.equal(shared.length, 8);
});

Deno.test("peer: a viewer whose source port changes keeps receiving, without a new offer", async () => {
  await using server = await startTestServer();
  await using relay = new UdpRelay();
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"), {
    answer: (sdp) => {
      relay.passTo(Number(/^m=video (\d+)/m.exec(sdp)?.[1]));
      return toPort(relay.port)(sdp);
    },
  });
  await viewer.receives(20);
  for (let moves = 1; moves <= 2; moves++) {
    relay.reconnect();
    await eventually(async () => await server.metric("viewer_moves_total") === moves, {
      what: "for the viewer to move",
    });
    await viewer.receives(20);
  }
  assert.equal(viewer.messages.filter(({ type }) => type === "answer").length, 1);
  assert.ok(!viewer.messages.some(({ state }) => state === "disconnected" || state === "failed"));
  assert.equal(await server.usedPlaces(), 1);
});

Deno.test("peer: a NACK brings the very packet again, and nothing that was never sent", async () => {
  await using server = await startTestServer();
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
  await viewer.receives(10);
  const lost = viewer.packets.at(-3) ?? assert.fail();
  const copies = () =>
    viewer.packets.filter(({ sequenceNumber }) => sequenceNumber === lost.sequenceNumber);
  assert.equal(copies().length, 1);
  await viewer.nack(lost.sequenceNumber, (lost.sequenceNumber + 20_000) & 0xffff);
  await eventually(() => copies().length === 2, { what: "for the packet to come again" });
  assert.deepEqual(copies()[1], lost);
  assert.equal(await server.metric("rtp_packets_retransmitted_total"), 1);
});

Deno.test("peer: a NACK that is repeated all the time brings a packet back four times at most", async () => {
  await using server = await startTestServer();
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
  await viewer.receives(5);
  const { sequenceNumber } = viewer.packets[0] ?? assert.fail();
  for (let i = 0; i < 100; i++) {
    await viewer.nack(...Array.from({ length: 16 }, () => sequenceNumber));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await viewer.receives(2);
  assert.equal(await server.metric("rtp_packets_retransmitted_total"), 4);
});

Deno.test("peer: PLI brings a keyframe, one in 300 ms however many there are", async () => {
  await using server = await startTestServer();
  const begunMs = performance.now();
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
  const count = () => viewer.frames.filter(({ keyframe }) => keyframe).length;
  await eventually(async () => {
    await viewer.pli();
    return count() >= 3;
  }, { what: () => `for three keyframes, there are ${count()}` });
  const keyframes = count();
  const elapsedMs = performance.now() - begunMs;
  assert.ok(keyframes <= 1 + elapsedMs / 300, `${keyframes} keyframes in ${elapsedMs} ms`);
});

Deno.test("peer: a fingerprint of somebody else fails the viewer and frees the place", async () => {
  await using server = await startTestServer();
  await using viewer = await WeriftViewer.join(server.signallingUrl("main"), {
    offer: (sdp) => sdp.replace(/^(a=fingerprint:sha-256 )..:..:../m, "$100:11:22"),
  });
  const { reason } = await viewer.state("failed");
  assert.match(String(reason), /DTLS handshake failed: .*fingerprint.*bad_certificate/);
  assert.equal(await server.usedPlaces(), 0);
  assert.equal(await server.metric("viewers_ended_total", { reason: "dtls_failed" }), 1);
  assert.deepEqual(viewer.packets, []);
});

/** Offers transport-wide numbers in these sections, as browsers do in both. */
function withNumbers(...kinds: ("video" | "audio")[]): (sdp: string) => string {
  const section = (part: string) => {
    const [, kind = "", payloadType] = /^m=(\w+) \d+ \S+ (\d+)/.exec(part) ?? [];
    if (!kinds.some((each) => each === kind)) return part;
    const uri = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
    return `${part.trimEnd()}\r\na=extmap:9 ${uri}\r\na=rtcp-fb:${payloadType} transport-cc\r\n`;
  };
  return (sdp) => sdp.split(/(?=^m=)/m).map(section).join("");
}

/** The numbers of packets that bear one, from the first on, by stream. */
async function numbersOf(viewer: WeriftViewer): Promise<number[][]> {
  const streams = () => Map.groupBy(viewer.packets, ({ ssrc }) => ssrc);
  await eventually(() => streams().size === 2, { what: "for video and sound" });
  await viewer.receives(60);
  return [...streams().values()].map((packets) =>
    packets.flatMap(({ extensions }) => {
      const data = extensions.find(({ id }) => id === 9)?.data;
      if (data === undefined) return [];
      return [new DataView(data.buffer, data.byteOffset, data.length).getUint16(0)];
    })
  );
}

/** Fails where a number is missing, or is there twice. */
function assertGapless(numbers: readonly number[]): void {
  const sorted = numbers.toSorted((a, b) => a - b);
  assert.ok(sorted.length > 10, `${sorted.length} packets are numbered`);
  assert.deepEqual(sorted, sorted.map((_, at) => (sorted[0] ?? 0) + at));
}

Deno.test("peer: packets of video and sound are numbered together for who reports on them", async () => {
  await using server = await startTestServer();
  const options = { sound: true, offer: withNumbers("video", "audio") } as const;
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"), options);
  const streams = await numbersOf(viewer);
  assert.equal(streams.flat().length, viewer.packets.length);
  assertGapless(streams.flat());
  assert.match(viewer.answerSdp, /^a=rtcp-fb:\d+ transport-cc/m);
});

Deno.test("peer: video is numbered without gaps for who would not report on sound", async () => {
  await using server = await startTestServer();
  const options = { sound: true, offer: withNumbers("video") } as const;
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"), options);
  const [some = [], others = []] = await numbersOf(viewer);
  assert.equal(Math.min(some.length, others.length), 0);
  assertGapless([...some, ...others]);
});

Deno.test("peer: packets bear no numbers for who did not offer to report on them", async () => {
  await using server = await startTestServer();
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"), { sound: true });
  await viewer.receives(30);
  assert.doesNotMatch(viewer.answerSdp, /transport-cc|transport-wide-cc/);
  const ids = viewer.packets.flatMap(({ extensions }) => extensions.map(({ id }) => id));
  assert.deepEqual(ids, []);
});
