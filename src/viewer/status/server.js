// @ts-check
/// <reference lib="dom" />
/** Requests of the status page to the server. @module */

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
 * @typedef {object} About Content of `/api/server`.
 * @property {string} version
 * @property {number} uptime_s
 * @property {number} headroom Share of the server that is free, 0 to 1.
 * @property {string | null} page_url The viewer page, relative to this address; `null` if unknown.
 */

/**
 * @typedef {object} Status
 * @property {"status"} kind
 * @property {About} about
 * @property {readonly Session[]} sessions
 * @property {readonly Port[]} ports
 * @property {readonly string[]} reasons Why the server is not ready, as text; empty if it is.
 */

/**
 * @typedef {{ kind: "refused" } | { kind: "odd", code: number } | { kind: "away" }} NoStatus Why there is no status:
 * no access, an unexpected HTTP code or content, or no answer.
 */

/** Timeout of requests; a server that takes longer does not work for viewers either. */
const PATIENCE_MS = 5_000;

/** Polls one server. */
export class Server {
  #headers;

  /** @param {string | undefined} token A token for all sessions, if the server requires one. */
  constructor(token) {
    // Not in the URL, which appears in the logs of proxies.
    this.#headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  }

  /** @returns {Promise<Status | NoStatus>} Never rejects. */
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

  /** @param {string} path Relative to the page, which may have a path prefix. */
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

/** @param {{ code: number, text: string }} answer @returns {any} `undefined` if it is not JSON. */
function parseJson({ code, text }) {
  try {
    return code === 200 ? JSON.parse(text) : undefined;
  } catch {
    // For example a proxy's error page.
    return undefined;
  }
}
