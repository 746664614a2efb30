import { errorText } from "../base/errors.ts";

/**
 * The part of the C library that sets socket options, of which Deno has no more than two. Variadic functions are not
 * among them.
 */
const LIBC_SYMBOLS = {
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" }, // fd, address, length
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" }, // fd, level, name, value, length
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" }, // fd, level, name, value, length
} as const satisfies Deno.ForeignLibraryInterface;

/** Numbers of Linux that are the same on every processor that Deno runs on. */
const LINUX = { SOL_SOCKET: 1, SO_ACCEPTCONN: 30, IPPROTO_TCP: 6, TCP_NOTSENT_LOWAT: 25 } as const;

/** Where a `sockaddr` of IPv4 or IPv6 has the port, most significant byte first. */
const PORT_OFFSET = 2;
/** Room for a `sockaddr_in6`. */
const ADDRESS_BYTES = 28;
const INT_BYTES = 4;

/** File descriptors that are looked at; the listeners of a server are among its first. */
const DESCRIPTORS_MAX = 4096;

/**
 * Makes the host take data for a connection only while less than `bytes` of what it took has not left yet
 * (TCP_NOTSENT_LOWAT). Of itself it takes megabytes, which on a slow connection are many seconds of pictures that
 * nobody can take back. It holds for all connections that this listener accepts from now on, which inherit it.
 *
 * @param port Where this process listens.
 * @returns Why it could not be set, as on another system than Linux; `undefined` when it is.
 */
export function limitUnsent(port: number, bytes: number): string | undefined {
  if (Deno.build.os !== "linux") return `${Deno.build.os} has no such option`;
  try {
    const libc = Deno.dlopen("libc.so.6", LIBC_SYMBOLS);
    try {
      return setUnsentLimit(libc, { port, bytes });
    } finally {
      libc.close();
    }
  } catch (error) {
    return errorText(error);
  }
}

type Libc = Deno.DynamicLibrary<typeof LIBC_SYMBOLS>;

function setUnsentLimit(
  libc: Libc,
  { port, bytes }: { port: number; bytes: number },
): string | undefined {
  const fd = findListener(libc, port);
  if (fd === undefined) return "the socket was not found";
  const { IPPROTO_TCP, TCP_NOTSENT_LOWAT } = LINUX;
  const value = Uint32Array.of(bytes);
  const status = libc.symbols.setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, value, INT_BYTES);
  return status === 0 ? undefined : "the host refused it";
}

/** Deno keeps descriptors to itself, but there are few to ask. */
function findListener({ symbols }: Libc, port: number): number | undefined {
  const address = new Uint8Array(ADDRESS_BYTES);
  const listens = new Uint32Array(1);
  for (let fd = 0; fd < DESCRIPTORS_MAX; fd++) {
    const bytes = Uint32Array.of(INT_BYTES);
    const { SOL_SOCKET, SO_ACCEPTCONN } = LINUX;
    if (symbols.getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, listens, bytes) !== 0) continue;
    if (listens[0] !== 1) continue;
    if (symbols.getsockname(fd, address, Uint32Array.of(ADDRESS_BYTES)) !== 0) continue;
    if (new DataView(address.buffer).getUint16(PORT_OFFSET) === port) return fd;
  }
  return undefined;
}
