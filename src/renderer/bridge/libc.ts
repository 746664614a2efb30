import { errorText } from "../../base/errors.ts";
import { cString } from "../library_calls.ts";
import { openNativeLibrary } from "../native_library.ts";
import { BridgeError, type BridgeErrorCode } from "./bridge_error.ts";

/**
 * What the bridge needs of the C library. Deno's own functions refuse every path in /dev to a program that was not
 * started with all permissions, and they know neither mappings nor reserved memory.
 *
 * Functions that may wait are non-blocking: they run on a thread of Deno's pool. Variadic functions are called without
 * their variable part.
 */
const LIBC_SYMBOLS = {
  __errno_location: { parameters: [], result: "pointer" },
  strerror: { parameters: ["i32"], result: "pointer" },
  open: { parameters: ["buffer", "i32"], result: "i32" }, // path, flags
  mkostemp: { parameters: ["buffer", "i32"], result: "i32" }, // template, flags
  close: { parameters: ["i32"], result: "i32" },
  close_later: { name: "close", parameters: ["i32"], result: "i32", nonblocking: true },
  flock: { parameters: ["i32", "i32"], result: "i32" }, // fd, operation
  // dirfd, path, flags, mask, buffer
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
  fstatvfs: { parameters: ["i32", "buffer"], result: "i32" }, // fd, buffer
  // fd, mode, at, length
  fallocate: { parameters: ["i32", "i32", "i64", "i64"], result: "i32", nonblocking: true },
  geteuid: { parameters: [], result: "u32" },
  getpwuid: { parameters: ["u32"], result: "pointer" }, // user
  link: { parameters: ["buffer", "buffer"], result: "i32" }, // from, to
  rename: { parameters: ["buffer", "buffer"], result: "i32" }, // from, to
  unlink: { parameters: ["buffer"], result: "i32" },
  pwrite: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" }, // fd, data, length, at
  pread: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" }, // fd, buffer, length, at
  posix_fallocate: { parameters: ["i32", "i64", "i64"], result: "i32", nonblocking: true }, // fd, at, length
  // address, length, protection, flags, fd, offset
  mmap: { parameters: ["pointer", "usize", "i32", "i32", "i32", "i64"], result: "pointer" },
  munmap: { parameters: ["pointer", "usize"], result: "i32" },
  mkdtemp: { parameters: ["buffer"], result: "pointer" }, // template
  rmdir: { parameters: ["buffer"], result: "i32" },
  fchmod: { parameters: ["i32", "u32"], result: "i32" }, // fd, mode
  chmod: { parameters: ["buffer", "u32"], result: "i32" }, // path, mode
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" }, // domain, type, protocol
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" }, // fd, address, length
  listen: { parameters: ["i32", "i32"], result: "i32" }, // fd, backlog
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" }, // fd, address, length
  accept4: {
    parameters: ["i32", "pointer", "pointer", "i32"], // fd, address, length, flags
    result: "i32",
    nonblocking: true,
  },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize", nonblocking: true }, // fd, buffer, length, flags
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize", nonblocking: true }, // fd, data, length, flags
  send_now: { name: "send", parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" }, // fd, how
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" }, // fd, level, name, value, length
} as const satisfies Deno.ForeignLibraryInterface;

/** Numbers of Linux that are the same on every processor that Deno runs on. */
export const LINUX = {
  ENOENT: 2,
  EEXIST: 17,
  O_RDWR: 2,
  O_CLOEXEC: 0o2000000,
  O_NONBLOCK: 0o4000,
  LOCK_EX_NB: 2 | 4,
  AT_FDCWD: -100,
  AT_SYMLINK_NOFOLLOW: 0x100,
  AT_EMPTY_PATH: 0x1000,
  STATX_BASIC_STATS: 0x7ff,
  FALLOC_FL_KEEP_SIZE: 1,
  FALLOC_FL_PUNCH_HOLE: 2,
  PROT_READ: 1,
  PROT_WRITE: 2,
  MAP_SHARED: 1,
  AF_UNIX: 1,
  SOCK_STREAM: 1,
  SOCK_CLOEXEC: 0o2000000,
  MSG_DONTWAIT: 0x40,
  MSG_NOSIGNAL: 0x4000,
  SHUT_RDWR: 2,
  SOL_SOCKET: 1,
  SO_PEERCRED: 17,
} as const;

/** The byte order of every processor that Deno runs on. */
export const LITTLE_ENDIAN = true;

/** The host's C library, opened for one bridge. */
export class Libc {
  readonly symbols: Deno.DynamicLibrary<typeof LIBC_SYMBOLS>["symbols"];
  readonly #library: Deno.DynamicLibrary<typeof LIBC_SYMBOLS>;
  readonly #errno: Deno.UnsafePointerView;
  readonly #closing = new Set<Promise<void>>();

  /** @throws {BridgeError} `bridge_unsupported` */
  constructor() {
    try {
      this.#library = openNativeLibrary("libc.so.6", LIBC_SYMBOLS);
    } catch (error) {
      const why = `it needs Linux with the GNU C library: ${errorText(error)}`;
      throw new BridgeError("bridge_unsupported", `Cannot open a bridge: ${why}`, { cause: error });
    }
    this.symbols = this.#library.symbols;
    const errno = this.symbols.__errno_location();
    if (errno === null) throw new TypeError("The C library has no errno");
    this.#errno = new Deno.UnsafePointerView(errno);
  }

  /** Number of the last failure. Right after a call that did not wait. */
  lastErrno(): number {
    return this.#errno.getInt32();
  }

  /** An error that names what failed, and why as far as the C library tells. Right after a call that did not wait. */
  failure(code: BridgeErrorCode, what: string): BridgeError {
    return new BridgeError(code, `${what}: ${this.errorText(this.lastErrno())}`);
  }

  /** The words of an error number. */
  errorText(number: number): string {
    const text = this.symbols.strerror(number);
    return text === null ? `error ${number}` : Deno.UnsafePointerView.getCString(text);
  }

  /**
   * What is at a path, or behind a descriptor; `undefined` when there is nothing. A symbolic link at a path is itself, and
   * not what it names.
   */
  stat(of: { readonly path: string } | { readonly fd: number }): FileStatus | undefined {
    const buffer = new Uint8Array(STATX.bytes);
    const [fd, path, flags] = "fd" in of
      ? [of.fd, "", LINUX.AT_EMPTY_PATH]
      : [LINUX.AT_FDCWD, of.path, LINUX.AT_SYMLINK_NOFOLLOW];
    const status = this.symbols.statx(fd, cString(path), flags, LINUX.STATX_BASIC_STATS, buffer);
    if (status !== 0) return undefined;
    const fields = new DataView(buffer.buffer);
    const [device, inode, size] = [STATX.device, STATX.inode, STATX.size]
      .map((offset) => fields.getBigUint64(offset, LITTLE_ENDIAN));
    return {
      file: `${device} ${inode}`,
      bytes: Number(size),
      owner: fields.getUint32(STATX.owner, LITTLE_ENDIAN),
      isLink: (fields.getUint16(STATX.mode, LITTLE_ENDIAN) & FILE_TYPE) === FILE_TYPE_LINK,
    };
  }

  /** Name of a user, for messages. */
  userName(user: number): string {
    const entry = this.symbols.getpwuid(user);
    const name = entry === null ? null : new Deno.UnsafePointerView(entry).getPointer();
    return name === null ? `number ${user}` : Deno.UnsafePointerView.getCString(name);
  }

  /** Bytes that are free in the file system of a file; infinite where it has no limit or does not tell. */
  freeBytes(fd: number): number {
    const buffer = new Uint8Array(STATVFS.bytes);
    if (this.symbols.fstatvfs(fd, buffer) !== 0) return Number.POSITIVE_INFINITY;
    const fields = new DataView(buffer.buffer);
    const [unit, all, available] = [STATVFS.unit, STATVFS.all, STATVFS.available]
      .map((offset) => Number(fields.getBigUint64(offset, LITTLE_ENDIAN)));
    // A tmpfs that was made without a limit has no blocks at all.
    if (unit === undefined || available === undefined || all === 0) return Number.POSITIVE_INFINITY;
    return unit * available;
  }

  /** Closes a file whose memory may be freed by that, which takes 0.2 ms for each mebibyte. */
  closeLater(fd: number): void {
    const closing = this.symbols.close_later(fd).then(() => void this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  /** Settles when no {@link closeLater} is under way. */
  async closed(): Promise<void> {
    await Promise.all(this.#closing);
  }

  /** Nothing may be under way. */
  close(): void {
    this.#library.close();
  }
}

/** What {@link Libc.stat} tells of a file. */
export interface FileStatus {
  /** The same for two names of one file. */
  readonly file: string;
  readonly bytes: number;
  /** Number of the user. */
  readonly owner: number;
  /** Whether it is a symbolic link. */
  readonly isLink: boolean;
}

/** `struct statx` of Linux, the same on every processor. */
const STATX = { bytes: 256, owner: 20, mode: 28, inode: 32, size: 40, device: 136 } as const;

/** `S_IFMT` and `S_IFLNK`. */
const FILE_TYPE = 0o170000;
const FILE_TYPE_LINK = 0o120000;

/** `struct statvfs` of the GNU C library on processors of 64 bits. */
const STATVFS = { bytes: 112, unit: 8, all: 16, available: 32 } as const;
