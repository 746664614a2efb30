import { outputOf } from "./command.ts";
import type { HttpReply } from "./http.ts";
import { type CheckResult, ok, skipped, warning } from "./result.ts";

/** Largest difference that is ignored, in milliseconds: a Date header has whole seconds, and the reply takes time. */
const DIFFERENCE_MS_MAX = 5_000;

/** Findings about this host's clock. */
export interface ClockFound {
  /** An answer that came through the public address; `undefined` when none did. */
  readonly reply: Pick<HttpReply, "dateMs" | "receivedMs"> | undefined;
  /** Whether the system reports its clock as synchronized by NTP; `undefined` if it does not report it. */
  readonly isSynchronized: boolean | undefined;
  /** Whether access tokens are in use: they expire by the clock. */
  readonly usesTokens: boolean;
}

/** Judges this host's clock. Pure. */
export function judgeClock(
  { reply, isSynchronized, usesTokens }: ClockFound,
): CheckResult {
  const fix = "`timedatectl set-ntp true` synchronizes the clock; access tokens expire by it";
  const differenceMs = reply?.dateMs === undefined ? 0 : reply.receivedMs - reply.dateMs;
  if (Math.abs(differenceMs) > DIFFERENCE_MS_MAX) {
    const seconds = Math.round(differenceMs / 1000);
    const text = `This host's clock and the one behind the public address differ by ${seconds} s`;
    return warning("clock", { text, fix, values: { difference_s: seconds } });
  }
  if (isSynchronized === false && usesTokens) {
    return warning("clock", { text: "No NTP service synchronizes this host's clock", fix });
  }
  if (isSynchronized === true) return ok("clock", "Synchronized by NTP");
  if (reply?.dateMs !== undefined) {
    return ok("clock", "Matches the clock behind the public address");
  }
  return skipped("clock", "Nothing to compare it with");
}

/** Queries systemd; `undefined` if it has no answer. */
export async function isClockSynchronized(): Promise<boolean | undefined> {
  const text = await outputOf("timedatectl", ["show", "--property=NTPSynchronized", "--value"]);
  return text === undefined ? undefined : text.trim() === "yes";
}
