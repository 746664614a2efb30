// @ts-check
/// <reference lib="dom" />
/** What the status page asks the server. @module */

/**
 * @typedef {object} Viewer One viewer of `/api/sessions`.
 * @property {number} port
 * @property {"udp" | "tcp" | null} transport
 * @property {string} state
 * @property {string} codec
 * @property {number} age_s
 * @property {number} bitrate_kbps
 * @property {number} target_kbps
 * @property {number | null} round_trip_ms
 * @property {number | null} queue_ms
 * @property {number} fraction_lost
 */

/**
 * @typedef {object} Session
 * @property {string} id
 * @property {number} age_s
 * @property {readonly Viewer[]} viewers
 */

/**
 * @typedef {object} Port One media port of `/api/ports`.
 * @property {number} port
 * @property {number} used
 * @property {number} places
 */

/**
 * @typedef {object} About The server, as `/api/server` tells.
 * @property {string} version
 * @property {number} uptime_s
 * @property {string | null} page_url The viewer page, relative to this address; `null` where that is not known.
 */

/**
 * @typedef {object} Status
 * @property {"status"} kind
 * @property {About} about
 * @property {readonly Session[]} sessions
 * @property {readonly Port[]} ports
 * @property {readonly string[]} reasons Why the server is not ready, in words; empty when it is.
 */

/**
 * @typedef {{ kind: "refused" } | { kind: "odd", code: number } | { kind: "away" }} NoStatus Why there is none: no
 * access, an HTTP code or content that says something else, or no answer.
 */

/** A server that takes longer is not there for its viewers either. */
const PATIENCE_MS = 5_000;

/** Asks one server again and again. */
export class Server {
  #headers;

  /** @param {string | undefined} token For all sessions, where the server wants one. */
  constructor(token) {
    // Not in the address, which ends up in the logs of proxies.
    this.#headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  }

  /** @returns {Promise<Status | NoStatus>} It never rejects. */
  async ask() {
    const paths = ["api/sessions", "api/ports", "api/server", "readyz"];
    const [list, places, server, ready] = await Promise.all(paths.map((path) => this.#get(path)));
    if (!list || !places || !server || !ready) return { kind: "away" };
    if (list.code === 401 || list.code === 403) return { kind: "refused" };
    const [sessions, ports, about] = [list, places, server].map(parseJson);
    if (!Array.isArray(sessions) || !Array.isArray(ports) || !about) {
      return { kind: "odd", code: list.code };
    }
    const reasons = ready.code === 200 ? [] : ready.text.trim().split("\n");
    return { kind: "status", about, sessions, ports, reasons };
  }

  /** @param {string} path Relative to the page, which may sit behind a prefix. */
  async #get(path) {
    try {
      const response = await fetch(path, {
        headers: this.#headers,
        cache: "no-store",
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      return { code: response.status, text: await response.text() };
    } catch {
      return undefined;
    }
  }
}

/** @param {{ code: number, text: string }} answer @returns {any} `undefined` where it is no JSON. */
function parseJson({ code, text }) {
  try {
    return code === 200 ? JSON.parse(text) : undefined;
  } catch {
    // Some page of a proxy.
    return undefined;
  }
}
