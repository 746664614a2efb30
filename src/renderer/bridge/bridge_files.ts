import { cString, SerialCalls } from "../library_calls.ts";
import { BridgeError } from "./bridge_error.ts";
import { type Libc, LINUX, LITTLE_ENDIAN } from "./libc.ts";
import { BRIDGE_VERSION, SLOT_BYTES_STEP } from "./limits.ts";
import { ringBytes, type RingLayout } from "./ring.ts";

/** A page of its own, so that slots begin at pages. */
const HEADER_BYTES = SLOT_BYTES_STEP;

/** `"PINHOLE\0"` */
const MAGIC = new TextEncoder().encode("PINHOLE\0");

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
    const fd = makeFile(
      libc,
      paths.ring,
      (temporary) => takePath(libc, { temporary, path: paths.ring, name }),
    );
    const files = new BridgeFiles(libc, { paths, fd });
    libc.symbols.unlink(cString(paths.socket));
    try {
      await files.#reserve({
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

  /**
   * Makes a ring and puts it in the place of the one before, whose memory stays where it is mapped.
   * @returns The ring's layout, and a descriptor that is the caller's to close.
   * @throws {BridgeError} `bridge_files`, such as when the host's shared memory is used up.
   */
  makeRing(slots: { bytes: number; count: number }): Promise<{ fd: number; layout: RingLayout }> {
    return this.#calls.run(() => this.#makeRing(slots));
  }

  /** Removes the files and gives the name back. Called once. */
  remove(): Promise<void> {
    return this.#calls.run(() => {
      const { symbols } = this.#libc;
      symbols.unlink(cString(this.socketPath));
      symbols.unlink(cString(this.#path));
      symbols.close(this.#fd);
      return Promise.resolve();
    });
  }

  async #makeRing(
    slots: { bytes: number; count: number },
  ): Promise<{ fd: number; layout: RingLayout }> {
    const libc = this.#libc;
    const former = this.#fd;
    this.#fd = makeFile(libc, this.#path, (temporary) => {
      if (libc.symbols.rename(cString(temporary), cString(this.#path)) === 0) return;
      throw libc.failure("bridge_files", `Cannot rename "${temporary}"`);
    });
    libc.symbols.close(former);
    const layout: RingLayout = {
      generation: ++this.#generation,
      slotBytes: Math.ceil(slots.bytes / SLOT_BYTES_STEP) * SLOT_BYTES_STEP,
      slotCount: slots.count,
      slotsOffset: HEADER_BYTES,
    };
    await this.#reserve(layout);
    // A lock belongs to a descriptor: the ring has one of its own, which may go before this one or after it.
    const fd = libc.symbols.open(cString(this.#path), LINUX.O_RDWR | LINUX.O_CLOEXEC);
    if (fd < 0) throw libc.failure("bridge_files", `Cannot open "${this.#path}"`);
    return { fd, layout };
  }

  /** Gives the file at the path its memory and its header. */
  async #reserve(layout: RingLayout): Promise<void> {
    const { symbols } = this.#libc;
    const bytes = ringBytes(layout);
    // Memory that is only promised would end whoever touches it when there is none left.
    const status = await symbols.posix_fallocate(this.#fd, 0n, BigInt(bytes));
    if (status !== 0) {
      const why = this.#libc.errorText(status);
      throw new BridgeError(
        "bridge_files",
        `Cannot reserve ${mebibytes(bytes)} for "${this.#path}": ${why}`,
      );
    }
    const header = formatHeader(layout);
    symbols.pwrite(this.#fd, header, BigInt(header.byteLength), 0n);
  }
}

/**
 * Makes an empty file, locked and for its owner alone, and has it brought to `path`.
 * @returns Its descriptor.
 */
function makeFile(
  libc: Libc,
  path: string,
  bringIntoPlace: (temporary: string) => void,
): number {
  const { symbols } = libc;
  const template = cString(`${path}.XXXXXX`);
  const fd = symbols.mkostemp(template, LINUX.O_CLOEXEC);
  if (fd < 0) throw libc.failure("bridge_files", `Cannot make a file for "${path}"`);
  symbols.flock(fd, LINUX.LOCK_EX_NB);
  try {
    bringIntoPlace(new TextDecoder().decode(template.subarray(0, -1)));
    return fd;
  } catch (error) {
    symbols.unlink(template);
    symbols.close(fd);
    throw error;
  }
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
    const found = symbols.open(to, LINUX.O_RDWR | LINUX.O_CLOEXEC);
    if (found < 0 && libc.lastErrno() === LINUX.ENOENT) continue;
    if (found < 0) throw libc.failure("bridge_files", `Cannot open "${path}"`);
    try {
      if (symbols.flock(found, LINUX.LOCK_EX_NB) !== 0) {
        throw new BridgeError(
          "bridge_taken",
          `Another server has the bridge "${name}" ("${path}")`,
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
    `Another server is taking the bridge "${name}" ("${path}")`,
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
