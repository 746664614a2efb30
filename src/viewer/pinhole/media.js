// @ts-check
/// <reference lib="dom" />
/** One RTCPeerConnection, from its offer to its end. @module */
import { formatHostPort } from "./host_port.js";
import { framesProblem, interruptedProblem, mediaProblem } from "./problems.js";
import { KeepAlive } from "./keepalive.js";
import { readSample } from "./stats.js";
/** @typedef {import("../pinhole.d.ts").PlayerProblem} PlayerProblem */
/** @typedef {import("../pinhole.d.ts").PlayerStats} PlayerStats */

/** From the answer; the server gives up after as long, unless configured otherwise. */
const PATH_TIMEOUT_MS = 10_000;
/**
 * A browser that has lost its TCP connection mostly makes another without a word. When it does call the path interrupted
 * it finds no way back, and says so after some seven seconds only.
 */
const TCP_TIMEOUT_MS = 1_000;
const SAMPLE_MS = 1000;
/** Bytes that may wait in the data channel; `send` says no to more. */
const CHANNEL_BUFFERED_MAX = 1024 * 1024;
/** Longest message that the server takes, in bytes. */
const MESSAGE_BYTES_MAX = 65_536;
/**
 * Pictures that wait so long are in step with their sound, which every browser has to buffer. They would be in the end,
 * but Chromium takes 20 s to find that out.
 */
const PICTURE_WAITS_MS = 60;
/** Samples without a new picture until that is called a problem. */
const SILENT_SAMPLES_MAX = 5;

/**
 * @typedef {object} MediaListener Hears of a {@link MediaConnection} until it is closed.
 * @property {() => void} changed `phase`, `layer` or `problem` may be another.
 * @property {(candidate: RTCIceCandidate | null) => void} candidate
 * @property {(track: MediaStreamTrack) => void} track It is in the video's stream already.
 * @property {() => void} firstFrame
 * @property {(stats: PlayerStats) => void} sampled
 * @property {(data: string | ArrayBuffer) => void} message Came over the data channel.
 * @property {(problem: PlayerProblem) => void} failed The connection is of no more use.
 */

/** Receives one stream into a video element. */
export class MediaConnection {
  #video;
  #listener;
  #peer;
  #channel;
  #receivers;
  #keepAlive;
  #stream = new MediaStream();
  #described;
  /** Firefox does not tell it any more when the connection is closed. @type {string | null} */
  #answerSdp = null;
  #startedAt = performance.now();
  /** @type {number | null} */
  #firstFrameMs = null;
  #wasConnected = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #pathTimer;
  #sampleTimer;
  /** @type {ReturnType<typeof readSample>} */
  #sample = null;
  #silentSamples = 0;

  /**
   * Starts to make the offer.
   * @param {{ video: HTMLVideoElement, iceTransportPolicy?: RTCIceTransportPolicy }} options
   * @param {MediaListener} listener
   */
  constructor({ video, iceTransportPolicy = "all" }, listener) {
    this.#video = video;
    this.#listener = listener;
    const peer = new RTCPeerConnection({ iceServers: [], iceTransportPolicy });
    this.#peer = peer;
    this.#receivers = ["video", "audio"].map((kind) =>
      peer.addTransceiver(kind, { direction: "recvonly" }).receiver
    );
    this.#receivers.forEach(askForLowDelay);
    this.#channel = peer.createDataChannel("pinhole");
    this.#keepAlive = new KeepAlive(this.#receivers, this.#channel);
    this.#channel.binaryType = "arraybuffer";
    this.#channel.onmessage = ({ data }) => listener.message(data);
    peer.ontrack = ({ track }) => this.#attach(track);
    peer.onicecandidate = ({ candidate }) => listener.candidate(candidate);
    peer.oniceconnectionstatechange = () => listener.changed();
    peer.onconnectionstatechange = () => this.#connectionChanged();
    this.#sampleTimer = setInterval(() => this.#takeSample(), SAMPLE_MS);
    this.#described = peer.setLocalDescription();
    // A connection that is closed before anyone asked for its offer must not report a rejection.
    this.#described.catch(() => {});
  }

  get peerConnection() {
    return this.#peer;
  }

  /** @returns {"connecting" | "connected" | "playing" | "interrupted"} */
  get phase() {
    if (this.#peer.connectionState === "disconnected") return "interrupted";
    if (this.#peer.connectionState !== "connected") return "connecting";
    return this.#firstFrameMs === null ? "connected" : "playing";
  }

  /** The first layer that is not up yet. */
  get layer() {
    if (!this.#answered) return "signalling";
    if (!this.#pathFound) return "path";
    if (!this.#wasConnected) return "encryption";
    return this.#firstFrameMs === null ? "frames" : null;
  }

  /** The answer was taken and the connection did not end since. */
  get alive() {
    return this.#answered && !["failed", "closed"].includes(this.#peer.connectionState);
  }

  get answerSdp() {
    return this.#answerSdp;
  }

  /** `address:port` of the answer's first candidate. */
  get announcedAddress() {
    const candidate = /^a=candidate:\S+ 1 \S+ \d+ (\S+) (\d+)/m.exec(this.answerSdp ?? "");
    return candidate && formatHostPort(candidate[1] ?? "", candidate[2] ?? "");
  }

  get selectedCandidate() {
    return this.#sample?.candidate ?? null;
  }

  /** @returns {PlayerStats | null} */
  get stats() {
    return this.#sample && { ...this.#sample.stats, timeToFirstFrameMs: this.#firstFrameMs };
  }

  /** What is wrong at the moment with a connection that may still recover. */
  get problem() {
    if (this.phase === "interrupted") return interruptedProblem(this.#at);
    if (this.#silentSamples < SILENT_SAMPLES_MAX) return null;
    return framesProblem({ packets: (this.#sample?.stats.packetsReceived ?? 0) > 0 });
  }

  /** Why this connection does not work, after it was given up. */
  get failure() {
    const reached = this.#pathFound;
    return mediaProblem({ at: this.#at, reached, wasConnected: this.#wasConnected });
  }

  /** The offer, with the candidates that are known by now. */
  async offerSdp() {
    await this.#described;
    return this.#peer.localDescription?.sdp;
  }

  /**
   * @param {string} sdp
   * @throws {DOMException} When the browser cannot use it.
   */
  async answer(sdp) {
    await this.#peer.setRemoteDescription({ type: "answer", sdp });
    this.#answerSdp = sdp;
    if (this.#peer.signalingState === "closed") return;
    this.#pathTimer = setTimeout(() => this.#listener.failed(this.failure), PATH_TIMEOUT_MS);
    this.#listener.changed();
  }

  /** @param {string | ArrayBuffer | ArrayBufferView} data @returns Whether it is on its way. */
  send(data) {
    const { readyState, bufferedAmount } = this.#channel;
    if (readyState !== "open" || bufferedAmount > CHANNEL_BUFFERED_MAX) return false;
    // The DOM's types have one signature for each kind of data.
    this.#channel.send(/** @type {string} */ (data));
    return true;
  }

  /** Idempotent. The listener hears nothing more. */
  close() {
    clearTimeout(this.#pathTimer);
    clearInterval(this.#sampleTimer);
    this.#keepAlive.close();
    const peer = this.#peer;
    peer.ontrack = peer.onicecandidate = this.#channel.onmessage = null;
    peer.oniceconnectionstatechange = peer.onconnectionstatechange = null;
    peer.close();
  }

  get #answered() {
    return this.#answerSdp !== null;
  }

  get #pathFound() {
    return this.#wasConnected || ["connected", "completed"].includes(this.#peer.iceConnectionState);
  }

  get #at() {
    return this.announcedAddress ?? undefined;
  }

  #connectionChanged() {
    const { connectionState } = this.#peer;
    if (connectionState === "failed") return this.#listener.failed(this.failure);
    if (connectionState === "connected") {
      this.#wasConnected = true;
      clearTimeout(this.#pathTimer);
    }
    if (connectionState === "disconnected" && this.selectedCandidate?.protocol === "tcp") {
      this.#pathTimer = setTimeout(() => this.#listener.failed(this.failure), TCP_TIMEOUT_MS);
    }
    this.#listener.changed();
  }

  /** @param {MediaStreamTrack} track */
  #attach(track) {
    // The event's own streams are empty when the answer has no a=msid (RFC 8830).
    this.#stream.addTrack(track);
    if (this.#video.srcObject !== this.#stream) this.#video.srcObject = this.#stream;
    if (track.kind === "video") {
      const seen = () => this.#frameSeen();
      if ("requestVideoFrameCallback" in this.#video) this.#video.requestVideoFrameCallback(seen);
      else track.addEventListener("unmute", seen, { once: true });
    }
    this.#listener.track(track);
  }

  #frameSeen() {
    if (this.#firstFrameMs !== null || this.#peer.connectionState === "closed") return;
    this.#firstFrameMs = performance.now() - this.#startedAt;
    this.#keepStep();
    this.#listener.firstFrame();
  }

  /** Not before the first picture, which may come as soon as it can. */
  #keepStep() {
    const [video] = this.#receivers;
    if (video && this.#stream.getAudioTracks().length > 0) {
      video.jitterBufferTarget = PICTURE_WAITS_MS;
    }
  }

  async #takeSample() {
    const report = await this.#peer.getStats();
    if (this.#peer.connectionState !== "connected") return;
    const before = this.#sample;
    this.#sample = readSample(report, before);
    const framesDecoded = this.#sample?.stats.framesDecoded ?? 0;
    // A hidden page shows no frames to be seen, but decodes them.
    if (framesDecoded > 0) this.#frameSeen();
    const news = framesDecoded > (before?.stats.framesDecoded ?? 0);
    this.#silentSamples = news || this.#video.paused ? 0 : this.#silentSamples + 1;
    if (this.stats) this.#listener.sampled(this.stats);
    this.#listener.changed();
  }
}

/**
 * Whether a message is no longer than the server takes.
 * @param {string | ArrayBuffer | ArrayBufferView} data
 */
export function fitsMessage(data) {
  if (typeof data !== "string") return data.byteLength <= MESSAGE_BYTES_MAX;
  // Each character has a byte at least, which spares encoding what is far too long.
  return data.length <= MESSAGE_BYTES_MAX &&
    new TextEncoder().encode(data).length <= MESSAGE_BYTES_MAX;
}

/** @param {RTCRtpReceiver} receiver */
function askForLowDelay(receiver) {
  receiver.jitterBufferTarget = 0;
  // The older name of the same wish, in Chromium before 124.
  Object.assign(receiver, { playoutDelayHint: 0 });
}
