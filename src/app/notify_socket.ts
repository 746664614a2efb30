import { openNativeLibrary } from "../renderer/native_library.ts";

/** Deno has no unbound Unix datagram sockets, and binding one would need a file and permission to write it. */
const SYMBOLS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" }, // domain, type, protocol
  // fd, data, length, flags, address, address length
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
/** Deno's FFI supports only machines of this byte order: x86-64 and arm64. */
const LITTLE_ENDIAN = true;
const MSG_DONTWAIT_NOSIGNAL = 0x40 | 0x4000;
/** Bytes of a path in `struct sockaddr_un`. */
const PATH_BYTES_MAX = 108;

/** A socket that sends datagrams to one Unix address. */
export interface NotifySocket extends Disposable {
  /** @returns Whether the datagram was sent. Never throws. */
  send(datagram: Uint8Array<ArrayBuffer>): boolean;
}

/**
 * Opens a socket to systemd's notification socket.
 * @param path A path, or `@` and an abstract name.
 * @throws {Error} If the path is too long, or the C library cannot be loaded.
 */
export function openNotifySocket(path: string): NotifySocket {
  const address = addressOf(path);
  const libc = openNativeLibrary("libc.so.6", SYMBOLS);
  const fd = libc.symbols.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  return {
    send(datagram) {
      const length = BigInt(datagram.byteLength);
      const flags = MSG_DONTWAIT_NOSIGNAL;
      const { sendto } = libc.symbols;
      return sendto(fd, datagram, length, flags, address, address.byteLength) === length;
    },
    [Symbol.dispose]() {
      if (fd >= 0) libc.symbols.close(fd);
      libc.close();
    },
  };
}

/** `struct sockaddr_un`, cut after its path: the length of an abstract name is significant. */
function addressOf(path: string): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode(path.startsWith("@") ? `\0${path.slice(1)}` : path);
  if (name.length >= PATH_BYTES_MAX) {
    throw new RangeError(`"${path}" is too long for a Unix socket`);
  }
  const address = new Uint8Array(2 + name.length + (path.startsWith("@") ? 0 : 1));
  new DataView(address.buffer).setUint16(0, AF_UNIX, LITTLE_ENDIAN);
  address.set(name, 2);
  return address;
}
