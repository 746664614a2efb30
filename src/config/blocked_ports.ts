/**
 * Ports above 1023 that browsers block, for media too: the "bad ports" of Fetch
 * (https://fetch.spec.whatwg.org/#port-blocking). Verified in Chromium: no ICE check is sent to 5060, 6000 or 10080.
 */
const BLOCKED: readonly number[] = [
  ...[1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566],
  ...[6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080],
];

/** The first blocked port in an inclusive range. Ports below 1024 are not checked. */
export function blockedPortOf(range: { first: number; last: number }): number | undefined {
  return BLOCKED.find((port) => port >= range.first && port <= range.last);
}
