import type { Clock } from "../base/clock.ts";
import { DATAGRAM_BYTES_MAX } from "../base/limits.ts";
import { DatagramQueue } from "./datagram_queue.ts";
import { FAMILY, type Family, formatSockaddr } from "./sockaddr.ts";
import { findUdpSocket, SOCKET_SYMBOLS } from "./socket_options.ts";
import type { SocketAddress } from "../base/ip.ts";

const LIBC_SYMBOLS = {
  ...SOCKET_SYMBOLS,
  sendmmsg: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" }, // fd, messages, count, flags
  __errno_location: { parameters: [], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

type Libc = Deno.DynamicLibrary<typeof LIBC_SYMBOLS>;

/** `MSG_DONTWAIT` and `MSG_NOSIGNAL` of Linux. */
const FLAGS = 0x40 | 0x4000;

/** Errors of Linux after which the same call may succeed: the second two when the host has sent what it holds. */
const ERRNO = { EINTR: 4, EAGAIN: 11, ENOBUFS: 105 } as const;

/** When the host takes no more, it is asked again after this: its buffers empty within a few. */
const RETRY_MS = 1;

/** Addresses whose `sockaddr` is kept: one or two for each viewer, and those of strangers who got an answer. */
const SOCKADDRS_MAX = 1024;

/** How a {@link NativeUdpSender} is opened. */
export interface NativeUdpOptions {
  readonly clock: Clock;
  /** The host refused so many datagrams. */
  readonly refused: (datagrams: number) => void;
}

/** A socket that takes an array of `struct mmsghdr`. */
export interface MessageSocket extends Disposable {
  readonly family: Family;
  /** @returns How many of the messages were taken, at least one; or the number of Linux for why the first was not. */
  sendMessages(
    messages: Uint8Array<ArrayBuffer>,
    count: number,
  ): { readonly sent: number } | { readonly errno: number };
}

/**
 * Sends datagrams by a socket of Deno's, but past Deno: what is sent within one turn of the event loop leaves by one
 * call of `sendmmsg`, which the event loop waits for. It does not block, and costs a twentieth of a promise for each
 * datagram.
 */
export class NativeUdpSender {
  readonly #socket: MessageSocket;
  readonly #clock: Clock;
  readonly #refused: (datagrams: number) => void;
  readonly #queue: DatagramQueue;
  readonly #sockaddrs = new Map<string, Uint8Array>();
  #isScheduled = false;
  /** Set while the host takes no more. */
  #cancelRetry: (() => void) | undefined;
  #isClosed = false;

  /** @param socket Is disposed of by {@link close}. */
  constructor(socket: MessageSocket, { clock, refused }: NativeUdpOptions) {
    this.#socket = socket;
    this.#clock = clock;
    this.#refused = refused;
    this.#queue = new DatagramQueue({
      segments: true,
      addressOf: (bytes) => Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes)),
    });
  }

  /** Whether the host takes no more at present: what is sent now waits. */
  get isBlocked(): boolean {
    return this.#cancelRetry !== undefined;
  }

  /**
   * Sends a copy of a datagram at the end of the turn.
   * @returns False when too many wait already; `undefined` when Deno has to send this one.
   */
  send(datagram: Uint8Array, to: SocketAddress): boolean | undefined {
    if (this.#isClosed) return false;
    if (datagram.length > DATAGRAM_BYTES_MAX) return undefined;
    const sockaddr = this.#sockaddrOf(to);
    if (sockaddr === undefined) return undefined;
    if (this.#queue.isFull && !this.isBlocked) this.#flush();
    if (!this.#queue.push(datagram, { to, sockaddr })) return false;
    if (!this.#isScheduled && !this.isBlocked) {
      this.#isScheduled = true;
      queueMicrotask(() => {
        this.#isScheduled = false;
        this.#flush();
      });
    }
    return true;
  }

  /** Sends what waits, as far as the host takes it, and forgets the socket, which may be closed then. */
  close(): void {
    if (this.#isClosed) return;
    this.#flush();
    this.#isClosed = true;
    this.#cancelRetry?.();
    this.#socket[Symbol.dispose]();
  }

  #flush(): void {
    if (this.#isClosed) return;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    for (let count = this.#queue.prepare(); count > 0; count = this.#queue.prepare()) {
      const result = this.#socket.sendMessages(this.#queue.messages, count);
      if ("sent" in result) this.#queue.release(result.sent);
      else if (!this.#recover(result.errno)) return;
    }
  }

  /** The first message was not sent. @returns Whether to go on at once. */
  #recover(errno: number): boolean {
    if (errno === ERRNO.EINTR) return true;
    if (errno === ERRNO.EAGAIN || errno === ERRNO.ENOBUFS) {
      this.#cancelRetry = this.#clock.after(RETRY_MS, () => this.#flush());
      return false;
    }
    const datagrams = this.#queue.datagramsOf(0);
    if (datagrams > 1) {
      // Some network cards, and routes with a smaller MTU, take no message that has to be cut up.
      this.#queue.segments = false;
      return true;
    }
    this.#queue.release(1);
    this.#refused(datagrams);
    return true;
  }

  #sockaddrOf(to: SocketAddress): Uint8Array | undefined {
    const key = `${to.hostname} ${to.port}`;
    const known = this.#sockaddrs.get(key);
    if (known !== undefined) return known;
    const sockaddr = formatSockaddr(to, this.#socket.family);
    if (sockaddr === undefined) return undefined;
    if (this.#sockaddrs.size >= SOCKADDRS_MAX) this.#sockaddrs.clear();
    this.#sockaddrs.set(key, sockaddr);
    return sockaddr;
  }
}

/**
 * The socket of Deno's that is bound to an address. It has to be disposed of before that is closed.
 * @param bound An IP literal and a port.
 * @returns `undefined` where Deno has to send: on another system than Linux, or without the permission for FFI.
 */
export function openMessageSocket(bound: SocketAddress): MessageSocket | undefined {
  if (Deno.build.os !== "linux") return undefined;
  // To ask for the library without the permission would ask the user of a terminal.
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return undefined;
  let libc: Libc | undefined;
  try {
    libc = Deno.dlopen("libc.so.6", LIBC_SYMBOLS);
    const fd = findUdpSocket(libc.symbols, bound);
    if (fd !== undefined) return createMessageSocket(libc, { fd, bound });
  } catch {
    // Another C library, such as musl's.
  }
  libc?.close();
  return undefined;
}

function createMessageSocket(
  libc: Libc,
  { fd, bound }: { fd: number; bound: SocketAddress },
): MessageSocket {
  const { sendmmsg, __errno_location } = libc.symbols;
  /** The thread's own, so it has to be read before anything else is called. */
  const errno = () => {
    const location = __errno_location();
    return location === null ? 0 : new Deno.UnsafePointerView(location).getInt32();
  };
  return {
    family: bound.hostname.includes(":") ? FAMILY.ipv6 : FAMILY.ipv4,
    sendMessages(messages, count) {
      const sent = sendmmsg(fd, messages, count, FLAGS);
      return sent > 0 ? { sent } : { errno: errno() };
    },
    [Symbol.dispose]: () => libc.close(),
  };
}
