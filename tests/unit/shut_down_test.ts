import assert from "assert";
import { ConnectionCutter } from "../../src/ports/shut_down.ts";
import { within } from "../support/deadline.ts";

const LIBC = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

const LINUX = { AF_INET: 2, SOCK_STREAM: 1, SOL_SOCKET: 1, SO_REUSEADDR: 2 } as const;

/** A `sockaddr_in` of 127.0.0.1. */
function loopback(port: number): Uint8Array<ArrayBuffer> {
  const address = new Uint8Array(16);
  address[0] = LINUX.AF_INET;
  new DataView(address.buffer).setUint16(2, port);
  address.set([127, 0, 0, 1], 4);
  return address;
}

/** Connects to each of these ports of 127.0.0.1 from one and the same port of it, as a tunnel may. */
function connectFromOnePort(ports: readonly number[]): Disposable {
  const libc = Deno.dlopen("libc.so.6", LIBC);
  const probe = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const from = loopback(probe.addr.port);
  probe.close();
  const descriptors = ports.map((port) => {
    const fd = libc.symbols.socket(LINUX.AF_INET, LINUX.SOCK_STREAM, 0);
    const yes = Int32Array.of(1);
    libc.symbols.setsockopt(fd, LINUX.SOL_SOCKET, LINUX.SO_REUSEADDR, yes, 4);
    assert.equal(libc.symbols.bind(fd, from, from.length), 0);
    assert.equal(libc.symbols.connect(fd, loopback(port), from.length), 0);
    return fd;
  });
  return {
    [Symbol.dispose]() {
      for (const fd of descriptors) libc.symbols.close(fd);
      libc.close();
    },
  };
}

Deno.test("ConnectionCutter: of connections from one address and port, only the one at its local end is cut", async () => {
  const listeners = [1, 2, 3].map(() => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  using _ = connectFromOnePort(listeners.map(({ addr }) => addr.port));
  const conns = await Promise.all(listeners.map((listener) => listener.accept()));
  assert.equal(new Set(conns.map(({ remoteAddr }) => remoteAddr.port)).size, 1);
  using cutter = new ConnectionCutter();
  const ended = new Set<number>();
  const reads = conns.map((conn, at) =>
    conn.read(new Uint8Array(1)).then(() => ended.add(at), () => {})
  );
  // Neither the first nor the last one that there is.
  cutter.cut(conns[1] ?? assert.fail());
  await within(reads[1] ?? assert.fail(), { what: "for the connection to end" });
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual([...ended], [1]);
  for (const each of [...conns, ...listeners]) each.close();
  await Promise.all(reads);
});

Deno.test("ConnectionCutter: connections of IPv6, and IPv4 at a listener of both, are found; several at once too", async () => {
  const listeners = ["::1", "::"].map((hostname) => Deno.listen({ hostname, port: 0 }));
  const [six, both] = listeners.map(({ addr }) => addr.port);
  const clients = [
    await Deno.connect({ hostname: "::1", port: six ?? 0 }),
    await Deno.connect({ hostname: "127.0.0.1", port: both ?? 0 }),
  ];
  const conns = await Promise.all(listeners.map((listener) => listener.accept()));
  using cutter = new ConnectionCutter();
  for (const conn of conns) cutter.cut(conn);
  for (const client of clients) {
    const read = client.read(new Uint8Array(1));
    assert.equal(await within(read, { what: "for the connection to end" }), null);
  }
  for (const each of [...conns, ...clients, ...listeners]) each.close();
});
