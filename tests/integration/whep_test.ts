import assert from "assert";
import { Listener } from "../../src/app/listener.ts";
import { SYSTEM_CLOCK } from "../../src/base/clock.ts";
import { type Logger, NULL_LOGGER } from "../../src/base/log.ts";
import { NULL_METER } from "../../src/base/meter.ts";
import { mintToken } from "../../src/signalling/access.ts";
import { createWhepApp } from "../../src/signalling/whep.ts";
import { eventually } from "../support/deadline.ts";
import { RegistrySetUp } from "../support/parts/registry_set_up.ts";
import { startTestServer, type TestServer } from "../support/servers/test_server.ts";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";
import { WhepViewer } from "../support/clients/whep_viewer.ts";

function endpoint(server: TestServer, session = "main"): string {
  return `http://${server.host}/whep/${session}`;
}

function readOffer(name: string): Promise<string> {
  return Deno.readTextFile(new URL(`../testdata/sdp/${name}.offer.sdp`, import.meta.url));
}

async function placesBecome(server: TestServer, count: number): Promise<void> {
  await eventually(async () => await server.usedPlaces() === count, {
    what: `for ${count} places to be taken`,
  });
}

Deno.test("WHEP: a client plays, beside a page of the same session, until its DELETE", async () => {
  await using server = await startTestServer();
  await using viewer = await WhepViewer.join(endpoint(server));
  await viewer.receives(30);
  await using page = await WeriftViewer.play(server.signallingUrl("main"));
  await viewer.receives(10);
  const [session, ...others] = await server.sessions();
  assert.deepEqual(others, []);
  assert.deepEqual(session?.viewers.map(({ state }) => state), ["connected", "connected"]);
  assert.equal(await viewer.leave(), 200);
  assert.equal(await server.usedPlaces(), 1);
  assert.equal(await viewer.leave(), 404);
  await page.receives(10);
});

Deno.test("WHEP: candidates may come after the answer, and the media goes on", async () => {
  await using server = await startTestServer();
  await using viewer = await WhepViewer.join(endpoint(server));
  const sdp = viewer.peer.localDescription?.sdp ?? "";
  const lines = sdp.split("\r\n").filter((line) =>
    /^(m=|a=(mid|ice-ufrag|ice-pwd|candidate))/.test(line)
  );
  for (const match of [viewer.etag, "*"]) {
    const response = await fetch(viewer.resource, {
      method: "PATCH",
      headers: { "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": match },
      body: `${lines.join("\r\n")}\r\n`,
    });
    assert.deepEqual([response.status, await response.text()], [204, ""]);
  }
  await viewer.receives(30);
});

Deno.test("WHEP: a restart that is asked for again is answered as before, until the next one", async () => {
  await using server = await startTestServer();
  await using viewer = await WhepViewer.join(endpoint(server));
  await viewer.receives(5);
  const restart = async (ufrag: string) => {
    const response = await fetch(viewer.resource, {
      method: "PATCH",
      headers: { "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*" },
      body: `a=ice-ufrag:${ufrag}\r\na=ice-pwd:${"p".repeat(22)}\r\n`,
    });
    assert.equal(response.status, 200);
    return { etag: response.headers.get("ETag"), text: await response.text() };
  };
  const first = await restart("once");
  assert.deepEqual(await restart("once"), first);
  assert.notEqual(first.etag, viewer.etag);
  const next = await restart("twice");
  assert.notEqual(next.etag, first.etag);
  // Nobody uses what was answered, and the media goes on.
  await viewer.receives(30);
});

Deno.test("WHEP: a client that vanishes loses its place after idle_timeout_s", async () => {
  await using server = await startTestServer({ webrtc: { idle_timeout_s: 2 } }, { ports: 1 });
  await using viewer = await WhepViewer.join(endpoint(server));
  await viewer.receives(5);
  await viewer.peer.close();
  await placesBecome(server, 0);
  assert.equal(await server.metric("viewers_ended_total", { reason: "idle_timeout" }), 1);
  const response = await fetch(viewer.resource);
  await response.body?.cancel();
  assert.equal(response.status, 404);
});

Deno.test("WHEP: an answer that nobody acts on holds a place for connect_timeout_s at most", async () => {
  await using server = await startTestServer({ webrtc: { connect_timeout_s: 1 } }, { ports: 1 });
  await using seen = await WeriftViewer.join(server.signallingUrl("main"));
  const offer = seen.peer.localDescription?.sdp ?? "";
  await seen.closeSocket();
  await placesBecome(server, 0);
  const post = () =>
    fetch(endpoint(server), {
      method: "POST",
      headers: { "Content-Type": "application/sdp" },
      body: offer,
    });
  const accepted = await post();
  assert.match(await accepted.text(), /^v=0\r\n/);
  const refused = await post();
  assert.equal(refused.status, 503);
  assert.ok(Number(refused.headers.get("Retry-After")) >= 1);
  assert.equal((await refused.json()).code, "no_free_port");
  await placesBecome(server, 0);
  assert.equal(await server.metric("viewers_ended_total", { reason: "connect_timeout" }), 1);
});

Deno.test("WHEP: a client that disconnects before its answer frees its place", async () => {
  await using setUp = new RegistrySetUp({ ports: 1 });
  const opening = Promise.withResolvers<void>();
  setUp.renderer.gate = () => opening.promise;
  const parts = { log: NULL_LOGGER, meter: NULL_METER, site: () => ({ allowedOrigins: [] }) };
  const whep = createWhepApp({ sessions: setUp.registry, ...parts });
  await using listener = await Listener.open({
    hostname: "127.0.0.1",
    port: 0,
    key: "server.listen",
    app: (request) => whep.fetch(request),
    clock: SYSTEM_CLOCK,
    log: NULL_LOGGER,
  });
  const leaving = new AbortController();
  const asked = fetch(`http://127.0.0.1:${listener.address.port}/main`, {
    method: "POST",
    headers: { "Content-Type": "application/sdp" },
    body: "h264",
    signal: leaving.signal,
  });
  await eventually(() => setUp.used === 1, { what: "for the place to be taken" });
  leaving.abort();
  await assert.rejects(asked);
  await eventually(() => setUp.used === 0, { what: "for the place to be free" });
  opening.resolve();
});

Deno.test("WHEP: every section of an offer with bundle-only ones is answered on the leased port", async () => {
  await using server = await startTestServer({}, { ports: 1 });
  const [port] = server.ports;
  for (
    const [name, count] of [
      ["firefox_153_max_bundle", 3],
      ["gstreamer_whepsrc_h264", 2],
      ["gstreamer_whepsrc_vp8", 2],
    ] as const
  ) {
    const body = await readOffer(name);
    const response = await fetch(endpoint(server), {
      method: "POST",
      headers: { "Content-Type": "application/sdp" },
      body,
    });
    const answer = await response.text();
    assert.equal(response.status, 201, answer);
    const ports = [...answer.matchAll(/^m=\w+ (\d+) /gm)].map(([, number]) => Number(number));
    assert.deepEqual(ports, Array(count).fill(port), name);
    assert.equal(answer.match(/^a=sendonly\r$/gm)?.length, 2, name);
    const resource = new URL(response.headers.get("Location") ?? "", endpoint(server));
    await (await fetch(resource, { method: "DELETE" })).body?.cancel();
  }
});

Deno.test("WHEP: the log tells which section of an offer gets nothing, and why", async () => {
  const lines: unknown[] = [];
  const log: Logger = {
    ...NULL_LOGGER,
    info: (event, fields) => void (event === "offer_section_unused" && lines.push(fields)),
    child: () => log,
  };
  await using server = await startTestServer({}, { log });
  const response = await fetch(endpoint(server), {
    method: "POST",
    headers: { "Content-Type": "application/sdp" },
    body: (await readOffer("gstreamer_whepsrc_vp8")).replace("OPUS/48000", "PCMU/8000"),
  });
  assert.equal(response.status, 201);
  assert.match(await response.text(), /a=mid:audio1\r\na=inactive\r\n/);
  const [port] = server.ports;
  const reason = "111 is PCMU, which is not sent";
  assert.deepEqual(lines, [{ port, mid: "audio1", media: "audio", reason }]);
});

Deno.test("WHEP: offers that cannot be served are refused in words", async () => {
  await using server = await startTestServer({ video: { codec: "vp8" } });
  const post = async (body: string) => {
    const response = await fetch(endpoint(server), {
      method: "POST",
      headers: { "Content-Type": "application/sdp" },
      body,
    });
    const { code, detail } = await response.json();
    assert.ok(detail.length > 10);
    details.push(detail);
    return [response.status, code];
  };
  const details: string[] = [];
  assert.deepEqual(await post(""), [400, "bad_sdp"]);
  assert.deepEqual(await post("v=0\r\nnonsense"), [400, "bad_sdp"]);
  const offer = await readOffer("gstreamer_whepsrc_vp8");
  assert.deepEqual(await post(offer.replaceAll("VP8", "AV1")), [406, "unsupported_codec"]);
  assert.match(details.at(-1) ?? "", /takes VP8: mid video0: 97 is AV1, which is not sent$/);
  assert.equal(await server.metric("viewers_refused_total", { code: "unsupported_codec" }), 1);
});

Deno.test("WHEP: with a secret an offer needs a token, and its resource none", async () => {
  const secret = crypto.getRandomValues(new Uint8Array(32)).toHex();
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, secret);
    await using server = await startTestServer({ auth: { secret_file: path } });
    const token = await mintToken(new TextEncoder().encode(secret), { session: "main", ttlS: 60 });
    const Authorization = `Bearer ${token}`;
    await assert.rejects(WhepViewer.join(endpoint(server)), /unauthorized/);
    await assert.rejects(WhepViewer.join(endpoint(server, "other"), { Authorization }));
    await using viewer = await WhepViewer.join(endpoint(server), { Authorization });
    await viewer.receives(5);
    assert.equal(await viewer.leave(), 200);
    await placesBecome(server, 0);
    await using _byQuery = await WhepViewer.join(`${endpoint(server)}?token=${token}`);
  } finally {
    await Deno.remove(path);
  }
});
