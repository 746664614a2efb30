// @ts-check
/// <reference lib="dom" />
/** The custom element `<pinhole-player>`. `pinhole_player.d.ts` documents every member. @module */
import { PinholePlayer } from "./pinhole.js";
/** @typedef {import("./pinhole.d.ts").PinholePlayerEventMap} PinholePlayerEventMap */

const NAME = "pinhole-player";

/** Attributes that become options of the player. */
const ATTRIBUTES = /** @type {const} */ (["server", "session", "token", "idle"]);

/** @type {(keyof PinholePlayerEventMap)[]} */
const EVENTS = [
  "state",
  "view",
  "stats",
  "message",
  "notice",
  "error",
  "autoplayblocked",
  "track",
];

const STYLE = `
  :host { display: inline-block; }
  :host([hidden]) { display: none; }
  video { display: block; width: 100%; height: 100%; object-fit: inherit; }
`;

/**
 * Server-side rendering imports this module too, without HTMLElement.
 * @type {typeof HTMLElement}
 */
const Base = globalThis.HTMLElement ?? class {};

/** Plays the session of its attributes while it is in a document. */
export class PinholePlayerElement extends Base {
  #video;
  /** @type {PinholePlayer | null} */
  #player = null;
  /** Values of {@link ATTRIBUTES} of the current player. @type {readonly (string | null)[]} */
  #made = [];
  #stopped = false;
  #due = false;

  static get observedAttributes() {
    return [...ATTRIBUTES, "muted"];
  }

  constructor() {
    super();
    const video = this.#video = document.createElement("video");
    video.part.add("video");
    video.addEventListener("volumechange", () => this.dispatchEvent(new Event("volumechange")));
    const root = this.attachShadow({ mode: "open" });
    // Allowed by content security policies that forbid inline styles.
    const style = new CSSStyleSheet();
    style.replaceSync(STYLE);
    root.adoptedStyleSheets = [style];
    root.append(video);
  }

  get player() {
    return this.#player;
  }
  get video() {
    return this.#video;
  }
  get server() {
    return this.getAttribute("server") ?? "";
  }
  set server(server) {
    this.setAttribute("server", server);
  }
  get session() {
    return this.getAttribute("session") ?? "";
  }
  set session(session) {
    this.setAttribute("session", session);
  }
  get token() {
    return this.getAttribute("token") ?? "";
  }
  set token(token) {
    this.setAttribute("token", token);
  }
  get idle() {
    return this.getAttribute("idle") ?? "";
  }
  set idle(idle) {
    this.setAttribute("idle", idle);
  }
  get muted() {
    return this.hasAttribute("muted");
  }
  set muted(muted) {
    this.toggleAttribute("muted", Boolean(muted));
  }

  /** @returns {Promise<void>} */
  play() {
    try {
      return this.#play();
    } catch (error) {
      const failure = Promise.reject(error);
      // As with a player's `start()`, a page need not handle the rejection.
      failure.catch(() => {});
      return failure;
    }
  }

  stop() {
    this.#stopped = true;
    this.#player?.stop();
  }

  connectedCallback() {
    for (const name of [...ATTRIBUTES, "muted"]) this.#upgrade(name);
    this.#applySoon();
  }

  disconnectedCallback() {
    this.#applySoon();
  }

  /** Its presence lets `moveBefore()` move the element without an interruption. */
  connectedMoveCallback() {}

  /** @param {string} name @param {string | null} before @param {string | null} now */
  attributeChangedCallback(name, before, now) {
    if (before === now) return;
    if (name !== "muted") return this.#applySoon();
    if ((before === null) === (now === null)) return;
    this.#video.muted = now !== null;
    // Browsers pause a video that is unmuted without permission; the player then plays it muted.
    if (this.#player && now === null) this.#player.play();
  }

  /** @returns {Promise<void>} */
  #play() {
    this.#stopped = false;
    this.#apply();
    if (!this.#player || !this.isConnected) {
      throw new DOMException(
        "The element has no session, or is not in a document",
        "InvalidStateError",
      );
    }
    // In a click handler, this is the gesture that the browser may need.
    if (this.#player.state !== "stopped") this.#player.play();
    return this.#player.start();
  }

  /** Deferred, so that attributes that are set together start one player, and a moved element continues. */
  #applySoon() {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      this.#apply();
    });
  }

  /**
   * Applies attributes and document state to the player.
   * @throws {TypeError} When the session id or the server is invalid.
   */
  #apply() {
    if (this.#stopped || !this.isConnected || !this.session) return this.#player?.stop();
    const wanted = ATTRIBUTES.map((name) => this.getAttribute(name));
    const differs = ATTRIBUTES.filter((_, at) => wanted[at] !== this.#made[at]);
    const isTokenAlone = differs.join() === "token";
    const state = this.#player?.state ?? "stopped";
    if (!this.#player || differs.length > 0 && !(isTokenAlone && isUnderWay(state))) {
      return this.#replace(wanted);
    }
    if (state === "stopped") this.#player.start();
    // Browsers pause a video when it is moved.
    else if (this.#video.paused) this.#player.play();
  }

  /** @param {readonly (string | null)[]} wanted */
  #replace(wanted) {
    const [server, , token, idle] = wanted;
    const hadSound = this.#video.readyState > 0 && !this.#video.muted;
    // Invalid attributes must not leave the previous player running.
    this.#player?.stop();
    this.#player = null;
    this.#made = wanted;
    const player = new PinholePlayer({
      video: this.#video,
      session: this.session,
      muted: this.muted,
      ...server && { server: new URL(server, document.baseURI) },
      ...token && { token },
      ...idle && { idle },
    });
    this.#player = player;
    for (const type of EVENTS) {
      player.addEventListener(type, (event) => {
        if (player !== this.#player) return;
        const { detail } = /** @type {CustomEvent} */ (event);
        this.dispatchEvent(new CustomEvent(type, { detail }));
      });
    }
    // A token that was set meanwhile applies to the next try.
    player.addEventListener("state", () => player === this.#player && this.#retryWithToken());
    player.start();
    if (hadSound) this.#video.muted = false;
  }

  #retryWithToken() {
    const state = this.#player?.state;
    if (state !== "waiting" && state !== "failed") return;
    if (this.getAttribute("token") !== this.#made[ATTRIBUTES.indexOf("token")]) this.#applySoon();
  }

  /** Properties that were set before the element was defined hide its accessors. @param {string} name */
  #upgrade(name) {
    if (!Object.hasOwn(this, name)) return;
    const value = Reflect.get(this, name);
    Reflect.deleteProperty(this, name);
    Reflect.set(this, name, value);
  }
}

/** Whether a connection is established or being established. @param {PinholePlayer["state"]} state */
function isUnderWay(state) {
  return state !== "stopped" && state !== "waiting" && state !== "failed";
}

if (globalThis.customElements && !customElements.get(NAME)) {
  customElements.define(NAME, PinholePlayerElement);
}
