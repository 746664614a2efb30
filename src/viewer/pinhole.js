// @ts-check
/// <reference lib="dom" />
/** Pinhole's browser client. `pinhole.d.ts` documents every member. @module */
import { backoffMs } from "./pinhole/backoff.js";
import { FirstPicture } from "./pinhole/first_picture.js";
import { fitsMessage, MediaConnection } from "./pinhole/media.js";
export { PinholeError } from "./pinhole/first_picture.js";
export { forwardInput } from "./pinhole/input.js";
import { serverUrl } from "./pinhole/home.js";
import { Playback } from "./pinhole/playback.js";
import * as problems from "./pinhole/problems.js";
import { SignallingSocket, signallingUrl } from "./pinhole/signalling.js";
/** @typedef {import("./pinhole.d.ts").PlayerProblem} PlayerProblem */
/** @typedef {import("./pinhole.d.ts").PlayerView} PlayerView */

/** Plays one Pinhole session in a video element. */
export class PinholePlayer extends EventTarget {
  #options;
  #url;
  #playback;
  /** Why there is no connection; `null` if there is one. @type {"stopped" | "waiting" | "failed" | null} */
  #halt;
  /** @type {PlayerView["signalling"]} */
  #signalling = "closed";
  /** @type {PlayerProblem | null} */
  #problem = null;
  /** The last published view. @type {PlayerView | null} */
  #shown = null;
  /** @type {SignallingSocket | null} */
  #socket = null;
  /** @type {MediaConnection | null} */
  #media = null;
  /** The server's secret name for this viewer. @type {string | null} */
  #viewer = null;
  #failures = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retryTimer;
  /** Set while running; removes the listeners on window and document. @type {AbortController | null} */
  #running = null;
  /** The promise of `start()`. */
  #firstPicture = new FirstPicture();

  /** @param {import("./pinhole.d.ts").PinholePlayerOptions} options */
  constructor(options) {
    super();
    if (!options?.video) throw new TypeError("PinholePlayer needs a video element");
    this.#options = options;
    this.#url = signallingUrl(options);
    this.#playback = new Playback(options, () => {
      if (this.#playback.blocked) {
        this.#emit("autoplayblocked", null);
        this.#emit("autoplay-blocked", null);
      }
      this.#publish();
    });
    this.#halt = "stopped";
  }

  get state() {
    return this.#halt ?? this.#media?.phase ?? "connecting";
  }
  /** @returns {PlayerView} */
  get view() {
    const media = this.#halt ? null : this.#media;
    const problem = this.#problem ?? media?.problem ?? null;
    return {
      state: this.state,
      signalling: this.#signalling,
      layer: media ? this.#layerOf(media) : problem?.layer ?? null,
      problem,
      autoplayBlocked: this.#playback.blocked,
    };
  }
  get stats() {
    return this.#media?.stats ?? null;
  }
  get answerSdp() {
    return this.#media?.answerSdp ?? null;
  }
  get announcedAddress() {
    return this.#media?.announcedAddress ?? null;
  }
  get selectedCandidate() {
    return this.#media?.selectedCandidate ?? null;
  }
  get peerConnection() {
    return this.#media?.peerConnection ?? null;
  }

  start() {
    if (this.#running) return this.#firstPicture.promise;
    this.#running = new AbortController();
    // Keep the promise: an immediate failure calls listeners, which may restart the player.
    const { promise } = this.#firstPicture = new FirstPicture();
    const { signal } = this.#running;
    addEventListener("pagehide", () => this.#leave(), { signal });
    addEventListener("pageshow", ({ persisted }) => persisted && this.#negotiate(), { signal });
    this.#playback.prepare(signal);
    this.#failures = 0;
    this.#problem = null;
    this.#negotiate();
    return promise;
  }

  stop() {
    this.#leave();
    this.#media = null;
    this.#options.video.srcObject = null;
    this.#end("stopped", null);
  }

  play() {
    return this.#playback.play();
  }

  /** @param {string | ArrayBuffer | ArrayBufferView} data */
  send(data) {
    if (!fitsMessage(data)) return false;
    if (this.#media?.send(data)) return true;
    if (typeof data !== "string") return false;
    return this.#viewer !== null && (this.#socket?.post({ type: "message", data }) ?? false);
  }

  /** Sends a new offer on a new WebSocket, which are prepared in parallel. */
  #negotiate() {
    this.#leave();
    if (typeof RTCPeerConnection === "undefined") return this.#end("failed", problems.NO_WEBRTC);
    this.#halt = null;
    const { idle, params } = this.#options;
    const media = new MediaConnection(this.#options, {
      changed: () => this.#mediaChanged(media),
      candidate: (candidate) => this.#socket?.post({ type: "candidate", candidate }),
      track: (track) => {
        this.play();
        this.#emit("track", track);
      },
      firstFrame: () => {
        this.#failures = 0;
        this.#firstPicture.came();
        this.#mediaChanged(media);
      },
      sampled: (stats) => this.#emit("stats", stats),
      message: (data) => this.#emit("message", data),
      failed: (problem) => this.#startOver(problem),
    });
    this.#media = media;
    this.#connect(async () => {
      try {
        return { type: "offer", sdp: await media.offerSdp(), idle, params };
      } catch (error) {
        if (media === this.#media) this.#startOver(problems.offerProblem(error));
        return null;
      }
    });
  }

  /** @param {MediaConnection} media */
  #mediaChanged({ phase }) {
    // A busy browser may show the first frame before it reports the connection as connected.
    if (phase === "connected" || phase === "playing") this.#solved("path", "encryption");
    this.#publish();
  }

  /** @param {() => object | Promise<object | null>} greeting First message on the new WebSocket. */
  #connect(greeting) {
    this.#signalling = "connecting";
    try {
      this.#socket = new SignallingSocket(this.#url, {
        greeting,
        opened: () => {
          this.#signalling = "open";
          this.#publish();
        },
        message: (message) => this.#receive(message),
        closed: (end) => this.#socketClosed(end),
      });
    } catch {
      return this.#startOver(problems.signallingProblem("signalling_blocked", this.#url));
    }
    this.#publish();
  }

  /** @param {import("./pinhole/signalling.js").ServerMessage} message */
  #receive(message) {
    switch (message.type) {
      case "answer":
        this.#viewer = message.viewer;
        return this.#answered(message.sdp);
      case "resumed":
        this.#failures = 0;
        this.#solved("signalling");
        return this.#publish();
      case "state":
        // The browser has better information on other states.
        if (message.state === "failed" || message.state === "closed") this.#endedByServer();
        return;
      case "message":
        return this.#emit("message", message.data);
      case "notice": {
        const { type: _, ...notice } = message;
        return this.#emit("notice", notice);
      }
      case "error":
        return this.#refused(message.code, message);
        // `candidate` only repeats the answer.
    }
  }

  /** @param {string} sdp */
  async #answered(sdp) {
    const media = this.#media;
    this.#solved("signalling", "server");
    try {
      await media?.answer(sdp);
    } catch (error) {
      if (media === this.#media) this.#startOver(problems.answerProblem(error));
    }
  }

  /** @param {{ code: number, reason: string, clean: boolean, opened: boolean }} end */
  #socketClosed({ code, reason, clean, opened }) {
    const refusal = problems.CODE_OF_CLOSE[code];
    if (refusal) return this.#refused(refusal, { message: reason });
    if (clean) return this.#endedByServer();
    if (this.#mediaAlive) {
      return this.#retry(problems.signallingProblem("signalling_lost", this.#url));
    }
    const problem = opened ? "signalling_broken" : "signalling_unreachable";
    this.#startOver(problems.signallingProblem(problem, this.#url));
  }

  /** @param {string} code @param {{ message?: string, retry_after_ms?: number, reason?: string }} why */
  #refused(code, { message, retry_after_ms, reason }) {
    if (code === "no_such_viewer" && this.#viewer !== null) return this.#negotiate();
    const problem = problems.serverProblem(code, message, reason);
    if (!this.#mediaAlive || !problems.isFatal(problem)) {
      return this.#startOver(problem, retry_after_ms);
    }
    // For example, an expired token must not end a picture that still plays.
    this.#socket?.close();
    this.#signalling = "closed";
    this.#problem = problem;
    this.#publish();
  }

  #endedByServer() {
    const connecting = this.#mediaAlive && this.#media?.phase === "connecting";
    this.#startOver(connecting && this.#media ? this.#media.failure : problems.endedProblem());
  }

  /** @param {PlayerProblem} problem @param {number} [afterMs] */
  #startOver(problem, afterMs) {
    this.#leave();
    if (problems.isFatal(problem)) return this.#end("failed", problem);
    this.#halt = "waiting";
    this.#retry(problem, afterMs);
  }

  /** @param {PlayerProblem} problem @param {number} [afterMs] */
  #retry(problem, afterMs) {
    const retryInMs = Math.round(afterMs ?? backoffMs(this.#failures++));
    this.#signalling = "waiting";
    this.#problem = { ...problem, retryInMs };
    this.#retryTimer = setTimeout(() => {
      this.#problem = problem;
      if (!this.#mediaAlive) return this.#negotiate();
      this.#connect(() => ({ type: "resume", viewer: this.#viewer }));
    }, retryInMs);
    this.#publish();
  }

  /** @param {"stopped" | "failed"} halt @param {PlayerProblem | null} problem */
  #end(halt, problem) {
    this.#running?.abort();
    this.#running = null;
    this.#firstPicture.missed(problem);
    this.#leave();
    this.#halt = halt;
    this.#problem = problem;
    this.#publish();
  }

  /** Frees the place on the server, and all resources of the current try. */
  #leave() {
    clearTimeout(this.#retryTimer);
    this.#socket?.post({ type: "bye" });
    this.#socket?.close();
    this.#media?.close();
    this.#socket = this.#viewer = null;
    this.#signalling = "closed";
  }

  get #mediaAlive() {
    return this.#viewer !== null && this.#media !== null && this.#media.alive;
  }

  /** @param {MediaConnection} media @returns {PlayerView["layer"]} */
  #layerOf({ layer }) {
    return layer === "signalling" && this.#signalling === "open" ? "server" : layer;
  }

  /** @param {...PlayerProblem["layer"]} layers */
  #solved(...layers) {
    if (this.#problem && layers.includes(this.#problem.layer)) this.#problem = null;
  }

  /** Sends events for everything that changed since the last call. */
  #publish() {
    const { view } = this;
    const before = this.#shown;
    if (before && isSameView(before, view)) return;
    this.#shown = view;
    // A listener may start or stop the player, and so publish a newer view first.
    this.#emit("view", view);
    if (before?.state !== view.state) this.#emit("state", view);
    if (view.problem && view.problem.code !== before?.problem?.code) {
      this.#emit("error", view.problem);
    }
  }

  /** @param {string} type @param {unknown} detail */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/**
 * Loads the code of the path check at the first call, because few pages need it.
 * @param {import("./pinhole.d.ts").PathCheckOptions} [options]
 */
export async function checkPath(options = {}) {
  options.signal?.throwIfAborted();
  const module = await import("./pinhole/path_check.js");
  return module.checkPath({ ...options, server: serverUrl(options.server) });
}

/** @param {PlayerView} one @param {PlayerView} other */
function isSameView(one, other) {
  return one.state === other.state && one.signalling === other.signalling &&
    one.layer === other.layer && one.autoplayBlocked === other.autoplayBlocked &&
    isSameProblem(one.problem, other.problem);
}

/** @param {PlayerProblem | null} one @param {PlayerProblem | null} other */
function isSameProblem(one, other) {
  return one?.code === other?.code && one?.layer === other?.layer &&
    one?.message === other?.message && one?.at === other?.at &&
    one?.retryInMs === other?.retryInMs;
}
