import { BridgeViolation } from "./bridge_error.ts";
import type { Libc } from "./libc.ts";
import type { RingMessage } from "./server_messages.ts";

/** Layout of a ring's slots: see docs/bridge_wire.md. */
export type RingLayout = Omit<RingMessage, "type">;

/** Bytes of a ring, including its header. */
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

/** A slot that the server currently owns. */
export interface Slot {
  /** Copies the requested parts, valid until `release`; `undefined` if the file was truncated. Called at most once. */
  read(): readonly Uint8Array<ArrayBuffer>[] | undefined;
  /** Returns the slot to the writer. Called once. */
  release(): void;
}

export interface RingOptions {
  readonly libc: Libc;
  /** The ring's file, which the ring closes. */
  readonly fd: number;
  readonly layout: RingLayout;
  /** A slot was returned to the writer. Not called for a retired ring. */
  readonly onReleased: (slot: number) => void;
  /** A picture could not be read because the file was truncated. */
  readonly onShort: () => void;
}

/** A slot that the server owns, and its data if already read. */
interface Taken {
  readonly parts: readonly SlotPart[];
  memory: Uint8Array<ArrayBuffer> | undefined;
  copies: readonly Uint8Array<ArrayBuffer>[] | undefined;
}

/**
 * The server's side of a ring: reads the slots that the writer has sent.
 *
 * It copies instead of mapping the file, although that takes 0.1 ms per MiB: any program of the same user can truncate
 * the file during a read, which would crash a process that has it mapped (SIGBUS). It copies only pictures that are
 * shown, so a writer that sends more costs nothing.
 */
export class Ring {
  readonly layout: RingLayout;
  readonly #options: RingOptions;
  readonly #taken = new Map<number, Taken>();
  /** Buffers of returned slots for reuse, as many as were ever used at the same time. */
  readonly #spare: Uint8Array<ArrayBuffer>[] = [];
  #retired = false;

  constructor(options: RingOptions) {
    this.#options = options;
    this.layout = options.layout;
  }

  /**
   * Takes ownership of a slot from the writer.
   * @param parts The parts to read; all of them are within the slot.
   * @throws {BridgeViolation} When there is no such slot, or the server already owns it.
   */
  take(index: number, parts: readonly SlotPart[]): Slot {
    if (this.#retired) throw new BridgeViolation("a picture arrived while a ring was being made");
    if (index >= this.layout.slotCount) {
      throw new BridgeViolation(`a picture is in slot ${index} of ${this.layout.slotCount}`);
    }
    if (this.#taken.has(index)) {
      throw new BridgeViolation(`a picture is in slot ${index}, which was not released`);
    }
    const taken: Taken = { parts, memory: undefined, copies: undefined };
    this.#taken.set(index, taken);
    return {
      read: () => this.#read(index, taken),
      release: () => this.#release(index, taken),
    };
  }

  /** Accepts no more slots, and reads those in use now, so that their data stays available. Idempotent. */
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
