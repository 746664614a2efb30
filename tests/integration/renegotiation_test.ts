import assert from "assert";
import { eventually } from "../support/deadline.ts";
import { startTestServer } from "../support/servers/test_server.ts";
import { type ServerMessage, WeriftViewer } from "../support/clients/werift_viewer.ts";

/** Sends an offer and waits for its answer. */
async function offerAgain(viewer: WeriftViewer, sdp: string): Promise<ServerMessage> {
  const answers = () => viewer.messages.filter(({ type }) => type === "answer");
  const count = answers().length;
  viewer.send({ type: "offer", sdp });
  await eventually(() => answers().length > count, {
    what: () => `for an answer; there are ${JSON.stringify(viewer.messages.at(-1))}`,
  });
  return answers().at(-1) ?? {};
}

/** Of an answer: what may and what must not change with the next one. */
function marksOf({ sdp, viewer }: ServerMessage) {
  const value = (pattern: RegExp) => pattern.exec(String(sdp))?.[1];
  return {
    viewer,
    session: value(/^o=- (\d+) /m),
    version: Number(value(/^o=- \d+ (\d+) /m)),
    ssrc: value(/^a=ssrc:(\d+) /m),
    ufrag: value(/^a=ice-ufrag:(.*)/m),
    candidate: value(/^a=candidate:(.*)/m),
    setup: value(/^a=setup:(.*)/m),
  };
}

/** Every section with these credentials. */
function withIce(sdp: string, ufrag: string, pwd: string): string {
  return sdp.replace(/a=ice-ufrag:.*/g, `a=ice-ufrag:${ufrag}`)
    .replace(/a=ice-pwd:.*/g, `a=ice-pwd:${pwd}`);
}

Deno.test("renegotiation: an offer of the same connection keeps the viewer, its keys and its streams", async () => {
  await using server = await startTestServer({}, { ports: 1 });
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
  const sdp = viewer.peer.localDescription?.sdp ?? "";
  const first = marksOf(viewer.find("answer") ?? {});
  assert.deepEqual(marksOf(await offerAgain(viewer, sdp)), { ...first, version: 2 });
  const last = viewer.packets.at(-1);
  await viewer.receives(20);
  // Encrypted by the same keys, and counted on.
  const steps = viewer.packets.slice(-21).map(({ sequenceNumber }) => sequenceNumber);
  assert.ok(last && steps.every((number) => ((number - last.sequenceNumber) & 0xffff) < 2_000));
  assert.equal(await server.usedPlaces(), 1);
  await viewer.resume(server.signallingUrl("main"), String(first.viewer));
  assert.deepEqual(marksOf(await offerAgain(viewer, sdp)), { ...first, version: 3 });
  await viewer.receives(20);
});

Deno.test("renegotiation: other credentials restart ICE, and the picture goes on until they are used", async () => {
  await using server = await startTestServer({}, { ports: 1 });
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
  const sdp = viewer.peer.localDescription?.sdp ?? "";
  const first = marksOf(viewer.find("answer") ?? {});
  const restarted = marksOf(await offerAgain(viewer, withIce(sdp, "other", "p".repeat(22))));
  assert.notEqual(restarted.ufrag, first.ufrag);
  assert.deepEqual({ ...restarted, ufrag: first.ufrag }, { ...first, version: 2 });
  const again = marksOf(await offerAgain(viewer, withIce(sdp, "other", "p".repeat(22))));
  assert.equal(again.ufrag, restarted.ufrag);
  // By the letter both have to change, but a changed password is a restart all the same.
  const half = marksOf(await offerAgain(viewer, withIce(sdp, "other", "q".repeat(22))));
  assert.notEqual(half.ufrag, restarted.ufrag);
  assert.equal(half.viewer, first.viewer);
  await viewer.receives(20);
});

Deno.test("renegotiation: a page that offers on another WebSocket, and knows no resume, has its viewer back", async () => {
  await using server = await startTestServer({}, { ports: 1 });
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
  await viewer.state("connected");
  const sdp = viewer.peer.localDescription?.sdp ?? "";
  const first = marksOf(viewer.find("answer") ?? {});
  for (const version of [2, 3]) {
    await viewer.reopen(server.signallingUrl("main"));
    assert.deepEqual(marksOf(await offerAgain(viewer, sdp)), { ...first, version });
    await viewer.state("connected");
    await viewer.receives(20);
  }
  // Of another session it is a stranger's.
  await viewer.reopen(server.signallingUrl("other"));
  viewer.send({ type: "offer", sdp });
  assert.equal((await viewer.nextOf("answer", "error")).code, "no_free_port");
});

Deno.test("renegotiation: a connection whose viewer has ended is told to make way for a new one", async () => {
  await using server = await startTestServer({}, { ports: 1 });
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
  await viewer.state("connected");
  const sdp = viewer.peer.localDescription?.sdp ?? "";
  viewer.send({ type: "bye" });
  await viewer.socketClosed();
  await viewer.reopen(server.signallingUrl("main"));
  // What changes has another version (RFC 3264 §8).
  const changed = withIce(sdp, "other", "p".repeat(22))
    .replace(/^(o=- \d+) (\d+)/m, (_, session, version) => `${session} ${Number(version) + 1}`);
  viewer.send({ type: "offer", sdp: changed });
  // Its browser has keys that died with the viewer: no picture of a new one would ever be shown.
  const { code, message } = await viewer.nextOf("answer", "error");
  assert.equal(code, "no_such_viewer");
  assert.match(String(message), /RTCPeerConnection has ended; send an offer of a new one/);
  assert.equal((await viewer.socketClosed()).code, 4404);
  assert.equal(await server.usedPlaces(), 0);
  await using next = await WeriftViewer.play(server.signallingUrl("main"));
  await next.receives(5);
});

Deno.test("renegotiation: a client whose connections all have one certificate and one session id is let in again", async () => {
  for (const origin of ["o=- 0 0", "o=client 4711 2"]) {
    await using server = await startTestServer({}, { ports: 1 });
    await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
    await viewer.state("connected");
    const sdp = (viewer.peer.localDescription?.sdp ?? "").replace(/^o=\S+ \S+ \S+/m, origin);
    // The same credentials: it is an offer of the same connection, and the viewer is known by it from now on.
    assert.equal((await offerAgain(viewer, sdp)).viewer, viewer.find("answer")?.viewer);
    viewer.send({ type: "bye" });
    await viewer.socketClosed();
    await viewer.reopen(server.signallingUrl("main"));
    viewer.send({ type: "offer", sdp: withIce(sdp, "other", "p".repeat(22)) });
    assert.equal((await viewer.nextOf("answer", "error")).type, "answer", origin);
  }
});

Deno.test("renegotiation: the offer of another connection ends the viewer and takes its place", async () => {
  await using server = await startTestServer({}, { ports: 1 });
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
  const sdp = viewer.peer.localDescription?.sdp ?? "";
  const first = marksOf(viewer.find("answer") ?? {});
  const stranger = `a=fingerprint:sha-256 ${Array(32).fill("AB").join(":")}`;
  const second = marksOf(await offerAgain(viewer, sdp.replace(/a=fingerprint:.*/g, stranger)));
  assert.notEqual(second.viewer, first.viewer);
  assert.notEqual(second.session, first.session);
  assert.deepEqual([second.version, second.candidate], [1, first.candidate]);
  // One certificate for two connections: nothing but that is the same.
  const reused = withIce(sdp.replace(/^o=\S+ \S+/m, "o=- 4711"), "third", "p".repeat(22));
  const third = marksOf(await offerAgain(viewer, reused));
  assert.notEqual(third.viewer, second.viewer);
  assert.equal(await server.usedPlaces(), 1);
});

Deno.test("renegotiation: an offer that cannot be read is refused in words, and ends the viewer", async () => {
  await using server = await startTestServer({}, { ports: 1 });
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
  viewer.send({ type: "offer", sdp: "v=0\r\nnonsense" });
  assert.equal((await viewer.nextOf("error")).code, "bad_sdp");
  assert.equal((await viewer.socketClosed()).code, 4400);
  await eventually(async () => await server.usedPlaces() === 0, { what: "for the place" });
});
