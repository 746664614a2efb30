// @ts-check
/// <reference lib="dom" />
/** One WebSocket to `/ws/<session_id>`. @module */
import { serverUrl } from "./home.js";

/**
 * @typedef {object} SignallingListener Events of a {@link SignallingSocket} until it is closed from this side.
 * @property {() => object | Promise<object | null>} greeting Makes the first message, once the WebSocket is open;
 * `null` when
 *   there is none to send. Never rejects.
 * @property {() => void} opened The greeting was sent.
 * @property {(message: ServerMessage) => void} message
 * @property {(end: { code: number, reason: string, clean: boolean, opened: boolean }) => void} closed
 */

/**
 * @typedef {object} ServerMessage A message of the server; `type` determines which fields it has.
 * @property {string} type
 * @property {string} sdp
 * @property {string} viewer
 * @property {string} state
 * @property {string} data
 * @property {string} [reason]
 * @property {string} code
 * @property {string} message
 * @property {number} count
 * @property {number} [retry_after_ms]
 */

/** Exchanges JSON messages until either side closes. */
export class SignallingSocket {
  #socket;

  /**
   * @param {URL} url
   * @param {SignallingListener} listener
   * @throws {DOMException} When the browser does not allow the connection (ws from an https page).
   */
  constructor(url, listener) {
    const socket = new WebSocket(url);
    let opened = false;
    socket.onopen = async () => {
      opened = true;
      const first = await listener.greeting();
      if (first && this.post(first)) listener.opened();
    };
    socket.onmessage = ({ data }) => {
      const message = parseMessage(data);
      if (message) listener.message(message);
    };
    socket.onclose = ({ code, reason, wasClean }) =>
      listener.closed({ code, reason, clean: wasClean, opened });
    this.#socket = socket;
  }

  /**
   * Sends `message`; false if the WebSocket is not open.
   * @param {object} message
   */
  post(message) {
    if (this.#socket.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** Idempotent. The listener is no longer called. */
  close() {
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close(1000);
  }
}

/**
 * The WebSocket's address. Without `url` and `server` it is relative to this client's file, so a page on another host
 * that imports the client from a Pinhole server uses that server.
 * @param {{ url?: string, server?: string | URL, session?: string, token?: string }} options
 * @throws {TypeError}
 */
export function signallingUrl({ url, server, session, token }) {
  if (url === undefined && !/^[A-Za-z0-9_-]{1,64}$/.test(session ?? "")) {
    throw new TypeError(`A session id is 1 to 64 of A-Z a-z 0-9 _ -, not "${session ?? ""}"`);
  }
  const address = url === undefined ? new URL(`ws/${session}`, serverUrl(server)) : new URL(url);
  address.protocol = address.protocol.replace(/^http/, "ws");
  if (token) address.searchParams.set("token", token);
  return address;
}

/** @param {unknown} text @returns {ServerMessage | undefined} */
function parseMessage(text) {
  try {
    const message = JSON.parse(String(text));
    return typeof message?.type === "string" ? message : undefined;
  } catch {
    return undefined;
  }
}
