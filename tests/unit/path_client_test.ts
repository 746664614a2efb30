import assert from "assert";
import { SYSTEM_CLOCK } from "../../src/base/clock.ts";
import { formatFrames, FrameReader } from "../../src/ports/rfc4571.ts";
import { checkTcpPath, checkUdpPath, type PathTarget } from "../../src/doctor/path_client.ts";
import { PathProbe } from "../../src/transport/ice/path_probe.ts";
import { formatBindingSuccess } from "../../src/transport/ice/stun_format.ts";
import { parseMessage } from "../support/parts/checks.ts";

const LOOPBACK = "127.0.0.1";
const SOON = { deadlineMs: 30_000 };
const BRIEF = { deadlineMs: 700 };

/** Credentials of one port, and the probe that knows them. */
function setUp() {
  const probe = new PathProbe([1], { clock: SYSTEM_CLOCK });
  const [port] = probe.open().ports;
  assert(port !== undefined);
  const { ufrag, pwd } = port.credentials;
  const answer = (packet: Uint8Array, from: Deno.NetAddr) => {
    const { transport, hostname, port } = from;
    const at = { localPort: 1, from: { transport, hostname, port } };
    const outcome = probe.answer(parseMessage(packet), at);
    return "reply" in outcome ? outcome.reply : undefined;
  };
  const target = (port: number): PathTarget => ({ to: { hostname: LOOPBACK, port }, ufrag, pwd });
  return { answer, target };
}

type Answer = ReturnType<typeof setUp>["answer"];

/** A UDP port that answers with what `answer` makes of each request. */
function openUdpServer(answer: Answer): AsyncDisposable & { readonly port: number } {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: LOOPBACK, port: 0 });
  const serving = serve();
  async function serve(): Promise<void> {
    for await (const [packet, from] of socket) {
      const reply = answer(packet, from as Deno.NetAddr);
      if (reply !== undefined) await socket.send(reply, from);
    }
  }
  return {
    port: (socket.addr as Deno.NetAddr).port,
    async [Symbol.asyncDispose]() {
      socket.close();
      await serving.catch(() => {});
    },
  };
}

/** A TCP port that answers the first frame of each connection, or closes it where there is no answer. */
function openTcpServer(answer: Answer): Disposable & { readonly port: number } {
  const listener = Deno.listen({ hostname: LOOPBACK, port: 0 });
  void serve().catch(() => {});
  async function serve(): Promise<void> {
    for await (const connection of listener) {
      const reader = new FrameReader(1500);
      const buffer = new Uint8Array(1500);
      const count = await connection.read(buffer);
      const replies: Uint8Array[] = [];
      reader.push(buffer.subarray(0, count ?? 0), (packet) => {
        const reply = answer(packet, connection.remoteAddr as Deno.NetAddr);
        if (reply !== undefined) replies.push(reply);
      });
      if (replies.length > 0) {
        await connection.write(formatFrames(replies));
        await connection.read(buffer);
      }
      connection.close();
    }
  }
  return {
    port: (listener.addr as Deno.NetAddr).port,
    [Symbol.dispose]: () => listener.close(),
  };
}

Deno.test("checkUdpPath: tells the round trip and where the server saw it come from", async () => {
  const { answer, target } = setUp();
  await using server = openUdpServer(answer);
  const outcome = await checkUdpPath(target(server.port), SOON);
  assert(outcome.kind === "answered");
  assert.equal(outcome.seenFrom.hostname, LOOPBACK);
  assert.ok(outcome.roundTripMs > 0);
});

Deno.test("checkUdpPath: goes on after losses, and asks anew each time", async () => {
  const { answer, target } = setUp();
  const seen = new Set<string>();
  await using server = openUdpServer((packet, from) => {
    seen.add(parseMessage(packet).transactionId.join());
    return seen.size < 3 ? undefined : answer(packet, from);
  });
  assert.equal((await checkUdpPath(target(server.port), SOON)).kind, "answered");
  assert.equal(seen.size, 3);
});

Deno.test("checkUdpPath: what the server did not sign counts as altered, and the true answer wins", async () => {
  const { answer, target } = setUp();
  // Without a key of the server's everything can be made but MESSAGE-INTEGRITY.
  const forged = (packet: Uint8Array, { hostname, port }: Deno.NetAddr) =>
    formatBindingSuccess({
      transactionId: parseMessage(packet).transactionId,
      mappedAddress: { hostname, port },
      key: "another",
    });
  const damaged = (packet: Uint8Array, from: Deno.NetAddr) => {
    const reply = answer(packet, from)?.slice();
    const last = (reply?.length ?? 0) - 1;
    reply?.set([(reply[last] ?? 0) ^ 1], last);
    return reply;
  };
  await using forger = openUdpServer(forged);
  await using damager = openUdpServer(damaged);
  await using echo = openUdpServer((packet) => packet);
  await using noise = openUdpServer(() => new Uint8Array(40));
  const outcomes = [forger, damager, echo, noise].map(({ port }) =>
    checkUdpPath(target(port), { deadlineMs: 3_000 })
  );
  const altered = { kind: "altered" };
  assert.deepEqual(await Promise.all(outcomes), [altered, altered, altered, altered]);
  let isFirst = true;
  await using late = openUdpServer((packet, from) => {
    const reply = isFirst ? forged(packet, from) : answer(packet, from);
    isFirst = false;
    return reply;
  });
  assert.equal((await checkUdpPath(target(late.port), SOON)).kind, "answered");
});

Deno.test("checkUdpPath: nothing is silence", async () => {
  const { target } = setUp();
  await using server = openUdpServer(() => undefined);
  assert.deepEqual(await checkUdpPath(target(server.port), BRIEF), { kind: "silent" });
});

Deno.test("checkTcpPath: an answer in a frame counts, a closed or refusing port is told apart", async () => {
  const { answer, target } = setUp();
  let port: number;
  {
    using server = openTcpServer(answer);
    port = server.port;
    assert.equal((await checkTcpPath(target(port), SOON)).kind, "answered");
    using closing = openTcpServer(() => undefined);
    const closed = await checkTcpPath(target(closing.port), SOON);
    assert(closed.kind === "refused");
    assert.match(closed.reason, /closed without an answer/);
  }
  assert.equal((await checkTcpPath(target(port), SOON)).kind, "refused");
});

Deno.test("checkTcpPath: a port that takes the connection and says nothing is silent", async () => {
  const { target } = setUp();
  using listener = Deno.listen({ hostname: LOOPBACK, port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  assert.deepEqual(await checkTcpPath(target(port), BRIEF), { kind: "silent" });
});
