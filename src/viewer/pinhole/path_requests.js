// @ts-check
/// <reference lib="dom" />
/** Timed HTTP and WebSocket requests to the server. @module */

const REPLY_WAIT_MS = 8000;

/**
 * @typedef {object} Reply
 * @property {boolean} ok Whether it succeeded, or this page may not read the response.
 * @property {number} status
 * @property {number} ms
 * @property {any} json The body; `undefined` if it is not JSON.
 * @property {string | null} retryAfter
 */

/**
 * Sends one request. `null`: there was no response, or none that this page may read.
 * @param {URL} url
 * @param {RequestInit & { signal: AbortSignal }} init
 * @returns {Promise<Reply | null>}
 */
export async function ask(url, { signal, ...init }) {
  signal.throwIfAborted();
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), REPLY_WAIT_MS);
  const abort = () => limit.abort();
  signal.addEventListener("abort", abort);
  const startedAt = performance.now();
  try {
    const response = await fetch(url, { cache: "no-store", ...init, signal: limit.signal });
    const text = await response.text();
    const { status, type, headers } = response;
    return {
      ok: response.ok || type === "opaque",
      status,
      ms: performance.now() - startedAt,
      json: parseJson(text),
      retryAfter: headers.get("Retry-After"),
    };
  } catch {
    signal.throwIfAborted();
    return null;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}

/**
 * Opens a WebSocket and closes it again.
 * @param {URL} url
 * @param {AbortSignal} signal
 * @returns {Promise<number | null>} Milliseconds until it was open; `null` if it did not open.
 */
export async function openWebSocket(url, signal) {
  signal.throwIfAborted();
  const startedAt = performance.now();
  /** @type {WebSocket} */
  let socket;
  try {
    socket = new WebSocket(url);
  } catch {
    // Browsers do not allow ws: from an https page.
    return null;
  }
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const abort = () => socket.close();
  signal.addEventListener("abort", abort);
  try {
    const openedAt = await new Promise((resolve) => {
      timer = setTimeout(() => resolve(null), REPLY_WAIT_MS);
      socket.onopen = () => resolve(performance.now());
      socket.onclose = () => resolve(null);
    });
    signal.throwIfAborted();
    return openedAt === null ? null : openedAt - startedAt;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
    socket.onopen = socket.onclose = null;
    socket.close();
  }
}

/** @param {string} text @returns {any} */
function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
