import { cString, SerialCalls } from "../library_calls.ts";
import { BridgeError } from "./bridge_error.ts";
import { type Libc, LINUX, LITTLE_ENDIAN } from "./libc.ts";
import { BRIDGE_VERSION, SLOT_BYTES_STEP } from "./limits.ts";
import { ringBytes, type RingLayout } from "./ring.ts";

/** One page, so that slots are page-aligned. */
const HEADER_BYTES = SLOT_BYTES_STEP;

/** `"PINHOLE\0"` */
const MAGIC = new TextEncoder().encode("PINHOLE\0");

/** Access for the owner only. */
const FILE_MODE = 0o600;

/** Retries: servers that start and stop at the same time may replace each other's file. */
const CLAIM_ATTEMPTS = 20;

/** Paths of a bridge. */
export function bridgePaths(folder: string, name: string): { ring: string; socket: string } {
  const ring = `${folder}/pinhole-${name}`;
  return { ring, socket: `${ring}.sock` };
}

/**
 * The files of one bridge: the ring, which also marks the name as taken, and the socket.
 *
 * The process that holds the lock (flock) of the file at the ring's path owns the name. The kernel releases the lock
 * however the process ends, so files of a dead server can be told from those in use. Only the owner replaces or
 * removes the file, so no other process can lock it in between.
 */
export class BridgeFiles {
  readonly socketPath: string;
  readonly #libc: Libc;
  readonly #path: string;
  /** The file at the path, locked. */
  #fd: number;
  #generation = 0;
  /** Serializes calls: the file must not be replaced or removed while a ring is being made. */
  readonly #calls: SerialCalls = new SerialCalls();

  private constructor(
    libc: Libc,
    { paths, fd }: { paths: { ring: string; socket: string }; fd: number },
  ) {
    this.#libc = libc;
    this.#path = paths.ring;
    this.socketPath = paths.socket;
    this.#fd = fd;
  }

  /**
   * Claims a name, and removes the files of a dead server.
   * @throws {BridgeError} `bridge_taken`, `bridge_files`
   */
  static async claim(
    libc: Libc,
    { folder, name }: { folder: string; name: string },
  ): Promise<BridgeFiles> {
    const paths = bridgePaths(folder, name);
    for (const path of [paths.ring, paths.socket]) expectOwn(libc, path);
    const made = makeFile(libc, paths.ring);
    try {
      takePath(libc, { temporary: made.path, path: paths.ring, name });
    } catch (error) {
      made.discard();
      throw error;
    }
    const files = new BridgeFiles(libc, { paths, fd: made.fd });
    libc.symbols.unlink(cString(paths.socket));
    try {
      await files.#reserve(made.fd, {
        generation: 0,
        slotBytes: 0,
        slotCount: 0,
        slotsOffset: HEADER_BYTES,
      });
      return files;
    } catch (error) {
      await files.remove();
      throw error;
    }
  }

  /** Free bytes of shared memory; infinite if there is no limit. */
  get freeBytes(): number {
    return this.#libc.freeBytes(this.#fd);
  }

  /** Folder of the files. */
  get folder(): string {
    return this.#path.slice(0, this.#path.lastIndexOf("/")) || "/";
  }

  /**
   * Creates a ring that replaces the previous one; mapped memory of the previous one stays valid.
   * @param slots.slotBytes A multiple of {@link SLOT_BYTES_STEP}.
   * @returns The ring's layout, and a descriptor that the caller closes.
   * @throws {BridgeError} `bridge_files`, such as when the host's shared memory is used up; the previous ring stays.
   */
  makeRing(
    slots: { slotBytes: number; slotCount: number },
  ): Promise<{ fd: number; layout: RingLayout }> {
    return this.#calls.run(() => this.#makeRing(slots));
  }

  /**
   * Frees the memory of the latest ring. It reads as zeros from then on, also for a writer that has it mapped, and
   * must not be used.
   */
  empty(): Promise<void> {
    return this.#calls.run(async () => {
      const { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE } = LINUX;
      const bytes = BigInt(this.#libc.stat({ fd: this.#fd })?.bytes ?? 0);
      await this.#libc.symbols.fallocate(
        this.#fd,
        FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
        0n,
        bytes,
      );
    });
  }

  /** Removes the files and releases the name. Called once. */
  remove(): Promise<void> {
    return this.#calls.run(() => {
      const { symbols } = this.#libc;
      symbols.unlink(cString(this.socketPath));
      symbols.unlink(cString(this.#path));
      this.#libc.closeLater(this.#fd);
      return this.#libc.closed();
    });
  }

  async #makeRing(
    slots: { slotBytes: number; slotCount: number },
  ): Promise<{ fd: number; layout: RingLayout }> {
    const libc = this.#libc;
    const layout: RingLayout = {
      generation: this.#generation + 1,
      ...slots,
      slotsOffset: HEADER_BYTES,
    };
    const made = makeFile(libc, this.#path);
    try {
      await this.#reserve(made.fd, layout);
      if (libc.symbols.rename(cString(made.path), cString(this.#path)) !== 0) {
        throw libc.failure("bridge_files", `Cannot rename "${made.path}"`);
      }
    } catch (error) {
      made.discard();
      throw error;
    }
    libc.closeLater(this.#fd);
    this.#fd = made.fd;
    this.#generation = layout.generation;
    // A lock belongs to a descriptor: the ring gets a separate one, which may be closed earlier or later.
    const fd = libc.symbols.open(cString(this.#path), LINUX.O_RDWR | LINUX.O_CLOEXEC);
    if (fd < 0) throw libc.failure("bridge_files", `Cannot open "${this.#path}"`);
    return { fd, layout };
  }

  /** Allocates a file's memory and writes its header. */
  async #reserve(fd: number, layout: RingLayout): Promise<void> {
    const { symbols } = this.#libc;
    const bytes = ringBytes(layout);
    // Reserve the memory now: a process that touches unreserved memory gets SIGBUS when none is left.
    const status = await symbols.posix_fallocate(fd, 0n, BigInt(bytes));
    if (status !== 0) {
      const why = this.#libc.errorText(status);
      throw new BridgeError(
        "bridge_files",
        `Cannot reserve ${mebibytes(bytes)} for "${this.#path}": ${why}`,
      );
    }
    const header = formatHeader(layout);
    symbols.pwrite(fd, header, BigInt(header.byteLength), 0n);
  }
}

/** A file that is not yet at the ring's path. */
interface MadeFile {
  readonly fd: number;
  readonly path: string;
  /** Closes and removes it. */
  discard(): void;
}

/** Creates an empty locked file beside `path`, accessible only to the owner regardless of the umask. */
function makeFile(libc: Libc, path: string): MadeFile {
  const { symbols } = libc;
  const template = cString(`${path}.XXXXXX`);
  const fd = symbols.mkostemp(template, LINUX.O_CLOEXEC);
  if (fd < 0) throw libc.failure("bridge_files", `Cannot make a file for "${path}"`);
  symbols.fchmod(fd, FILE_MODE);
  symbols.flock(fd, LINUX.LOCK_EX_NB);
  return {
    fd,
    path: new TextDecoder().decode(template.subarray(0, -1)),
    discard() {
      symbols.unlink(template);
      symbols.close(fd);
    },
  };
}

/** Moves a locked file to the path. */
function takePath(
  libc: Libc,
  { temporary, path, name }: { temporary: string; path: string; name: string },
): void {
  const { symbols } = libc;
  const [from, to] = [cString(temporary), cString(path)];
  for (let attempt = 0; attempt < CLAIM_ATTEMPTS; attempt++) {
    if (symbols.link(from, to) === 0) {
      symbols.unlink(from);
      return;
    }
    if (libc.lastErrno() !== LINUX.EEXIST) {
      throw libc.failure("bridge_files", `Cannot make "${path}"`);
    }
    expectOwn(libc, path);
    const found = symbols.open(to, LINUX.O_RDWR | LINUX.O_CLOEXEC | LINUX.O_NONBLOCK);
    if (found < 0 && libc.lastErrno() === LINUX.ENOENT) continue;
    if (found < 0) throw libc.failure("bridge_files", `Cannot open "${path}"`);
    try {
      if (symbols.flock(found, LINUX.LOCK_EX_NB) !== 0) {
        throw new BridgeError(
          "bridge_taken",
          `Another server uses the bridge "${name}" ("${path}"); stop it, or choose another name`,
        );
      }
      // The previous owner may have removed or replaced it before it released the lock.
      if (libc.stat({ fd: found })?.file !== libc.stat({ path })?.file) continue;
      if (symbols.rename(from, to) === 0) return;
      throw libc.failure("bridge_files", `Cannot replace "${path}"`);
    } finally {
      symbols.close(found);
    }
  }
  throw new BridgeError(
    "bridge_taken",
    `Another server is opening the bridge "${name}" ("${path}")`,
  );
}

/**
 * Checks that a file at a path belongs to this user: everyone can write to the folder, and another user's file could
 * be used to read the pictures or block the name.
 * @throws {BridgeError} `bridge_taken`, naming the owner.
 */
function expectOwn(libc: Libc, path: string): void {
  const found = libc.stat({ path });
  if (found === undefined) return;
  const isOthers = found.owner !== libc.symbols.geteuid();
  if (!isOthers && !found.isLink) return;
  const what = found.isLink ? "a symbolic link" : "a file";
  const whose = `of the user ${libc.userName(found.owner)}`;
  throw new BridgeError(
    "bridge_taken",
    `Cannot use "${path}": ${what} ${whose} is there. Remove it, or choose another name for the bridge`,
  );
}

function formatHeader(layout: RingLayout): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES);
  bytes.set(MAGIC);
  const { slotsOffset, generation, slotCount, slotBytes } = layout;
  const fields = new DataView(bytes.buffer);
  [BRIDGE_VERSION, slotsOffset, generation, slotCount, slotBytes].forEach((value, index) =>
    fields.setUint32(MAGIC.byteLength + 4 * index, value, LITTLE_ENDIAN)
  );
  return bytes;
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 1024 / 1024)} MiB of shared memory`;
}
