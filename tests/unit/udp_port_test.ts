import assert from "assert";
import { createHash } from "node:crypto";
import { FAMILY } from "../../src/ports/sockaddr.ts";
import { type MessageSocket, NativeUdpSender } from "../../src/ports/native_udp.ts";
import { openUdpPort, type UdpPort, type UdpPortOptions } from "../../src/ports/udp_port.ts";
import { eventually } from "../support/deadline.ts";
import { FakeClock } from "../support/parts/fake_clock.ts";
import { Random } from "../support/random.ts";

const HOST = "127.0.0.1";
const ARRIVAL = { what: "the datagrams that were sent" };
const NOWHERE = { hostname: HOST, port: 9 };

/** A sender of one kind, and a reader that keeps what comes. */
function openPair({ hostname = HOST, ...options }: UdpPortOptions & { hostname?: string } = {}) {
  const refused: number[] = [];
  const port = openUdpPort(hostname, 0, { refused: (count) => refused.push(count), ...options });
  return { port, refused, ...openReader(hostname) };
}

function openReader(hostname = HOST) {
  const reader = openUdpPort(hostname, 0);
  const came: Uint8Array[] = [];
  reader.onDatagram((packet) => void came.push(packet.slice()));
  return { reader, came, to: { hostname, port: reader.port } };
}

function close(...ports: readonly UdpPort[]): Promise<unknown> {
  return Promise.all(ports.map((port) => port.close()));
}

for (const sendsByDeno of [false, true]) {
  const name = `UdpPort, ${sendsByDeno ? "by Deno" : "by sendmmsg"}`;

  Deno.test(`${name}: datagrams of no bytes and of far too many arrive as such, and the port goes on`, async () => {
    const { port, reader, came, to } = openPair({ sendsByDeno });
    assert.ok(port.send(new Uint8Array(0), to));
    await eventually(() => came.length === 1, ARRIVAL);
    assert.ok(port.send(new Uint8Array(65_000), to));
    await eventually(() => came.length === 2, ARRIVAL);
    assert.ok(port.send(new Uint8Array(1200), to));
    await eventually(() => came.length === 3, ARRIVAL);
    // One more than the longest that counts: seen to be too long.
    assert.deepEqual(came.map(({ length }) => length), [0, 1501, 1200]);
    await close(port, reader);
  });

  Deno.test(`${name}: what the host refuses to send is a loss, before and after close`, async () => {
    const { port, reader, came, to, refused } = openPair({ sendsByDeno });
    // What is sent with it arrives.
    port.send(Uint8Array.of(1), to);
    port.send(Uint8Array.of(2), { hostname: HOST, port: 0 });
    port.send(Uint8Array.of(3), to);
    await eventually(() => came.length === 2 && refused.length === 1, ARRIVAL);
    assert.deepEqual([came.map(([first]) => first).sort(), refused], [[1, 3], [1]]);
    port.send(new Uint8Array(70_000), NOWHERE);
    await eventually(() => refused.length === 2, ARRIVAL);
    await close(port, port, reader);
    assert.ok(!port.send(new Uint8Array(10), NOWHERE));
  });

  Deno.test(`${name}: frames of every shape to two viewers arrive whole and in order, whatever becomes of their memory`, async () => {
    const one = openPair({ sendsByDeno });
    const other = openReader();
    const random = new Random(7);
    const sent: [string[], string[]] = [[], []];
    const memory = new Uint8Array(1500);
    for (let frame = 0; frame < 40; frame++) {
      const lengths = frameLengths(random);
      for (const [at, { to }] of [one, other].entries()) {
        for (const length of lengths) {
          const packet = memory.subarray(0, length);
          packet.set(random.bytes(length));
          sent[at]?.push(digest(packet));
          assert.ok(one.port.send(packet, to));
          memory.fill(0);
        }
      }
      // The readers' buffers are small.
      await eventually(
        () => one.came.length === sent[0].length && other.came.length === sent[1].length,
        ARRIVAL,
      );
    }
    // Deno may send what is sent at one time in any order.
    const order = (digests: string[]) => sendsByDeno ? digests.sort() : digests;
    assert.deepEqual(order(one.came.map(digest)), order(sent[0]));
    assert.deepEqual(order(other.came.map(digest)), order(sent[1]));
    await close(one.port, one.reader, other.reader);
  });

  Deno.test(`${name}: a port of both families sends to IPv6 and to IPv4`, async () => {
    const port = openUdpPort("::", 0, { sendsByDeno });
    const readers = [openReader(HOST), openReader("::1")];
    for (const { to } of readers) port.send(Uint8Array.of(7), to);
    // As Deno gives the address of an IPv4 viewer on such a port.
    const mapped = { hostname: `::ffff:${HOST}`, port: readers[0]?.to.port ?? 0 };
    port.send(Uint8Array.of(8), mapped);
    await eventually(() => readers[0]?.came.length === 2 && readers[1]?.came.length === 1, ARRIVAL);
    await close(port, ...readers.map(({ reader }) => reader));
  });

  Deno.test(`${name}: addresses that cannot be reached from it cost themselves alone`, async () => {
    const { port, reader, came, to, refused } = openPair({ sendsByDeno });
    for (const hostname of ["::1", "fe80::1%lo", "not an address"]) {
      port.send(Uint8Array.of(1), { hostname, port: 9 });
    }
    port.send(Uint8Array.of(2), to);
    await eventually(() => came.length === 1 && refused.length === 3, ARRIVAL);
    await close(port, reader);
  });
}

function digest(bytes: Uint8Array): string {
  return createHash("sha1").update(bytes).digest("base64");
}

/** Sometimes equal, sometimes falling, sometimes any. */
function frameLengths(random: Random): number[] {
  const count = 1 + random.below(70);
  const length = 1 + random.below(700);
  switch (random.below(3)) {
    case 0:
      return [...new Array<number>(count).fill(length), random.below(length)];
    case 1:
      return Array.from({ length: count }, (_, at) => length + (at < 3 ? 1 : 0));
    default:
      return Array.from({ length: Math.min(count, 20) }, () => random.below(1501));
  }
}

/** Stands for a host whose buffers are full for a while: on loopback they never are. */
class BusySocket implements MessageSocket {
  readonly family = FAMILY.ipv4;
  /** What the next calls return; then all is taken. */
  readonly answers: ({ sent: number } | { errno: number })[] = [];
  /** Messages that each call was given. */
  readonly calls: number[] = [];
  disposed = false;

  sendMessages(_messages: Uint8Array, count: number) {
    this.calls.push(count);
    return this.answers.shift() ?? { sent: count };
  }

  [Symbol.dispose](): void {
    this.disposed = true;
  }
}

function openSender() {
  const socket = new BusySocket();
  const clock = new FakeClock();
  const refused: number[] = [];
  const sender = new NativeUdpSender(socket, { clock, refused: (count) => refused.push(count) });
  /** Datagrams of falling length, so that each is a message. */
  const send = (count: number, port = 9) => {
    const taken = [];
    for (let at = 0; at < count; at++) {
      taken.push(
        sender.send(new Uint8Array(1 + at % 2 * 100), { hostname: HOST, port: port + at }),
      );
    }
    return taken.filter((each) => each === true).length;
  };
  return { socket, clock, refused, sender, send };
}

const EAGAIN = 11;
const EINTR = 4;
const EIO = 5;

Deno.test("NativeUdpSender: what the host takes no more of waits, and leaves when it does", async () => {
  const { socket, clock, refused, sender, send } = openSender();
  socket.answers.push({ sent: 2 }, { errno: EINTR }, { errno: EAGAIN });
  send(10);
  await Promise.resolve();
  assert.deepEqual(socket.calls, [10, 8, 8]);
  assert.ok(sender.isBlocked);
  send(5, 100);
  await Promise.resolve();
  assert.equal(socket.calls.length, 3, "the host is not asked at each turn");
  socket.answers.push({ errno: EAGAIN });
  await clock.advance(1);
  assert.ok(sender.isBlocked);
  await clock.advance(1);
  assert.deepEqual([socket.calls, sender.isBlocked], [[10, 8, 8, 13, 13], false]);
  assert.deepEqual([refused, clock.pending], [[], 0]);
  sender.close();
  assert.ok(socket.disposed);
});

Deno.test("NativeUdpSender: no more waits than some megabytes", async () => {
  const { socket, clock, sender, send } = openSender();
  socket.answers.push(...new Array(2).fill({ errno: EAGAIN }));
  send(1);
  await Promise.resolve();
  assert.ok(sender.isBlocked);
  assert.equal(send(10_000, 100), 4095, "with the one before, as many as may");
  await clock.advance(1);
  assert.ok(sender.isBlocked);
  await clock.advance(1);
  assert.ok(!sender.isBlocked);
  const sent = socket.calls.slice(2).reduce((sum, count) => sum + count, 0);
  assert.equal(sent, 4096, "all that waited has left");
  sender.close();
});

Deno.test("NativeUdpSender: a burst of more than a turn's messages is sent within the turn", () => {
  const { socket, sender, send } = openSender();
  assert.equal(send(1_000), 1_000);
  assert.deepEqual(socket.calls, [128, 128, 128, 128, 128, 128]);
  sender.close();
  assert.equal(socket.calls.reduce((sum, count) => sum + count, 0), 1_000);
});

Deno.test("NativeUdpSender: where the host cuts no messages up, each datagram is one", async () => {
  const { socket, refused, sender } = openSender();
  const to = { hostname: HOST, port: 9 };
  socket.answers.push({ errno: EIO });
  for (let at = 0; at < 9; at++) sender.send(new Uint8Array(100), to);
  await Promise.resolve();
  assert.deepEqual([socket.calls, refused], [[1, 9], []]);
  // From then on, and what is refused alone is a loss.
  socket.answers.push({ errno: EIO });
  for (let at = 0; at < 9; at++) sender.send(new Uint8Array(100), to);
  await Promise.resolve();
  assert.deepEqual([socket.calls, refused], [[1, 9, 9, 8], [1]]);
  sender.close();
});

Deno.test("NativeUdpSender: after close nothing is sent, and no timer is left", async () => {
  const { socket, clock, sender, send } = openSender();
  socket.answers.push({ errno: EAGAIN }, { errno: EAGAIN });
  send(3);
  await Promise.resolve();
  sender.close();
  sender.close();
  assert.deepEqual([send(1), clock.pending, socket.calls.length], [0, 0, 2]);
});
