import { SerialCalls } from "../library_calls.ts";
import type { Logger } from "../../base/log.ts";
import { BridgeError } from "./bridge_error.ts";
import type { BridgeFiles } from "./bridge_files.ts";
import type { Libc } from "./libc.ts";
import { SLOT_BYTES_STEP } from "./limits.ts";
import { Ring, ringBytes, type RingLayout } from "./ring.ts";
import { planRing, slotsNeeded, slotsThatFit } from "./ring_plan.ts";
import type { RingOwner } from "./writer_connection.ts";

export interface RingMakerOptions {
  readonly libc: Libc;
  readonly files: BridgeFiles;
  /** Name of the bridge, for the log. */
  readonly bridge: string;
  readonly log: Logger;
}

/** Slots of a new ring. */
interface Slots {
  readonly slotBytes: number;
  readonly slotCount: number;
}

/** Creates the rings of one bridge, within the host's shared memory. */
export class RingMaker {
  readonly #options: RingMakerOptions;
  readonly #calls: SerialCalls = new SerialCalls();
  /** The latest ring, whose file is at the bridge's path. */
  #last: Ring | undefined;
  /** What the latest warning said: a writer that asks again for the same ring is no news. */
  #warned: { readonly wantedBytes: number; readonly slots: number } | undefined;

  constructor(options: RingMakerOptions) {
    this.#options = options;
  }

  /**
   * Creates a ring for a writer, or keeps its current one if there is no memory for another.
   * @param wish.bytes Bytes of a slot.
   * @param wish.sessions Sessions that are open.
   * @returns For how many of the sessions the ring has slots.
   * @throws {BridgeError} `bridge_files`, when there is no memory for a single slot.
   */
  make(
    wish: { bytes: number; count: number; sessions: number },
    owner: RingOwner,
  ): Promise<number> {
    return this.#calls.run(() => this.#make(wish, owner));
  }

  /**
   * Checks whether there is memory for another session.
   * @param use.layout The ring that a writer has.
   * @param use.sessions Sessions, with the new one.
   * @returns Why there is no memory; `undefined` if there is.
   */
  refusal(use: { layout: RingLayout; sessions: number }): string | undefined {
    const { slotBytes } = use.layout;
    const memoryBytes = this.#options.files.freeBytes + ringBytes(use.layout);
    const needed = slotsNeeded(use.sessions);
    if (slotsThatFit({ slotBytes, memoryBytes }) >= needed) return undefined;
    const wantedBytes = ringBytes({ ...use.layout, slotCount: needed });
    this.#warn({ wantedBytes, memoryBytes, slots: use.layout.slotCount, refused: 1 });
    return this.#words(wantedBytes, memoryBytes);
  }

  async #make(
    { bytes, count: slotCount, sessions }: { bytes: number; count: number; sessions: number },
    owner: RingOwner,
  ): Promise<number> {
    const { files, libc } = this.#options;
    // Memory of previous rings counts as free.
    await libc.closed();
    const slotBytes = Math.ceil(bytes / SLOT_BYTES_STEP) * SLOT_BYTES_STEP;
    const memoryBytes = files.freeBytes +
      (this.#last === undefined ? 0 : ringBytes(this.#last.layout));
    const former = owner.former?.layout;
    const plan = planRing({ slotBytes, slotCount, sessions, memoryBytes, former });
    const wantedBytes = ringBytes({ slotBytes, slotCount, slotsOffset: SLOT_BYTES_STEP });
    if (plan.kind !== "grant" || plan.slotCount < slotCount) {
      const refused = Math.max(0, sessions - plan.sessions);
      this.#warn({ wantedBytes, memoryBytes, slots: plan.slotCount, refused });
    } else {
      this.#warned = undefined;
    }
    if (plan.kind === "none") {
      throw new BridgeError("bridge_files", this.#words(wantedBytes, memoryBytes));
    }
    if (plan.kind === "keep") {
      owner.onKept();
      return plan.sessions;
    }
    const granted = await this.#makeSpace({ slotBytes, slotCount: plan.slotCount });
    if (!owner.isOver()) await this.#open({ slotBytes, slotCount: granted }, owner);
    return plan.sessions;
  }

  /**
   * Frees the memory of the last ring if a new one needs it. The writer does not use it while it waits for the new
   * one.
   * @returns Number of slots that fit into memory now.
   */
  async #makeSpace({ slotBytes, slotCount }: Slots): Promise<number> {
    const { files } = this.#options;
    const fitting = () => slotsThatFit({ slotBytes, memoryBytes: files.freeBytes });
    if (this.#last === undefined || fitting() >= slotCount) return slotCount;
    this.#last.retire();
    await files.empty();
    return Math.min(slotCount, Math.max(1, fitting()));
  }

  async #open(slots: Slots, owner: RingOwner): Promise<void> {
    const { libc, files } = this.#options;
    const { fd, layout } = await files.makeRing(slots);
    try {
      const ring: Ring = new Ring({
        libc,
        fd,
        layout,
        onReleased: (slot) => owner.onReleased(ring, slot),
        onShort: owner.onShort,
      });
      this.#last = ring;
      owner.onMade(ring);
    } catch (error) {
      libc.symbols.close(fd);
      throw error;
    }
  }

  #words(wantedBytes: number, memoryBytes: number): string {
    const { bridge, files: { folder } } = this.#options;
    return `The bridge "${bridge}" needs ${mebibytes(wantedBytes)} MiB of shared memory, and ` +
      `${folder} has ${mebibytes(memoryBytes)} MiB; ${remedy(wantedBytes)}`;
  }

  #warn(
    { wantedBytes, memoryBytes, slots, refused }: {
      wantedBytes: number;
      memoryBytes: number;
      slots: number;
      refused: number;
    },
  ): void {
    const { bridge, log, files: { folder } } = this.#options;
    const isNews = wantedBytes !== this.#warned?.wantedBytes || slots !== this.#warned.slots;
    if (!isNews && refused === 0) return;
    this.#warned = { wantedBytes, slots };
    log.warn("bridge_memory_short", {
      bridge,
      folder,
      wanted_mib: mebibytes(wantedBytes),
      free_mib: mebibytes(memoryBytes),
      slots,
      refused_sessions: refused,
      remedy: remedy(wantedBytes),
    });
  }
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 1024 / 102.4) / 10;
}

/** How to provide enough memory, doubled because two rings may exist during a replacement. */
function remedy(wantedBytes: number): string {
  const mebibytes = 2 ** Math.ceil(Math.log2(2 * wantedBytes / 1024 / 1024));
  return `give the container more, such as docker run --shm-size=${Math.max(64, mebibytes)}m`;
}
