// @ts-check
/// <reference lib="dom" />
/** The custom element `<pinhole-player>`. `pinhole_player.d.ts` beside it documents every member. @module */
import { PinholePlayer } from "./pinhole.js";
/** @typedef {import("./pinhole.d.ts").PinholePlayerEventMap} PinholePlayerEventMap */

const NAME = "pinhole-player";

/** Attributes that a player is made of. */
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
 * Frameworks that render pages on a server import this too.
 * @type {typeof HTMLElement}
 */
const Base = globalThis.HTMLElement ?? class {};

/** Plays the session of its attributes while it is in a document. */
export class PinholePlayerElement extends Base {
  #video;
  /** @type {PinholePlayer | null} */
  #player = null;
  /** Values of {@link ATTRIBUTES} that the player was made with. @type {readonly (string | null)[]} */
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
    // A content policy that forbids inline styles allows this one.
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
      // As with a player's `start()`, a page need not wait for it.
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

  /** There, `moveBefore()` moves the element without a break. */
  connectedMoveCallback() {}

  /** @param {string} name @param {string | null} before @param {string | null} now */
  attributeChangedCallback(name, before, now) {
    if (before === now) return;
    if (name !== "muted") return this.#applySoon();
    if ((before === null) === (now === null)) return;
    this.#video.muted = now !== null;
    // Browsers pause a video that makes sound without having been allowed to; the player plays it silently then.
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
    // In a click handler this is the gesture that the browser may be waiting for.
    if (this.#player.state !== "stopped") this.#player.play();
    return this.#player.start();
  }

  /** Attributes that are set together make one player, and an element that is moved goes on. */
  #applySoon() {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      this.#apply();
    });
  }

  /**
   * Makes the player be as attributes and document want it.
   * @throws {TypeError} When the session id or the server cannot be right.
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
    // Browsers pause a video that is moved.
    else if (this.#video.paused) this.#player.play();
  }

  /** @param {readonly (string | null)[]} wanted */
  #replace(wanted) {
    const [server, , token, idle] = wanted;
    const hadSound = this.#video.readyState > 0 && !this.#video.muted;
    // What cannot be right leaves no player that plays something else.
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
    // A token that was set meanwhile is for the next try.
    player.addEventListener("state", () => player === this.#player && this.#retryWithToken());
    player.start();
    if (hadSound) this.#video.muted = false;
  }

  #retryWithToken() {
    const state = this.#player?.state;
    if (state !== "waiting" && state !== "failed") return;
    if (this.getAttribute("token") !== this.#made[ATTRIBUTES.indexOf("token")]) this.#applySoon();
  }

  /** Properties that were set before the element was defined hide the accessors. @param {string} name */
  #upgrade(name) {
    if (!Object.hasOwn(this, name)) return;
    const value = Reflect.get(this, name);
    Reflect.deleteProperty(this, name);
    Reflect.set(this, name, value);
  }
}

/** Whether a try is up or coming up. @param {PinholePlayer["state"]} state */
function isUnderWay(state) {
  return state !== "stopped" && state !== "waiting" && state !== "failed";
}

if (globalThis.customElements && !customElements.get(NAME)) {
  customElements.define(NAME, PinholePlayerElement);
}
