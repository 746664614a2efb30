import { type CheckName, type CheckResult, CHECKS, failed, skipped } from "./result.ts";

/** Checks that each run tells, if only that they were skipped. */
const ALWAYS_TOLD: ReadonlySet<CheckName> = new Set([
  ...["ports", "renderer", "encoder", "server", "frpc", "public_address", "signalling"] as const,
  ...["packet_size", "webrtc", "firewall", "clock"] as const,
]);

/** One run of the doctor: what it waits for at present, and what it has told. */
export class DoctorRun {
  readonly #ending = new AbortController();
  readonly #told = new Set<CheckName>();
  #awaited: { readonly check: CheckName; readonly what: string } = {
    check: "server",
    what: "an answer of the server",
  };

  /** Aborted when time is up: processes that were started are ended then. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** Notes what is waited for from now on; `what` ends the sentence "still waits for …". */
  awaits(check: CheckName, what: string): void {
    this.#awaited = { check, what };
  }

  /** Notes a result. */
  tells({ check }: CheckResult): void {
    this.#told.add(check);
  }

  /** Ends what is under way. @returns What is to be said of the checks that did not finish. */
  giveUp(ms: number): CheckResult[] {
    this.#ending.abort();
    const { check: awaited, what } = this.#awaited;
    const time = `${ms / 1000} s`;
    const rest = CHECKS.filter((check) =>
      check !== awaited && ALWAYS_TOLD.has(check) && !this.#told.has(check)
    );
    return [
      failed(awaited, {
        text: `Not done: after ${time} the doctor still waits for ${what}`,
        fix:
          "See what hangs there; on a host that is only slow, give the doctor longer with --timeout",
      }),
      ...rest.map((check) => skipped(check, `Not finished within ${time}`)),
    ];
  }
}
