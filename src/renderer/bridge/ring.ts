import { BridgeViolation } from "./bridge_error.ts";
import type { Libc } from "./libc.ts";
import { LINUX } from "./libc.ts";
import type { RingMessage } from "./server_messages.ts";

/** Where the slots of a ring lie: see docs/bridge.md. */
export type RingLayout = Omit<RingMessage, "type">;

/** Bytes of a ring, its header included. */
export function ringBytes(
  { slotsOffset, slotBytes, slotCount }: Omit<RingLayout, "generation">,
): number {
  return slotsOffset + slotBytes * slotCount;
}

/** A file in shared memory, mapped whole. */
export class Mapping {
  readonly #libc: Libc;
  readonly #pointer: Deno.PointerObject;
  readonly #buffer: ArrayBuffer;
  readonly #byteLength: number;

  /**
   * Maps the first `byteLength` bytes of a file.
   * @param options.writable Otherwise writing ends the process.
   * @throws {BridgeError} `bridge_files`
   */
  constructor(
    libc: Libc,
    { fd, byteLength, writable }: { fd: number; byteLength: number; writable: boolean },
  ) {
    const protection = LINUX.PROT_READ | (writable ? LINUX.PROT_WRITE : 0);
    const length = BigInt(byteLength);
    const pointer = libc.symbols.mmap(null, length, protection, LINUX.MAP_SHARED, fd, 0n);
    // MAP_FAILED is the address of all ones.
    if (pointer === null || BigInt.asIntN(64, Deno.UnsafePointer.value(pointer)) === -1n) {
      throw libc.failure("bridge_files", `Cannot map ${byteLength} bytes of shared memory`);
    }
    this.#libc = libc;
    this.#pointer = pointer;
    this.#byteLength = byteLength;
    // One view for all that lies in it: V8 counts the bytes of each as garbage to come.
    this.#buffer = Deno.UnsafePointerView.getArrayBuffer(pointer, byteLength);
  }

  /** A view of part of it. It has no bytes when the mapping is closed. */
  bytes(offset: number, byteLength: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#buffer, offset, byteLength);
  }

  /** No thread may be reading. Called once. */
  close(): void {
    // Cut off first, so that a view that somebody kept is empty instead of a crash.
    this.#buffer.transfer(0);
    this.#libc.symbols.munmap(this.#pointer, BigInt(this.#byteLength));
  }
}

/** A slot whose picture is the server's for now. */
export interface Slot {
  /** A view of part of the slot, valid until `release`. */
  bytes(offset: number, byteLength: number): Uint8Array<ArrayBuffer>;
  /** Gives the slot back to the writer. Called once. */
  release(): void;
}

/** What a ring is made of. */
export interface RingOptions {
  readonly libc: Libc;
  /** The ring's file, which is the ring's to close. */
  readonly fd: number;
  readonly layout: RingLayout;
  /** A slot is the writer's again. Not called for a retired ring. */
  readonly onReleased: (slot: number) => void;
}

/**
 * The server's side of a ring. It reads the slots that the writer has handed over, and keeps the memory until the last
 * of them is given back, even when the ring has been replaced or its writer is gone.
 */
export class Ring {
  readonly layout: RingLayout;
  readonly #options: RingOptions;
  readonly #mapping: Mapping;
  readonly #taken = new Set<number>();
  #unused = Promise.withResolvers<void>();
  #retired = false;

  /** @throws {BridgeError} `bridge_files` */
  constructor(options: RingOptions) {
    const { libc, fd, layout } = options;
    this.#mapping = new Mapping(libc, { fd, byteLength: ringBytes(layout), writable: false });
    this.#options = options;
    this.layout = layout;
  }

  /**
   * Takes a slot over from the writer.
   * @throws {BridgeViolation} When there is no such slot, when the writer has handed it over before and not got it
   * back, or when the file lost its memory: reading it would end this process.
   */
  take(index: number): Slot {
    const { slotsOffset, slotBytes, slotCount } = this.layout;
    if (this.#retired) throw new BridgeViolation("a picture came while a ring was being made");
    if (index >= slotCount) {
      throw new BridgeViolation(`a picture lies in slot ${index} of ${slotCount}`);
    }
    if (this.#taken.has(index)) {
      throw new BridgeViolation(`a picture lies in slot ${index}, which was not given back`);
    }
    if (!this.#isWhole()) throw new BridgeViolation("the file of the ring was made shorter");
    if (this.#taken.size === 0) this.#unused = Promise.withResolvers();
    this.#taken.add(index);
    return {
      bytes: (offset, byteLength) =>
        this.#mapping.bytes(slotsOffset + index * slotBytes + offset, byteLength),
      release: () => this.#release(index),
    };
  }

  /** Settles when no slot is taken. */
  get unused(): Promise<void> {
    if (this.#taken.size === 0) this.#unused.resolve();
    return this.#unused.promise;
  }

  /** No slot is taken any more. The memory goes when the last one that is taken is given back. Idempotent. */
  retire(): void {
    if (this.#retired) return;
    this.#retired = true;
    this.#closeIfUnused();
  }

  #release(index: number): void {
    this.#taken.delete(index);
    if (this.#taken.size === 0) this.#unused.resolve();
    if (!this.#retired) this.#options.onReleased(index);
    else this.#closeIfUnused();
  }

  #isWhole(): boolean {
    const { libc, fd } = this.#options;
    return (libc.stat({ fd })?.bytes ?? 0) >= ringBytes(this.layout);
  }

  #closeIfUnused(): void {
    if (this.#taken.size > 0) return;
    this.#mapping.close();
    this.#options.libc.symbols.close(this.#options.fd);
  }
}
