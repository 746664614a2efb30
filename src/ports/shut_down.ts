const LIBC_SYMBOLS = {
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" }, // fd, address, length
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

type Libc = Deno.DynamicLibrary<typeof LIBC_SYMBOLS>;

/** A connection of Deno, by its two ends. */
export type CutConnection = Pick<Deno.TcpConn | Deno.TlsConn, "localAddr" | "remoteAddr">;

/**
 * Ends TCP connections of this process by their two ends, whatever Deno makes of them: a TLS connection that is closed
 * keeps its descriptor until the client leaves, while its handshake goes on, or while a write goes on and the client reads
 * nothing (Deno 2.9.6; over plain TCP, to close ends both). It does nothing on another system than Linux, or without the
 * permission for FFI. To open the C library costs milliseconds, so one is for all.
 */
export class ConnectionCutter implements Disposable {
  #libc: Libc | undefined;
  /** They are looked for together: to look through all descriptors for each would block for seconds. */
  #wanted: Ends[] = [];

  constructor() {
    if (Deno.build.os !== "linux") return;
    try {
      this.#libc = Deno.dlopen("libc.so.6", LIBC_SYMBOLS);
    } catch {
      // Not permitted: the client decides when the descriptor is free.
    }
  }

  /**
   * Shuts a connection down at the end of the turn, both ways; reads and writes that go on fail. What the host has taken
   * for it still leaves. Does nothing where the connection is gone.
   */
  cut({ localAddr, remoteAddr }: CutConnection): void {
    if (this.#libc === undefined) return;
    if (this.#wanted.length === 0) queueMicrotask(() => this.#cutAll());
    this.#wanted.push({ local: endOf(localAddr), remote: endOf(remoteAddr) });
  }

  [Symbol.dispose](): void {
    this.#cutAll();
    this.#libc?.close();
    this.#libc = undefined;
  }

  #cutAll(): void {
    const wanted = this.#wanted;
    this.#wanted = [];
    if (this.#libc !== undefined && wanted.length > 0) shutDown(this.#libc, wanted);
  }
}

/** An address and a port. */
interface End {
  readonly host: string;
  readonly port: number;
}

interface Ends {
  readonly local: End;
  readonly remote: End;
}

function shutDown({ symbols }: Libc, wanted: readonly Ends[]): void {
  const address = new Uint8Array(ADDRESS_BYTES);
  const view = new DataView(address.buffer);
  const length = new Uint32Array(1);
  const isAt = ({ host, port }: End) =>
    view.getUint16(PORT_OFFSET) === port && normal(hostOf(address)) === host;
  for (let fd = 0, gap = 0; fd < DESCRIPTORS_MAX && gap < GAP_MAX; fd++) {
    length[0] = ADDRESS_BYTES;
    if (symbols.getpeername(fd, address, length) !== 0) {
      gap += 1;
      continue;
    }
    gap = 0;
    const found = wanted.filter(({ remote }) => isAt(remote));
    if (found.length === 0) continue;
    // Through a tunnel all clients have one address, and may use one port of it towards two of ours.
    length[0] = ADDRESS_BYTES;
    if (symbols.getsockname(fd, address, length) !== 0) continue;
    if (found.some(({ local }) => isAt(local))) symbols.shutdown(fd, LINUX.SHUT_RDWR);
  }
}

function endOf(address: Deno.Addr): End {
  const { hostname, port } = address as Deno.NetAddr;
  return { host: normal(hostname), port };
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
