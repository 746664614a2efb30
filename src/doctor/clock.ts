import { outputOf } from "./command.ts";
import type { HttpReply } from "./http.ts";
import { type CheckResult, ok, skipped, warning } from "./result.ts";

/** Beyond this many milliseconds clocks differ: a header has whole seconds, and its way takes time. */
const DIFFERENCE_MS_MAX = 5_000;

/** What is known of this host's clock. */
export interface ClockFound {
  /** An answer that came through the public address; `undefined` when none did. */
  readonly reply: Pick<HttpReply, "dateMs" | "receivedMs"> | undefined;
  /** Whether the system says that its clock is kept by NTP. */
  readonly isSynchronized: boolean | undefined;
  /** Whether anything depends on it: access tokens do. */
  readonly usesTokens: boolean;
}

/** Says whether this host's clock can be trusted. Pure. */
export function judgeClock(
  { reply, isSynchronized, usesTokens }: ClockFound,
): CheckResult {
  const fix = "`timedatectl set-ntp true` keeps the clock right; access tokens end by it";
  const differenceMs = reply?.dateMs === undefined ? 0 : reply.receivedMs - reply.dateMs;
  if (Math.abs(differenceMs) > DIFFERENCE_MS_MAX) {
    const seconds = Math.round(differenceMs / 1000);
    const text = `This host's clock and the one behind the public address differ by ${seconds} s`;
    return warning("clock", { text, fix, values: { difference_s: seconds } });
  }
  if (isSynchronized === false && usesTokens) {
    return warning("clock", { text: "No NTP service keeps this host's clock", fix });
  }
  if (isSynchronized === true) return ok("clock", "Kept by NTP");
  if (reply?.dateMs !== undefined) return ok("clock", "The same behind the public address");
  return skipped("clock", "Nothing to compare it with");
}

/** Asks systemd; `undefined` where it does not know. */
export async function isClockSynchronized(): Promise<boolean | undefined> {
  const text = await outputOf("timedatectl", ["show", "--property=NTPSynchronized", "--value"]);
  return text === undefined ? undefined : text.trim() === "yes";
}
