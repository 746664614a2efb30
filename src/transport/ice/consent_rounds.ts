import type { CancelTimer, Clock } from "../../base/clock.ts";
import type { MediaAddress } from "../../ports/media_address.ts";
import type { IceAgent } from "./ice_agent.ts";
import type { TransportMeter } from "../metrics.ts";

/** A viewer with addresses that need consent. */
interface Asked {
  readonly ice: Pick<IceAgent, "ask" | "nextAskAtMs">;
}

export interface ConsentRoundsOptions {
  readonly send: (packet: Uint8Array, to: MediaAddress) => void;
  readonly clock: Clock;
  readonly meter: TransportMeter;
}

/** Sends the consent requests of the viewers on one port when they are due, with one timer per viewer. */
export class ConsentRounds {
  readonly #options: ConsentRoundsOptions;
  readonly #timers = new Map<Asked, { readonly atMs: number; readonly cancel: CancelTimer }>();
  readonly #ended = new WeakSet<Asked>();

  constructor(options: ConsentRoundsOptions) {
    this.#options = options;
  }

  /** Sends due requests, and schedules the next ones. Cheap if nothing has changed: called for each packet. */
  keep(member: Asked): void {
    // A packet, such as an alert, may end its viewer before this call.
    if (this.#ended.has(member)) return;
    const timer = this.#timers.get(member);
    const nowMs = this.#options.clock.now();
    if (timer?.atMs === member.ice.nextAskAtMs && nowMs < timer.atMs) return;
    if (member.ice.nextAskAtMs <= nowMs) this.#ask(member, nowMs);
    this.#cancel(member);
    const atMs = member.ice.nextAskAtMs;
    if (atMs === Number.POSITIVE_INFINITY) return;
    const cancel = this.#options.clock.after(atMs - nowMs, () => {
      this.#timers.delete(member);
      this.keep(member);
    });
    this.#timers.set(member, { atMs, cancel });
  }

  /** The viewer has ended. Idempotent. */
  end(member: Asked): void {
    this.#ended.add(member);
    this.#cancel(member);
  }

  #cancel(member: Asked): void {
    this.#timers.get(member)?.cancel();
    this.#timers.delete(member);
  }

  #ask(member: Asked, nowMs: number): void {
    const { send, meter } = this.#options;
    const { requests, lost } = member.ice.ask(nowMs);
    for (const { packet, to } of requests) {
      meter.count("consent_requests_total");
      send(packet, to);
    }
    for (const reason of lost) meter.count("consents_lost_total", { reason });
  }
}
