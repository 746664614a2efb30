// @ts-check
/** How long a player waits between its tries. @module */

const FIRST_MS = 250;
const LAST_MS = 4000;

/**
 * At most 0.25, 0.5, 1 … 4 s; up to half of it is subtracted at random, so that pages do not retry at the same time.
 * @param {number} failures Number of failures in a row.
 */
export function backoffMs(failures) {
  const most = Math.min(FIRST_MS * 2 ** failures, LAST_MS);
  return most * (1 - Math.random() / 2);
}
