import { BridgeViolation } from "./bridge_error.ts";
import type { Libc } from "./libc.ts";
import type { RingMessage } from "./server_messages.ts";

/** Where the slots of a ring lie: see docs/bridge_wire.md. */
export type RingLayout = Omit<RingMessage, "type">;

/** Bytes of a ring, its header included. */
export function ringBytes(
  { slotsOffset, slotBytes, slotCount }: Omit<RingLayout, "generation">,
): number {
  return slotsOffset + slotBytes * slotCount;
}

/** Part of a slot, in bytes. */
export interface SlotPart {
  readonly offset: number;
  readonly byteLength: number;
}

/** A slot whose picture is the server's for now. */
export interface Slot {
  /** A copy of each part that was asked for, valid until `release`. */
  readonly parts: readonly Uint8Array<ArrayBuffer>[];
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
 * The server's side of a ring: it reads the slots that the writer has handed over.
 *
 * It copies instead of mapping the file, although that takes 0.1 ms for each mebibyte: any program of the same user can
 * make the file shorter while it is read, which would end a process that has it mapped (SIGBUS), and what was checked
 * cannot change afterwards.
 */
export class Ring {
  readonly layout: RingLayout;
  readonly #options: RingOptions;
  readonly #taken = new Set<number>();
  /** Memory of slots that were given back: as much as was ever used at a time. */
  readonly #spare: Uint8Array<ArrayBuffer>[] = [];
  #retired = false;

  constructor(options: RingOptions) {
    this.#options = options;
    this.layout = options.layout;
  }

  /**
   * Takes a slot over from the writer, and reads parts of it, all of which lie within the slot.
   * @throws {BridgeViolation} When there is no such slot, when the writer has handed it over before and not got it
   * back, or when the file was made shorter.
   */
  take(index: number, parts: readonly SlotPart[]): Slot {
    if (this.#retired) throw new BridgeViolation("a picture came while a ring was being made");
    if (index >= this.layout.slotCount) {
      throw new BridgeViolation(`a picture lies in slot ${index} of ${this.layout.slotCount}`);
    }
    if (this.#taken.has(index)) {
      throw new BridgeViolation(`a picture lies in slot ${index}, which was not given back`);
    }
    const memory = this.#spare.pop() ?? new Uint8Array(this.layout.slotBytes);
    const copies = parts.map((part) => this.#read(memory, index, part));
    this.#taken.add(index);
    return { parts: copies, release: () => this.#release(index, memory) };
  }

  /** No slot is taken any more; those that are keep what was read of them. Idempotent. */
  retire(): void {
    if (this.#retired) return;
    this.#retired = true;
    this.#options.libc.symbols.close(this.#options.fd);
  }

  #read(
    memory: Uint8Array<ArrayBuffer>,
    index: number,
    { offset, byteLength }: SlotPart,
  ): Uint8Array<ArrayBuffer> {
    const { libc, fd, layout: { slotsOffset, slotBytes } } = this.#options;
    const copy = memory.subarray(offset, offset + byteLength);
    const position = BigInt(slotsOffset + index * slotBytes + offset);
    const read = libc.symbols.pread(fd, copy, BigInt(byteLength), position);
    if (Number(read) === byteLength) return copy;
    throw new BridgeViolation("the file of the ring was made shorter");
  }

  #release(index: number, memory: Uint8Array<ArrayBuffer>): void {
    this.#taken.delete(index);
    if (this.#retired) return;
    this.#spare.push(memory);
    this.#options.onReleased(index);
  }
}
