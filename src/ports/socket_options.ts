import { errorText } from "../base/errors.ts";
import { formatIp, parseIp, type SocketAddress } from "../base/ip.ts";
import { readPort, readSockaddr, SOCKADDR_BYTES } from "./sockaddr.ts";

/**
 * The part of the C library that sets socket options, of which Deno has no more than two. Variadic functions are not
 * among them.
 */
export const SOCKET_SYMBOLS = {
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" }, // fd, address, length
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" }, // fd, level, name, value, length
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" }, // fd, level, name, value, length
} as const satisfies Deno.ForeignLibraryInterface;

/** Numbers of Linux that are the same on every processor that Deno runs on. */
const LINUX = {
  SOL_SOCKET: 1,
  SO_TYPE: 3,
  SO_ACCEPTCONN: 30,
  SO_ATTACH_REUSEPORT_CBPF: 51,
  IPPROTO_TCP: 6,
  TCP_NOTSENT_LOWAT: 25,
} as const;

/** `SOCK_DGRAM` of Linux. */
const DATAGRAM = 2;
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
  const { IPPROTO_TCP: level, TCP_NOTSENT_LOWAT: name } = LINUX;
  return setOption(port, { level, name, value: Uint32Array.of(bytes) });
}

/** `BPF_RET | BPF_K` of classic BPF: a program that returns a constant. */
const BPF_RETURN = 0x06;

/**
 * Gives the connections of a port where two listeners of this process take turns (SO_REUSEPORT) to the one that came
 * later, as long as both are there, and then to the one that is left: the earlier one can be closed when it has
 * accepted what it had, without which the host would reset connections.
 *
 * @param port Where this process listens, twice.
 * @returns Why it could not be set; `undefined` when it is.
 */
export function preferNewest(port: number): string | undefined {
  // `struct sock_filter` and `struct sock_fprog` of Linux. An index that no socket has counts as none given.
  const filter = new Uint8Array(8);
  const fields = new DataView(filter.buffer);
  fields.setUint16(0, BPF_RETURN, LITTLE_ENDIAN);
  fields.setUint32(4, 1, LITTLE_ENDIAN);
  const program = new Uint8Array(16);
  new DataView(program.buffer).setUint16(0, 1, LITTLE_ENDIAN);
  const { SOL_SOCKET: level, SO_ATTACH_REUSEPORT_CBPF: name } = LINUX;
  return setOption(port, {
    level,
    name,
    value: program,
    prepare() {
      const address = BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(filter)));
      new DataView(program.buffer).setBigUint64(8, address, LITTLE_ENDIAN);
    },
  });
}

/** The byte order of every processor that Deno runs on. */
const LITTLE_ENDIAN = true;

/** Those functions, opened. */
export type SocketSymbols = Deno.DynamicLibrary<typeof SOCKET_SYMBOLS>["symbols"];

type Libc = Deno.DynamicLibrary<typeof SOCKET_SYMBOLS>;

interface SocketOption {
  readonly level: number;
  readonly name: number;
  readonly value: Uint32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;
  /** Called before the value is handed over: what it does needs FFI. */
  readonly prepare?: () => void;
}

/** Sets an option of a listener. @returns Why it could not be set; `undefined` when it is. */
function setOption(
  port: number,
  { level, name, value, prepare }: SocketOption,
): string | undefined {
  if (Deno.build.os !== "linux") return `${Deno.build.os} has no such option`;
  try {
    const libc = Deno.dlopen("libc.so.6", SOCKET_SYMBOLS);
    try {
      const fd = findListener(libc, port);
      if (fd === undefined) return "the socket was not found";
      prepare?.();
      const status = libc.symbols.setsockopt(fd, level, name, value, value.byteLength);
      return status === 0 ? undefined : "the host refused it";
    } finally {
      libc.close();
    }
  } catch (error) {
    return errorText(error);
  }
}

function findListener({ symbols }: Libc, port: number): number | undefined {
  const { SO_ACCEPTCONN } = LINUX;
  return findSocket(symbols, SO_ACCEPTCONN, 1, (sockaddr) => readPort(sockaddr) === port);
}

/**
 * The descriptor of a UDP socket of this process, by the address that it is bound to. It is Deno's, which closes it.
 * @returns `undefined` when it was not found.
 */
export function findUdpSocket(
  symbols: SocketSymbols,
  { hostname, port }: SocketAddress,
): number | undefined {
  const bound = formatIp(parseIp(hostname));
  return findSocket(symbols, LINUX.SO_TYPE, DATAGRAM, (sockaddr) => {
    return readPort(sockaddr) === port && readSockaddr(sockaddr).hostname === bound;
  });
}

/** Deno keeps descriptors to itself, but there are few to ask. */
function findSocket(
  symbols: SocketSymbols,
  option: number,
  wanted: number,
  isBoundTo: (sockaddr: Uint8Array) => boolean,
): number | undefined {
  const sockaddr = new Uint8Array(SOCKADDR_BYTES);
  const value = new Uint32Array(1);
  for (let fd = 0; fd < DESCRIPTORS_MAX; fd++) {
    const bytes = Uint32Array.of(INT_BYTES);
    if (symbols.getsockopt(fd, LINUX.SOL_SOCKET, option, value, bytes) !== 0) continue;
    if (value[0] !== wanted) continue;
    if (symbols.getsockname(fd, sockaddr, Uint32Array.of(SOCKADDR_BYTES)) !== 0) continue;
    if (isBoundTo(sockaddr)) return fd;
  }
  return undefined;
}
