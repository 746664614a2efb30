import { CHECK_NAMES, type CheckName, type CheckResult, failed, skipped } from "./result.ts";

/** Checks that every run reports, even if only as skipped. */
const ALWAYS_TOLD: ReadonlySet<CheckName> = new Set([
  ...["ports", "renderer", "encoder", "server", "frpc", "public_address", "signalling"] as const,
  ...["packet_size", "webrtc", "firewall", "clock"] as const,
]);

/** One run of the doctor: what it is waiting for, and which checks it has reported. */
export class DoctorRun {
  readonly #ending = new AbortController();
  readonly #told = new Set<CheckName>();
  #awaited: { readonly check: CheckName; readonly what: string } = {
    check: "server",
    what: "an answer from the server",
  };

  /** Aborted at the deadline, to end processes that were started. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** Records what the run is waiting for; `what` ends the sentence "still waiting for …". */
  awaits(check: CheckName, what: string): void {
    this.#awaited = { check, what };
  }

  /** Records a result. */
  tells({ check }: CheckResult): void {
    this.#told.add(check);
  }

  /** Aborts pending work. @returns Results for the checks that did not finish. */
  giveUp(ms: number): CheckResult[] {
    this.#ending.abort();
    const { check: awaited, what } = this.#awaited;
    const time = `${ms / 1000} s`;
    const rest = CHECK_NAMES.filter((check) =>
      check !== awaited && ALWAYS_TOLD.has(check) && !this.#told.has(check)
    );
    return [
      failed(awaited, {
        text: `Timed out: after ${time} the doctor is still waiting for ${what}`,
        fix: "Find out why it hangs; if the host is only slow, raise --timeout",
      }),
      ...rest.map((check) => skipped(check, `Not finished within ${time}`)),
    ];
  }
}
