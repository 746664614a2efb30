// @ts-check
/** Texts of the status page. @module */
/** @typedef {import("./server.js").NoStatus} NoStatus */

/**
 * @typedef {object} Problem
 * @property {string} status The headline, in two or three words.
 * @property {string} title
 * @property {string} text Meaning, and what may help.
 */

/**
 * Explains why there is nothing to show.
 * @param {NoStatus} answer
 * @param {{ host: string, hasToken: boolean }} page
 * @returns {Problem}
 */
export function explain(answer, { host, hasToken }) {
  switch (answer.kind) {
    case "away":
      return {
        status: "No answer",
        title: `The server at ${host} does not answer`,
        text: "It may be restarting, or the network path to it is interrupted. The page keeps " +
          "trying and shows the last answer.",
      };
    case "odd":
      return {
        status: "Unexpected answer",
        title: `The server answers with HTTP ${answer.code}`,
        text: "That is not a list of sessions. A proxy may answer in place of the server, or the " +
          "list is served at server.admin_listen.",
      };
    case "refused":
      return {
        status: "Not allowed",
        title: hasToken
          ? "This token does not allow you to read the list of sessions"
          : "You need a token to read the list of sessions",
        text: "The list needs a token for all sessions. Make one on the server with: " +
          "pinhole token --session '*'",
      };
  }
}

/** @param {number} kbps */
export function bitrateWords(kbps) {
  return `${Math.round(kbps).toLocaleString("en")} kbit/s`;
}

/** @param {number | null} ms */
export function roundTripWords(ms) {
  if (ms === null) return "–";
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms).toLocaleString("en")} ms`;
}

/** @param {number | null} ms A whole number. */
export function queueWords(ms) {
  return ms === null ? "–" : `${ms.toLocaleString("en")} ms`;
}

/** @param {number} share 0 to 1. */
export function lossWords(share) {
  return `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
}

/** @param {number} seconds */
export function ageWords(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 24
    ? `${hours} h ${minutes % 60} min`
    : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** @param {number} count @param {string} noun */
export function countWords(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
