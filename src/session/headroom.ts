import { type CancelTimer, type Clock, SYSTEM_CLOCK } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import type { EncodingTurns } from "./encoding_turns.ts";
import type { SessionMeter } from "./metrics.ts";

/** Time between two probes of the event loop, in milliseconds. A loop that is as late as this is half free. */
const PROBE_MS = 20;

/** The same while there is plenty of room: fifty timers a second cost 2 % of a slow core. */
const CALM = { free: 0.8, probeMs: 200 } as const;

/**
 * Time that a value is about, in milliseconds. In less, the first viewer's warm-up, or a garbage collection, would look
 * like overload.
 */
const WINDOW_MS = 5_000;
const SLOTS = 10;
const SLOT_MS = WINDOW_MS / SLOTS;

/** Below `busy` the server counts as busy, and above `free` no longer: a single viewer more or less must not decide. */
const LIMITS = { busy: 0.05, free: 0.15 } as const;

/** Probes of some time. */
interface Slot {
  readonly fromMs: number;
  readonly busyMs: number;
  /** When its probes should have come, and how much later they came. */
  plannedMs: number;
  lateMs: number;
}

/**
 * Estimates which share of the server is free, from 0 to 1: the smaller one of the event loop's and the encoders'. Of
 * the event loop, it is the share of the time that probes did not have to wait, so a loop that other programs take the
 * processor from has less of it too; of the encoders, that of turns not taken. Over the last {@link WINDOW_MS}. Pure:
 * times are arguments.
 */
export class HeadroomEstimate {
  readonly #slots: Slot[] = [];
  #isBusy = false;
  #free = 1;

  /**
   * Adds a probe of the event loop.
   * @param probe `plannedMs`: its interval, {@link PROBE_MS} by default. `lateMs`: how late it came. `busyMs`: what
   * {@link EncodingTurns.busyMs} is now.
   */
  note({ nowMs, lateMs, busyMs, plannedMs = PROBE_MS }: {
    nowMs: number;
    lateMs: number;
    busyMs: number;
    plannedMs?: number;
  }): void {
    let slot = this.#slots.at(-1);
    if (slot === undefined || nowMs - slot.fromMs >= SLOT_MS) {
      slot = { fromMs: nowMs, busyMs, plannedMs: 0, lateMs: 0 };
      this.#slots.push(slot);
      // The oldest one that is kept begins before the window, so that the window is never shorter.
      while (nowMs - (this.#slots[1]?.fromMs ?? nowMs) >= WINDOW_MS) this.#slots.shift();
    }
    slot.plannedMs += plannedMs;
    slot.lateMs += Math.max(0, lateMs);
    this.#free = this.#freeAt(nowMs, busyMs);
    this.#isBusy = this.#free < (this.#isBusy ? LIMITS.free : LIMITS.busy);
  }

  /** The share that is free; 1 until it is known. */
  get free(): number {
    return this.#free;
  }

  /** Whether there is no room for another session. Changes at different values up and down. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  #freeAt(nowMs: number, busyMs: number): number {
    const [first] = this.#slots;
    if (first === undefined || nowMs - first.fromMs < WINDOW_MS) return 1;
    const plannedMs = this.#slots.reduce((sum, slot) => sum + slot.plannedMs, 0);
    const lateMs = this.#slots.reduce((sum, slot) => sum + slot.lateMs, 0);
    const loop = plannedMs / (plannedMs + lateMs);
    const encoders = 1 - (busyMs - first.busyMs) / (nowMs - first.fromMs);
    return Math.max(0, Math.min(loop, encoders));
  }
}

/** Whether the server has room for another session. */
export interface Headroom {
  /** The share that is free, 0 to 1. */
  free(): number;
  isBusy(): boolean;
}

export interface HeadroomOptions {
  readonly turns: EncodingTurns;
  readonly meter: SessionMeter;
  readonly log: Logger;
  /** Default: the host's. */
  readonly clock?: Clock;
}

/** Measures the headroom, as `headroom_ratio`, until disposed. */
export function measureHeadroom(
  { turns, meter, log, clock = SYSTEM_CLOCK }: HeadroomOptions,
): Headroom & Disposable {
  const estimate = new HeadroomEstimate();
  let cancel: CancelTimer;
  const probe = (): void => {
    const plannedMs = estimate.free > CALM.free ? CALM.probeMs : PROBE_MS;
    const dueMs = clock.now() + plannedMs;
    cancel = clock.after(plannedMs, () => {
      const nowMs = clock.now();
      const wasBusy = estimate.isBusy;
      estimate.note({ nowMs, lateMs: nowMs - dueMs, busyMs: turns.busyMs, plannedMs });
      meter.gauge("headroom_ratio", estimate.free);
      if (estimate.isBusy !== wasBusy) {
        const headroom = Number(estimate.free.toFixed(2));
        if (estimate.isBusy) log.warn("server_busy", { headroom });
        else log.info("server_not_busy", { headroom });
      }
      probe();
    });
  };
  probe();
  return {
    free: () => estimate.free,
    isBusy: () => estimate.isBusy,
    [Symbol.dispose]: () => cancel(),
  };
}
