import { formatIp, parseIp, type SocketAddress } from "../base/ip.ts";
import { readPort, readSockaddr, SOCKADDR_BYTES } from "./sockaddr.ts";

const LIBC_SYMBOLS = {
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" }, // fd, address, length
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" }, // fd, address, length
  shutdown: { parameters: ["i32", "i32"], result: "i32" }, // fd, how
} as const satisfies Deno.ForeignLibraryInterface;

/** `SHUT_RDWR` of Linux. */
const SHUT_BOTH = 2;

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

interface Ends {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
}

function shutDown({ symbols }: Libc, wanted: readonly Ends[]): void {
  const sockaddr = new Uint8Array(SOCKADDR_BYTES);
  const length = new Uint32Array(1);
  const isAt = ({ hostname, port }: SocketAddress) =>
    readPort(sockaddr) === port && readSockaddr(sockaddr).hostname === hostname;
  for (let fd = 0, gap = 0; fd < DESCRIPTORS_MAX && gap < GAP_MAX; fd++) {
    length[0] = SOCKADDR_BYTES;
    if (symbols.getpeername(fd, sockaddr, length) !== 0) {
      gap += 1;
      continue;
    }
    gap = 0;
    const found = wanted.filter(({ remote }) => isAt(remote));
    if (found.length === 0) continue;
    // Through a tunnel all clients have one address, and may use one port of it towards two of ours.
    length[0] = SOCKADDR_BYTES;
    if (symbols.getsockname(fd, sockaddr, length) !== 0) continue;
    if (found.some(({ local }) => isAt(local))) symbols.shutdown(fd, SHUT_BOTH);
  }
}

/** One spelling of each address. */
function endOf(address: Deno.Addr): SocketAddress {
  const { hostname, port } = address as Deno.NetAddr;
  return { hostname: formatIp(parseIp(hostname)), port };
}
