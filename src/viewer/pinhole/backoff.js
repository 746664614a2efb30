// @ts-check
/** How long a player waits between its tries. @module */

const FIRST_MS = 250;
const LAST_MS = 4000;

/**
 * At most 0.25, 0.5, 1 … 4 s; up to half of it is taken off at random, so that pages do not come back in step.
 * @param {number} failures In a row, so far.
 */
export function backoffMs(failures) {
  const most = Math.min(FIRST_MS * 2 ** failures, LAST_MS);
  return most * (1 - Math.random() / 2);
}
