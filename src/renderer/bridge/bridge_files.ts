import { cString, SerialCalls } from "../library_calls.ts";
import { BridgeError } from "./bridge_error.ts";
import { type Libc, LINUX, LITTLE_ENDIAN } from "./libc.ts";
import { BRIDGE_VERSION, SLOT_BYTES_STEP } from "./limits.ts";
import { ringBytes, type RingLayout } from "./ring.ts";

/** A page of its own, so that slots begin at pages. */
const HEADER_BYTES = SLOT_BYTES_STEP;

/** `"PINHOLE\0"` */
const MAGIC = new TextEncoder().encode("PINHOLE\0");

/** For its owner alone. */
const FILE_MODE = 0o600;

/** Servers that start and stop at the same moment may take the file away from each other. */
const CLAIM_ATTEMPTS = 20;

/** Paths of a bridge. */
export function bridgePaths(folder: string, name: string): { ring: string; socket: string } {
  const ring = `${folder}/pinhole-${name}`;
  return { ring, socket: `${ring}.sock` };
}

/**
 * The files of one bridge: the ring, which also marks the name as taken, and the socket.
 *
 * Whoever holds the lock (flock) of the file at the ring's path owns the name. The kernel drops the lock when its
 * process ends, however that happens, so that what a dead server left behind is told from what a living one uses. The
 * file is only replaced or removed by the owner, so nobody can lock it in between.
 */
export class BridgeFiles {
  readonly socketPath: string;
  readonly #libc: Libc;
  readonly #path: string;
  /** The file at the path, locked. */
  #fd: number;
  #generation = 0;
  /** Making a ring takes a while; until it is done, the file is not replaced or removed. */
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
   * Takes a name, and removes what a dead server left of it.
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

  /** Bytes of shared memory that are free; infinite where there is no limit. */
  get freeBytes(): number {
    return this.#libc.freeBytes(this.#fd);
  }

  /** Folder of the files. */
  get folder(): string {
    return this.#path.slice(0, this.#path.lastIndexOf("/")) || "/";
  }

  /**
   * Makes a ring and puts it in the place of the one before, whose memory stays where it is mapped.
   * @param slots.slotBytes A multiple of {@link SLOT_BYTES_STEP}.
   * @returns The ring's layout, and a descriptor that is the caller's to close.
   * @throws {BridgeError} `bridge_files`, such as when the host's shared memory is used up; the ring before stays.
   */
  makeRing(
    slots: { slotBytes: number; slotCount: number },
  ): Promise<{ fd: number; layout: RingLayout }> {
    return this.#calls.run(() => this.#makeRing(slots));
  }

  /**
   * Gives back the memory of the ring that was made last. It reads as zeros from then on, also for a writer that has it
   * mapped, and may not be read or written.
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

  /** Removes the files and gives the name back. Called once. */
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
    // A lock belongs to a descriptor: the ring has one of its own, which may go before this one or after it.
    const fd = libc.symbols.open(cString(this.#path), LINUX.O_RDWR | LINUX.O_CLOEXEC);
    if (fd < 0) throw libc.failure("bridge_files", `Cannot open "${this.#path}"`);
    return { fd, layout };
  }

  /** Gives a file its memory and its header. */
  async #reserve(fd: number, layout: RingLayout): Promise<void> {
    const { symbols } = this.#libc;
    const bytes = ringBytes(layout);
    // Memory that is only promised would end whoever touches it when there is none left.
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

/** A file that has no name that counts yet. */
interface MadeFile {
  readonly fd: number;
  readonly path: string;
  /** Closes and removes it. */
  discard(): void;
}

/** Makes an empty file beside `path`, locked and for its owner alone, whatever the umask. */
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

/** Gives the path to a file that is made and locked. */
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
      // The former owner may have removed or replaced it before it let go of the lock.
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
 * Holds what lies at a path to be this user's own: the folder is everybody's, and who put a file there first could read
 * along, or keep the name.
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
