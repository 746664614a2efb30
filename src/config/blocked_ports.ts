/**
 * Ports above 1023 to which browsers refuse to send anything, media included: the list that Fetch calls bad ports
 * (https://fetch.spec.whatwg.org/#port-blocking). Tried in Chromium: to 5060, 6000 and 10080 not one check goes out.
 */
const BLOCKED: readonly number[] = [
  ...[1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566],
  ...[6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080],
];

/** The first port of an inclusive range that browsers send nothing to. Ports below 1024 are not looked at. */
export function blockedPortOf(range: { first: number; last: number }): number | undefined {
  return BLOCKED.find((port) => port >= range.first && port <= range.last);
}
