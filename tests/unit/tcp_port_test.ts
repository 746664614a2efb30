import assert from "assert";
import type { MediaAddress } from "../../src/ports/media_address.ts";
import {
  TCP_CONNECTIONS_MAX,
  TCP_FAREWELL_MS_MAX,
  TCP_IDLE_MS_MAX,
  TCP_QUEUE_BYTES_MAX,
  TCP_QUEUE_MS_MAX,
  TCP_UNPROVEN_CONNECTIONS_MAX,
  TCP_UNPROVEN_MS_MAX,
} from "../../src/ports/limits.ts";
import { framedBytes } from "../../src/ports/rfc4571.ts";
import { eventually, within } from "../support/deadline.ts";
import { countSockets } from "../support/network/own_sockets.ts";
import { resetConnections } from "../support/attacks/reset_connections.ts";
import { TcpPeer } from "../support/clients/tcp_peer.ts";
import { addressOf, TCP_CHECK, TestTcpPort } from "../support/parts/tcp_port.ts";

const DTLS = Uint8Array.of(22, 254, 253, ...new Uint8Array(20));
const RTCP = Uint8Array.of(0x80, 201, ...new Uint8Array(20));

Deno.test("MediaPort: packets over TCP come and go by the connection that they belong to", async () => {
  await using subject = await TestTcpPort.open();
  await using one = await subject.connect();
  await using two = await subject.connect();
  assert.deepEqual(subject.arrivals.map(({ from }) => from), [addressOf(one), addressOf(two)]);
  assert.deepEqual(subject.arrivals.map(({ packet }) => packet), [TCP_CHECK, TCP_CHECK]);
  assert.ok(subject.port.send(Uint8Array.of(1), addressOf(one)));
  assert.ok(subject.port.send(Uint8Array.of(2), addressOf(two)));
  await one.receives(1);
  await two.receives(1);
  assert.deepEqual([one.packets, two.packets], [[Uint8Array.of(1)], [Uint8Array.of(2)]]);
  assert.equal(subject.connections("proven"), 2);
});

Deno.test("MediaPort: a datagram and a connection of one port number are two ways", async () => {
  await using subject = await TestTcpPort.open();
  await using peer = await subject.connect();
  const { port } = subject.port;
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: peer.port });
  await socket.send(DTLS, { transport: "udp", hostname: "127.0.0.1", port });
  await eventually(() => subject.arrivals.length === 2, { what: "for the datagram" });
  const from: MediaAddress = { ...addressOf(peer), transport: "udp" };
  assert.deepEqual(subject.arrivals[1]?.from, from);
  subject.port.send(Uint8Array.of(9), from);
  assert.deepEqual((await socket.receive())[0], Uint8Array.of(9));
  assert.equal(peer.packets.length, 0);
  socket.close();
});

Deno.test("MediaPort: the packets of one moment arrive whole, in order, and none is lost", async () => {
  await using subject = await TestTcpPort.open();
  await using peer = await subject.connect();
  const packets = Array.from({ length: 400 }, (_, at) => new Uint8Array(1200).fill(at));
  for (const packet of packets) subject.port.send(packet, addressOf(peer));
  await peer.receives(400);
  assert.deepEqual(peer.packets, packets);
});

Deno.test("MediaPort: a connection that begins with what no browser sends is closed at once", async () => {
  await using subject = await TestTcpPort.open();
  const beginnings = [
    [new TextEncoder().encode("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "too_long"],
    [Uint8Array.of(22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3), "too_long"],
    [Uint8Array.of(0, 40, ...new TextEncoder().encode("no packet".repeat(5))), "not_webrtc"],
    [Uint8Array.of(0, 20, ...new Uint8Array(20)), "not_webrtc"],
    [Uint8Array.of(0, 3, 1, 2, 3), "not_webrtc"],
    [Uint8Array.of(0, 1, 0), "not_webrtc"],
  ] as const;
  for (const [bytes, reason] of beginnings) {
    const before = subject.ended(reason);
    await using peer = await TcpPeer.connect(subject.port.port);
    await peer.write(bytes);
    await peer.closes();
    assert.equal(subject.ended(reason), before + 1);
  }
  assert.deepEqual(subject.arrivals, []);
});

Deno.test("MediaPort: a connection may begin with a check, with DTLS and with SRTCP", async () => {
  await using subject = await TestTcpPort.open();
  for (const packet of [TCP_CHECK, DTLS, RTCP]) {
    await using peer = await TcpPeer.connect(subject.port.port);
    await peer.send(packet);
    await subject.hears(peer);
    assert.deepEqual(subject.arrivals.at(-1)?.packet, packet);
  }
});

Deno.test("MediaPort: whatever a connection sends is taken behind an authentic packet", async () => {
  await using subject = await TestTcpPort.open();
  await using peer = await subject.connect();
  await peer.send(Uint8Array.of(100));
  await eventually(() => subject.arrivals.length === 2, { what: "for the packet" });
  assert.deepEqual(subject.arrivals[1]?.packet, Uint8Array.of(100));
});

Deno.test("MediaPort: a packet that is too long closes the connection, proven or not", async () => {
  await using subject = await TestTcpPort.open();
  await using peer = await subject.connect();
  await peer.send(new Uint8Array(1501));
  await peer.closes();
  assert.equal(subject.ended("too_long"), 1);
  assert.deepEqual(subject.disconnected, [addressOf(peer)]);
});

Deno.test("MediaPort: a connection that proves nothing is closed after a while, a proven one stays", async () => {
  await using subject = await TestTcpPort.open();
  await using silent = await TcpPeer.connect(subject.port.port);
  await using proven = await subject.connect();
  await using stranger = await subject.connect({ proves: false });
  await subject.clock.advance(TCP_UNPROVEN_MS_MAX - 1);
  assert.equal(subject.ended("unproven"), 0);
  await subject.clock.advance(1);
  await silent.closes();
  await stranger.closes();
  assert.equal(subject.ended("unproven"), 2);
  assert.ok(!proven.isOver);
  assert.equal(subject.connections("proven"), 1);
  assert.equal(subject.connections("unproven"), 0);
});

Deno.test("MediaPort: a connection without a further check is closed when it was idle", async () => {
  await using subject = await TestTcpPort.open();
  await using checking = await subject.connect();
  await using idle = await subject.connect();
  await subject.clock.advance(TCP_IDLE_MS_MAX - 1);
  subject.port.prove(addressOf(checking));
  // Other packets are no proof.
  await idle.send(DTLS);
  await subject.clock.advance(1);
  await idle.closes();
  assert.equal(subject.ended("idle"), 1);
  assert.ok(!checking.isOver);
});

Deno.test("MediaPort: one newcomer too many ends the one that waits longest, never a proven one", async () => {
  await using subject = await TestTcpPort.open();
  await using proven = await subject.connect();
  await using waiting = new AsyncDisposableStack();
  const peers: TcpPeer[] = [];
  for (let at = 0; at < TCP_UNPROVEN_CONNECTIONS_MAX; at++) {
    peers.push(waiting.use(await TcpPeer.connect(subject.port.port)));
  }
  await using browser = await subject.connect();
  const [oldest, second] = peers;
  await oldest?.closes();
  assert.equal(subject.ended("crowded"), 1);
  assert.ok(!second?.isOver && !proven.isOver && !browser.isOver);
  assert.equal(subject.connections("proven"), 2);
  assert.equal(subject.connections("unproven"), TCP_UNPROVEN_CONNECTIONS_MAX - 1);
});

Deno.test("MediaPort: a port takes so many connections and closes further ones at once", async () => {
  await using subject = await TestTcpPort.open();
  await using all = new AsyncDisposableStack();
  for (let at = 0; at < TCP_CONNECTIONS_MAX; at += 16) {
    const some = await Promise.all(Array.from({ length: 16 }, () => subject.connect()));
    for (const peer of some) all.use(peer);
  }
  await using further = await TcpPeer.connect(subject.port.port);
  await further.closes();
  assert.equal(subject.connections("proven"), TCP_CONNECTIONS_MAX);
  assert.equal(subject.ended("crowded"), 1);
});

Deno.test("MediaPort: a reader that never reads costs a bounded queue, and others nothing", async () => {
  await using subject = await TestTcpPort.open();
  await using stuck = await subject.connect({ reads: false });
  await using other = await subject.connect();
  const packet = new Uint8Array(1200);
  const dropped = () => subject.meter.value("packets_dropped_total", { reason: "tcp_backlog" });
  // The queue, and what the host itself takes: without its limit that would be megabytes.
  const enough = (TCP_QUEUE_BYTES_MAX + 1_000_000) / packet.length;
  for (let sent = 0; dropped() === 0; sent++) {
    assert.ok(sent < enough, "nothing was dropped yet");
    subject.port.send(packet, addressOf(stuck));
    if (sent % 50 === 0) await new Promise((resolve) => setTimeout(resolve));
  }
  // Nothing waits longer than its time either.
  subject.port.send(packet, addressOf(stuck));
  const before = dropped();
  await subject.clock.advance(TCP_QUEUE_MS_MAX);
  subject.port.send(packet, addressOf(stuck));
  const late = dropped() - before;
  assert.ok(late >= 1 && late <= TCP_QUEUE_BYTES_MAX / framedBytes(packet), `${late} were late`);
  subject.port.send(packet, addressOf(other));
  await other.receives(1);
  assert.ok(!stuck.isOver);
});

Deno.test("MediaPort: an address that is released takes its last packets along and is closed then", async () => {
  await using subject = await TestTcpPort.open();
  await using peer = await subject.connect();
  subject.port.send(Uint8Array.of(1), addressOf(peer));
  subject.port.send(Uint8Array.of(2), addressOf(peer));
  subject.port.release(addressOf(peer));
  subject.port.release(addressOf(peer));
  subject.port.send(Uint8Array.of(3), addressOf(peer));
  await peer.closes();
  assert.deepEqual(peer.packets, [Uint8Array.of(1), Uint8Array.of(2)]);
  assert.equal(subject.ended("released"), 1);
  assert.ok(!subject.port.send(Uint8Array.of(4), addressOf(peer)));
});

Deno.test("MediaPort: connections that are reset before they are accepted hold up no other", async () => {
  await using subject = await TestTcpPort.open();
  // The clock stands: a pause would not end.
  resetConnections(subject.port.port, 400);
  await using peer = await subject.connect();
  assert.equal(subject.connections("proven"), 1);
  assert.ok(peer.port > 0);
});

Deno.test("MediaPort: a released connection that does not drain is closed all the same", async () => {
  await using subject = await TestTcpPort.open();
  await using stuck = await subject.connect({ reads: false });
  for (let at = 0; at < 1_000; at++) {
    subject.port.send(new Uint8Array(1200), addressOf(stuck));
    if (at % 50 === 0) await new Promise((resolve) => setTimeout(resolve));
  }
  subject.port.release(addressOf(stuck));
  assert.equal(subject.ended("released"), 0);
  await subject.clock.advance(TCP_FAREWELL_MS_MAX);
  assert.equal(subject.ended("released"), 1);
});

Deno.test("MediaPort: a connection that the browser closes is told, once", async () => {
  await using subject = await TestTcpPort.open();
  {
    await using peer = await subject.connect();
    assert.ok(!peer.isOver);
  }
  await eventually(() => subject.disconnected.length === 1, { what: "for the news" });
  assert.equal(subject.ended("remote"), 1);
  assert.equal(subject.clock.pending, 0, "no timer is left");
  assert.ok(!subject.port.send(Uint8Array.of(1), subject.disconnected[0] ?? assert.fail()));
});

Deno.test("MediaPort: closing ends every connection and every timer, twice as well as once", async () => {
  const subject = await TestTcpPort.open();
  await using proven = await subject.connect();
  await using unproven = await TcpPeer.connect(subject.port.port);
  await using stuck = await subject.connect({ reads: false });
  for (let at = 0; at < 1_000; at++) subject.port.send(new Uint8Array(1200), addressOf(stuck));
  await subject.port.close();
  await subject.port.close();
  await proven.closes();
  await unproven.closes();
  assert.equal(subject.clock.pending, 0);
  await assert.rejects(TcpPeer.connect(subject.port.port), Deno.errors.ConnectionRefused);
});

/** A peer that proves nothing and reads nothing, and has more sent to it than the host takes. */
async function connectStuck(subject: TestTcpPort): Promise<TcpPeer> {
  const stuck = await subject.connect({ reads: false, proves: false });
  for (let at = 0; at < 8_000; at++) {
    subject.port.send(new Uint8Array(1200), addressOf(stuck));
    if (at % 50 === 0) await new Promise((resolve) => setTimeout(resolve));
  }
  assert.ok(subject.meter.value("packets_dropped_total", { reason: "tcp_backlog" }) > 0);
  return stuck;
}

Deno.test("MediaPort: a peer that reads nothing makes room at once, descriptor and all", async () => {
  await using subject = await TestTcpPort.open();
  await using stuck = await connectStuck(subject);
  assert.ok(!stuck.isOver);
  const before = countSockets();
  await using crowd = new AsyncDisposableStack();
  for (let at = 0; at < TCP_UNPROVEN_CONNECTIONS_MAX; at++) {
    crowd.use(await TcpPeer.connect(subject.port.port));
  }
  await eventually(() => subject.ended("crowded") === 1, { what: "for it to make room" });
  await using browser = await subject.connect();
  subject.port.send(Uint8Array.of(1), addressOf(browser));
  await browser.receives(1);
  // Each newcomer has two, one at each end; the browser took the place of one more.
  const expected = before + 2 * TCP_UNPROVEN_CONNECTIONS_MAX + 2 - 2;
  await eventually(() => countSockets() === expected, {
    what: () => `for ${countSockets() - expected} sockets to go`,
  });
});

Deno.test({
  name: "MediaPort: without FFI a peer that reads nothing holds up neither newcomers nor the end",
  permissions: { net: true, read: true, env: true, ffi: false },
  fn: async () => {
    const subject = await TestTcpPort.open();
    await using _ = await connectStuck(subject);
    await using crowd = new AsyncDisposableStack();
    for (let at = 0; at < TCP_UNPROVEN_CONNECTIONS_MAX; at++) {
      crowd.use(await TcpPeer.connect(subject.port.port));
    }
    await using browser = await subject.connect();
    assert.ok(!browser.isOver);
    await using __ = await connectStuck(subject);
    await within(subject.port.close(), { what: "for the port to close" });
  },
});
