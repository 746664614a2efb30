const LIBC = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

const [AF_INET, SOCK_STREAM, SOL_SOCKET, SO_LINGER] = [2, 1, 1, 13];

/**
 * Connects to a port, by default of 127.0.0.1, and resets the connection, `count` times. The event loop does not turn meanwhile, so
 * a listener of this process finds all of them reset before it can accept the first.
 */
export function resetConnections(
  port: number,
  count: number,
  { hostname = "127.0.0.1" }: { hostname?: string } = {},
): void {
  const libc = Deno.dlopen("libc.so.6", LIBC);
  const address = new Uint8Array(16);
  address[0] = AF_INET;
  new DataView(address.buffer).setUint16(2, port);
  address.set(hostname.split(".").map(Number), 4);
  const lingerForNoTime = new Int32Array([1, 0]);
  try {
    for (let each = 0; each < count; each++) {
      const fd = libc.symbols.socket(AF_INET, SOCK_STREAM, 0);
      const status = libc.symbols.connect(fd, address, address.length);
      libc.symbols.setsockopt(fd, SOL_SOCKET, SO_LINGER, lingerForNoTime, 8);
      libc.symbols.close(fd);
      if (status !== 0) throw new Error(`No connection to port ${port}`);
    }
  } finally {
    libc.close();
  }
}
