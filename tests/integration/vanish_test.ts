import assert from "assert";
import { SecureChannel } from "../../src/transport/dtls/secure_channel.ts";
import { createServerCertificate } from "../../src/transport/dtls/server_certificate.ts";
import { formatBindingRequest } from "../../src/transport/ice/stun_format.ts";
import { eventually, patience, within } from "../support/deadline.ts";
import { TestDtlsClient } from "../support/clients/dtls_client.ts";
import { type Ending, RawWebSocket } from "../support/clients/raw_web_socket.ts";
import { ServerProcess } from "../support/servers/server_process.ts";
import { TcpRelay } from "../support/network/tcp_relay.ts";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";

/** Cycles of each kind; half of them end by a clean close, the others by a TCP reset. */
const CYCLES = {
  silent: 300,
  offered: 250,
  answered: 250,
  handshaking: 180,
  watching: 20,
} as const;

/** How many of them go on at a time. */
const TOGETHER = 8;
const WATCHERS_TOGETHER = 4;

/** Descriptors that a busy runtime may have open for a moment beyond what it began with. */
const SPARE_DESCRIPTORS = 4;

/** Growth in bytes that is garbage yet to be collected: four times as many viewers leave as little behind. */
const GROWTH_BYTES_MAX = 150e6;

const OFFER = await Deno.readTextFile(
  new URL("../testdata/sdp/chrome_156_sendrecv_data.offer.sdp", import.meta.url),
);

/** A small picture, and deadlines as short as viewers can meet, on a busy machine too. */
const CONFIG = {
  "webrtc.connect_timeout_s": Math.ceil(3 * patience()),
  "webrtc.idle_timeout_s": Math.ceil(6 * patience()),
  "webrtc.peers_per_port": 16,
  "sessions.viewers_per_session": 40,
  "video.width": 160,
  "video.height": 120,
  "video.fps": 10,
} as const;

/** One viewer that comes and goes. */
interface Cycle {
  readonly server: ServerProcess;
  readonly session: string;
  readonly ending: Ending;
}

async function silent({ server, session, ending }: Cycle): Promise<void> {
  const socket = await RawWebSocket.open(server, session);
  await socket.end(ending);
}

async function offered({ server, session, ending }: Cycle): Promise<void> {
  const socket = await RawWebSocket.open(server, session);
  await socket.say({ type: "offer", sdp: OFFER });
  // Else the reset may take the offer along before the server has read it.
  await new Promise((resolve) => setTimeout(resolve, 5));
  await socket.end(ending);
}

async function answered(cycle: Cycle): Promise<void> {
  const { socket } = await join(cycle);
  await socket.end(cycle.ending);
}

/** Offers until there is a place, as pages do. */
async function join({ server, session }: Cycle): Promise<{ socket: RawWebSocket; sdp: string }> {
  let joined: { socket: RawWebSocket; sdp: string } | undefined;
  await eventually(async () => {
    const socket = await RawWebSocket.open(server, session);
    await socket.say({ type: "offer", sdp: OFFER });
    const { type, code, sdp } = await socket.hear("answer", "error");
    if (type === "answer") {
      joined = { socket, sdp: String(sdp) };
      return true;
    }
    assert.equal(code, "no_free_port");
    await socket.end("closed");
    await new Promise((resolve) => setTimeout(resolve, 200));
    return false;
  }, { what: "for a place" });
  return joined ?? assert.fail();
}

/** Proves its path, begins the handshake, and is never heard again. */
async function handshaking(cycle: Cycle): Promise<void> {
  const { socket, sdp } = await join(cycle);
  const udp = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const port = Number(/^m=\w+ (\d+)/m.exec(sdp)?.[1]);
  const to = { transport: "udp", hostname: "127.0.0.1", port } as const;
  const field = (name: string, text: string) =>
    new RegExp(`^a=${name}:(\\S+)`, "m").exec(text)?.[1] ?? assert.fail(name);
  const check = formatBindingRequest({
    transactionId: new Uint8Array(12),
    key: field("ice-pwd", sdp),
    username: `${field("ice-ufrag", sdp)}:${field("ice-ufrag", OFFER)}`,
    priority: 1,
    role: "controlling",
    tieBreaker: 1n,
    useCandidate: true,
  });
  for (const packet of [check, await clientHello()]) {
    await udp.send(packet, to);
    await within(udp.receive(), { what: "for an answer over UDP" });
  }
  udp.close();
  await socket.end(cycle.ending);
}

let hello: Promise<Uint8Array> | undefined;

/** The first datagram of a DTLS handshake; one for all. */
function clientHello(): Promise<Uint8Array> {
  return hello ??= (async () => {
    const certificate = createServerCertificate();
    const remoteFingerprints = [certificate.fingerprint];
    const send = (packet: Uint8Array) => client.receive(packet);
    const channel = new SecureChannel({ certificate, remoteFingerprints, send });
    await using client = new TestDtlsClient(() => channel, { certificate });
    const established = channel.establish();
    await client.connect();
    await established;
    channel.close();
    return client.sent[0] ?? assert.fail("no hello");
  })();
}

/** Watches for a while, falls silent, and loses its WebSocket. */
async function watching({ server, session, ending }: Cycle): Promise<void> {
  const port = Number(new URL(server.origin).port);
  const relay = ending === "cut" ? new TcpRelay(port) : undefined;
  const url = `ws://127.0.0.1:${relay?.port ?? port}/ws/${session}`;
  await using viewer = await WeriftViewer.play(url);
  await viewer.receives(10);
  await viewer.vanish();
  relay?.close();
}

/** Runs `count` cycles, some at a time, half of them with each ending. */
async function repeat(
  server: ServerProcess,
  cycle: (cycle: Cycle) => Promise<void>,
  { count, together = TOGETHER }: { count: number; together?: number },
): Promise<void> {
  let begun = 0;
  const worker = async () => {
    while (begun < count) {
      const number = begun++;
      const ending = number % 2 === 0 ? "closed" : "cut";
      await cycle({ server, session: `s${number % 6}`, ending });
    }
  };
  await Promise.all(Array.from({ length: together }, worker));
}

/**
 * Every kind, a share of {@link CYCLES}. Those who watch come when the others are gone, since they would find no place
 * among them, or too little time for their handshake.
 */
async function everyKind(
  server: ServerProcess,
  { share, descriptorsMax }: { share: number; descriptorsMax: number },
): Promise<void> {
  const part = (count: number) => Math.round(count * share);
  await Promise.all([
    repeat(server, silent, { count: part(CYCLES.silent) }),
    repeat(server, offered, { count: part(CYCLES.offered) }),
    repeat(server, answered, { count: part(CYCLES.answered) }),
    repeat(server, handshaking, { count: part(CYCLES.handshaking) }),
  ]);
  await becomesEmpty(server, descriptorsMax);
  await repeat(server, watching, { count: part(CYCLES.watching), together: WATCHERS_TOGETHER });
  await becomesEmpty(server, descriptorsMax);
}

/** What a process holds. */
function held({ pid }: ServerProcess): { descriptors: number; children: number; bytes: number } {
  const read = (file: string) => Deno.readTextFileSync(`/proc/${pid}/${file}`);
  const tasks = [...Deno.readDirSync(`/proc/${pid}/task`)];
  const children = tasks.flatMap(({ name }) => read(`task/${name}/children`).split(" "));
  return {
    descriptors: [...Deno.readDirSync(`/proc/${pid}/fd`)].length,
    children: children.filter((child) => child !== "").length,
    bytes: 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(read("status"))?.[1]),
  };
}

/** Waits until the server has no viewer, session or place in use, and no more descriptors than it may. */
async function becomesEmpty(server: ServerProcess, descriptorsMax: number): Promise<void> {
  let left = {};
  await eventually(async () => {
    left = {
      sessions: await server.metric("sessions"),
      viewers: await server.metric("viewers"),
      places: await server.metric("port_places", { state: "used" }),
      surplus: Math.max(0, held(server).descriptors - descriptorsMax),
    };
    return Object.values(left).every((count) => count === 0);
  }, { what: () => `for the server to be empty: ${JSON.stringify(left)}` });
  const response = await fetch(`${server.origin}/api/sessions`);
  assert.deepEqual(await response.json(), []);
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}

Deno.test("vanish: of a thousand viewers that come and go in every way nothing is left", async () => {
  await using server = await ServerProcess.start({ config: CONFIG });
  const fresh = held(server);
  const descriptorsMax = fresh.descriptors + SPARE_DESCRIPTORS;
  await everyKind(server, { share: 0.2, descriptorsMax });
  const warm = held(server);
  await everyKind(server, { share: 0.8, descriptorsMax });
  const last = held(server);
  const grown = last.bytes - warm.bytes;
  const figures = `resident: ${megabytes(fresh.bytes)} at first, ${megabytes(warm.bytes)} after ` +
    `a fifth, ${megabytes(last.bytes)} in the end`;
  Deno.stdout.writeSync(new TextEncoder().encode(`${figures}\n`));
  assert.ok(grown < GROWTH_BYTES_MAX, `${megabytes(grown)} of memory are left behind`);
  assert.equal(last.children, fresh.children);
  const joined = await server.metric("viewers_joined_total");
  const ended = await server.metric("viewers_ended_total");
  assert.equal(joined, ended);
  assert.ok(joined >= CYCLES.answered + CYCLES.handshaking + CYCLES.watching, `${joined} joined`);
  assert.equal(await server.metric("packets_dropped_total", { reason: "internal_error" }), 0);
  assert.deepEqual(server.complaints.filter(({ level }) => level === "error"), []);
});

Deno.test("vanish: two hundred WebSockets that say nothing keep nobody out", async () => {
  await using server = await ServerProcess.start({ config: CONFIG });
  const before = held(server);
  const sockets = await Promise.all(
    Array.from({ length: 200 }, () => RawWebSocket.open(server, "main")),
  );
  assert.ok(held(server).descriptors >= before.descriptors + 200);
  await answered({ server, session: "main", ending: "closed" });
  await watching({ server, session: "main", ending: "closed" });
  await Promise.all(sockets.map((socket, at) => socket.end(at % 2 === 0 ? "cut" : "closed")));
  await becomesEmpty(server, before.descriptors + SPARE_DESCRIPTORS);
});
