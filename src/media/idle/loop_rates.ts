/**
 * Ratio between neighbouring rates. A target rises to 1.5 times the sent rate (`RateController`), so a viewer at one rate
 * can reach the next; with a ratio of 2 it never would.
 */
const STEP = 1.5;

/** Minimum rate, in kbit/s; for slower paths, sessions encode the idle pictures themselves. */
const LEAST_KBPS = 60;

/**
 * Rates at which an idle loop may be encoded, in kbit/s, highest first.
 * @param ceilingKbps The session's maximum rate, which is the first.
 */
export function loopRates(ceilingKbps: number): number[] {
  const rates = [ceilingKbps];
  for (let kbps = ceilingKbps / STEP; kbps >= LEAST_KBPS; kbps /= STEP) rates.push(kbps);
  return rates;
}
