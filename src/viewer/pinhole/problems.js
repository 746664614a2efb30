// @ts-check
/** The player's problems. @module */
import { FATAL_CODES, SERVER_WORDS } from "./codes.js";
export { CODE_OF_CLOSE } from "./codes.js";
/** @typedef {import("../pinhole.d.ts").PlayerProblem} PlayerProblem */

/** Problems that another try would not solve. */
const FATAL = new Set([...FATAL_CODES, "signalling_blocked", "no_offer", "bad_answer"]);

const SIGNALLING_WORDS = {
  /** @param {string} at */
  signalling_blocked: (at) => `The browser does not allow this page to connect to ${at}.`,
  /** @param {string} at */
  signalling_unreachable: (at) => `No WebSocket could be opened to ${at}.`,
  /** @param {string} at */
  signalling_broken: (at) => `The WebSocket to ${at} closed before the server answered.`,
  /** @param {string} at */
  signalling_lost: (at) => `The WebSocket to ${at} closed. The stream continues without it.`,
};

/** @type {PlayerProblem} */
export const NO_WEBRTC = {
  code: "no_webrtc",
  layer: "path",
  message: "This browser has no WebRTC, or it is switched off.",
};

/**
 * Whether another try would not help.
 * @param {PlayerProblem} problem
 */
export function isFatal(problem) {
  return FATAL.has(problem.code);
}

/**
 * @param {string} code One of the server's error codes.
 * @param {string | undefined} message The server's message, if it arrived.
 * @param {string} [reason] Which of the code's causes it is.
 * @returns {PlayerProblem}
 */
export function serverProblem(code, message, reason) {
  const words = message || SERVER_WORDS[code] || `The server refused: ${code}.`;
  const known = /** @type {PlayerProblem["code"]} */ (code);
  const busy = reason === "busy" ? /** @type {const} */ ({ reason }) : {};
  return { code: known, layer: "server", message: words, ...busy };
}

/** @returns {PlayerProblem} */
export function endedProblem() {
  return { code: "ended", layer: "server", message: "The server ended the stream." };
}

/** @returns {PlayerProblem} */
export function noAnswerProblem() {
  return { code: "no_answer", layer: "server", message: "The server did not answer the offer." };
}

/** @param {unknown} error What the browser said. @returns {PlayerProblem} */
export function offerProblem(error) {
  const message = `The browser cannot make an offer: ${error}`;
  return { code: "no_offer", layer: "signalling", message };
}

/** @param {unknown} error What the browser said. @returns {PlayerProblem} */
export function answerProblem(error) {
  const message = `The browser cannot use the server's answer: ${error}`;
  return { code: "bad_answer", layer: "server", message };
}

/**
 * @param {keyof typeof SIGNALLING_WORDS} code
 * @param {URL} url Address of the WebSocket.
 * @returns {PlayerProblem}
 */
export function signallingProblem(code, { origin }) {
  return { code, layer: "signalling", message: SIGNALLING_WORDS[code](origin) };
}

/**
 * Finds the layer at fault of a failed media connection.
 * @param {{ at: string | undefined, reached: boolean, wasConnected: boolean }} found `at`: the announced address and
 * port;
 *   `reached`: a connectivity check was answered.
 * @returns {PlayerProblem}
 */
export function mediaProblem({ at, reached, wasConnected }) {
  const from = at ?? "the server";
  if (wasConnected) {
    return {
      code: "path_lost",
      layer: "path",
      message: `Packets from ${from} no longer arrive.`,
      at,
    };
  }
  if (reached) {
    const message = `Packets arrive from ${from}, but the DTLS handshake did not finish.`;
    return { code: "encryption_failed", layer: "encryption", message, at };
  }
  const message = `No packet arrived from ${from}, the address that the server announced.`;
  return { code: "no_udp_path", layer: "path", message, at };
}

/** @param {string | undefined} at @returns {PlayerProblem} */
export function interruptedProblem(at) {
  const from = at ?? "the server";
  const message = `No packet has arrived from ${from} for some seconds. Waiting for more.`;
  return { code: "path_interrupted", layer: "path", message, at };
}

/** @param {{ packets: boolean }} found Whether any packets arrive. @returns {PlayerProblem} */
export function framesProblem({ packets }) {
  const message = packets
    ? "Video packets arrive, but this browser cannot decode a picture from them."
    : "The connection is open, but no video arrives.";
  return { code: packets ? "no_frames" : "no_packets", layer: "frames", message };
}
