import { errorText } from "../../base/errors.ts";
import { cString } from "../library_calls.ts";
import { openNativeLibrary } from "../native_library.ts";
import { BridgeError, type BridgeErrorCode } from "./bridge_error.ts";

/**
 * The C functions that the bridge uses. Deno's own API refuses paths in /dev without `--allow-all`, and has neither
 * memory mapping nor reservation.
 *
 * Functions that may block run on a thread of Deno's pool (`nonblocking`). Variadic functions are called without their
 * variable arguments.
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

/** Linux constants that are the same on every architecture that Deno supports. */
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

/** The byte order of every architecture that Deno supports. */
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

  /** The last errno. Valid directly after a blocking call. */
  lastErrno(): number {
    return this.#errno.getInt32();
  }

  /** Makes an error with the failed action and the text of errno. Valid directly after a blocking call. */
  failure(code: BridgeErrorCode, what: string): BridgeError {
    return new BridgeError(code, `${what}: ${this.errorText(this.lastErrno())}`);
  }

  /** The text of an error number. */
  errorText(number: number): string {
    const text = this.symbols.strerror(number);
    return text === null ? `error ${number}` : Deno.UnsafePointerView.getCString(text);
  }

  /** Status of a path or descriptor; `undefined` if it does not exist. Does not follow symbolic links. */
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

  /** Free bytes in the file system of a file; infinite if it has no limit or does not report one. */
  freeBytes(fd: number): number {
    const buffer = new Uint8Array(STATVFS.bytes);
    if (this.symbols.fstatvfs(fd, buffer) !== 0) return Number.POSITIVE_INFINITY;
    const fields = new DataView(buffer.buffer);
    const [unit, all, available] = [STATVFS.unit, STATVFS.all, STATVFS.available]
      .map((offset) => Number(fields.getBigUint64(offset, LITTLE_ENDIAN)));
    // A tmpfs without a size limit reports no blocks at all.
    if (unit === undefined || available === undefined || all === 0) return Number.POSITIVE_INFINITY;
    return unit * available;
  }

  /** Closes a file on another thread: if that frees its memory, it takes 0.2 ms per MiB. */
  closeLater(fd: number): void {
    const closing = this.symbols.close_later(fd).then(() => void this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  /** Settles when no {@link closeLater} is in progress. */
  async closed(): Promise<void> {
    await Promise.all(this.#closing);
  }

  /** Closes the library. No call may be in progress. */
  close(): void {
    this.#library.close();
  }
}

/** Result of {@link Libc.stat}. */
export interface FileStatus {
  /** Identifies the file: the same for two names of one file. */
  readonly file: string;
  readonly bytes: number;
  /** User id. */
  readonly owner: number;
  /** Whether it is a symbolic link. */
  readonly isLink: boolean;
}

/** Offsets in `struct statx` of Linux, the same on every architecture. */
const STATX = { bytes: 256, owner: 20, mode: 28, inode: 32, size: 40, device: 136 } as const;

/** `S_IFMT` and `S_IFLNK`. */
const FILE_TYPE = 0o170000;
const FILE_TYPE_LINK = 0o120000;

/** Offsets in `struct statvfs` of the GNU C library on 64-bit architectures. */
const STATVFS = { bytes: 112, unit: 8, all: 16, available: 32 } as const;
