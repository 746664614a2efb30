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
  /**
   * Copies the parts that were asked for, valid until `release`; `undefined` when the file was made shorter. Called
   * once at most.
   */
  read(): readonly Uint8Array<ArrayBuffer>[] | undefined;
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
  /** A picture could not be read, as the file was made shorter. */
  readonly onShort: () => void;
}

/** A slot that was taken, as far as it was read. */
interface Taken {
  readonly parts: readonly SlotPart[];
  memory: Uint8Array<ArrayBuffer> | undefined;
  copies: readonly Uint8Array<ArrayBuffer>[] | undefined;
}

/**
 * The server's side of a ring: it reads the slots that the writer has handed over.
 *
 * It copies instead of mapping the file, although that takes 0.1 ms for each mebibyte: any program of the same user can
 * make the file shorter while it is read, which would end a process that has it mapped (SIGBUS). It copies what is
 * shown, not what comes: a writer that sends more pictures than are shown costs nothing.
 */
export class Ring {
  readonly layout: RingLayout;
  readonly #options: RingOptions;
  readonly #taken = new Map<number, Taken>();
  /** Memory of slots that were given back: as much as was ever used at a time. */
  readonly #spare: Uint8Array<ArrayBuffer>[] = [];
  #retired = false;

  constructor(options: RingOptions) {
    this.#options = options;
    this.layout = options.layout;
  }

  /**
   * Takes a slot over from the writer.
   * @param parts What is to be read; all of them lie within the slot.
   * @throws {BridgeViolation} When there is no such slot, or when the writer has handed it over before and not got it
   * back.
   */
  take(index: number, parts: readonly SlotPart[]): Slot {
    if (this.#retired) throw new BridgeViolation("a picture arrived while a ring was being made");
    if (index >= this.layout.slotCount) {
      throw new BridgeViolation(`a picture lies in slot ${index} of ${this.layout.slotCount}`);
    }
    if (this.#taken.has(index)) {
      throw new BridgeViolation(`a picture lies in slot ${index}, which was not given back`);
    }
    const taken: Taken = { parts, memory: undefined, copies: undefined };
    this.#taken.set(index, taken);
    return {
      read: () => this.#read(index, taken),
      release: () => this.#release(index, taken),
    };
  }

  /** No slot is taken any more; those that are get read now, and keep what was read. Idempotent. */
  retire(): void {
    if (this.#retired) return;
    for (const [index, taken] of this.#taken) this.#read(index, taken);
    this.#retired = true;
    this.#options.libc.closeLater(this.#options.fd);
  }

  #read(index: number, taken: Taken): Taken["copies"] {
    if (taken.memory !== undefined || this.#retired) return taken.copies;
    const memory = taken.memory = this.#spare.pop() ?? new Uint8Array(this.layout.slotBytes);
    const { libc, fd, layout: { slotsOffset, slotBytes }, onShort } = this.#options;
    const copies = [];
    for (const { offset, byteLength } of taken.parts) {
      const copy = memory.subarray(offset, offset + byteLength);
      const position = BigInt(slotsOffset + index * slotBytes + offset);
      const read = libc.symbols.pread(fd, copy, BigInt(byteLength), position);
      if (Number(read) !== byteLength) {
        onShort();
        return undefined;
      }
      copies.push(copy);
    }
    taken.copies = copies;
    return copies;
  }

  #release(index: number, { memory }: Taken): void {
    this.#taken.delete(index);
    if (this.#retired) return;
    if (memory !== undefined) this.#spare.push(memory);
    this.#options.onReleased(index);
  }
}
