const LIBC_SYMBOLS = {
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" }, // fd, address, length
  shutdown: { parameters: ["i32", "i32"], result: "i32" }, // fd, how
} as const satisfies Deno.ForeignLibraryInterface;

/** Numbers of Linux that are the same on every processor that Deno runs on. */
const LINUX = { AF_INET: 2, SHUT_RDWR: 2 } as const;

/** Where a `sockaddr` has the port, most significant byte first, and the addresses of IPv4 and IPv6. */
const PORT_OFFSET = 2;
const IPV4 = { offset: 4, bytes: 4 } as const;
const IPV6 = { offset: 8, bytes: 16 } as const;
const ADDRESS_BYTES = 28;

/** File descriptors that are looked at: more connections than a server takes. */
const DESCRIPTORS_MAX = 65_536;

/** Descriptors that are none in a row behind which there are no more; the host gives away the lowest ones first. */
const GAP_MAX = 256;

/**
 * Ends a TCP connection of this process by its other end, whatever Deno makes of it: a TLS connection that is closed
 * while its handshake goes on keeps its descriptor until the client leaves (Deno 2.9.6). Does nothing where there is no
 * such connection, on another system than Linux, or without the permission for FFI.
 */
export function shutDownConnection({ hostname, port }: { hostname: string; port: number }): void {
  if (Deno.build.os !== "linux") return;
  try {
    const libc = Deno.dlopen("libc.so.6", LIBC_SYMBOLS);
    try {
      shutDown(libc, { hostname, port });
    } finally {
      libc.close();
    }
  } catch {
    // Not permitted: the client decides when the descriptor is free.
  }
}

function shutDown(
  { symbols }: Deno.DynamicLibrary<typeof LIBC_SYMBOLS>,
  { hostname, port }: { hostname: string; port: number },
): void {
  const address = new Uint8Array(ADDRESS_BYTES);
  const view = new DataView(address.buffer);
  const wanted = normal(hostname);
  for (let fd = 0, gap = 0; fd < DESCRIPTORS_MAX && gap < GAP_MAX; fd++) {
    if (symbols.getpeername(fd, address, Uint32Array.of(ADDRESS_BYTES)) !== 0) {
      gap += 1;
      continue;
    }
    gap = 0;
    if (view.getUint16(PORT_OFFSET) !== port || normal(hostOf(address)) !== wanted) continue;
    symbols.shutdown(fd, LINUX.SHUT_RDWR);
    return;
  }
}

function hostOf(address: Uint8Array): string {
  const { offset, bytes } = address[0] === LINUX.AF_INET ? IPV4 : IPV6;
  const part = address.subarray(offset, offset + bytes);
  if (bytes === IPV4.bytes) return part.join(".");
  const groups = Array.from(
    { length: 8 },
    (_, at) => ((part[2 * at] ?? 0) * 256 + (part[2 * at + 1] ?? 0)).toString(16),
  );
  return groups.join(":");
}

/** One spelling of each address; IPv4 in IPv6 is IPv4. */
function normal(hostname: string): string {
  const host = hostname.includes(":") ? URL.parse(`http://[${hostname}]`)?.hostname : hostname;
  const [, high = "", low = ""] = /^\[::ffff:([0-9a-f]+):([0-9a-f]+)\]$/.exec(host ?? "") ?? [];
  if (high === "") return host ?? hostname;
  const [one, two] = [parseInt(high, 16), parseInt(low, 16)];
  return [one >> 8, one & 255, two >> 8, two & 255].join(".");
}
