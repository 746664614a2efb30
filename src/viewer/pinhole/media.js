// @ts-check
/// <reference lib="dom" />
/** One RTCPeerConnection, from its offer to its end. @module */
import { formatHostPort } from "./host_port.js";
import { framesProblem, interruptedProblem, mediaProblem } from "./problems.js";
import { KeepAlive } from "./keepalive.js";
import { readSample } from "./stats.js";
/** @typedef {import("../pinhole.d.ts").PlayerProblem} PlayerProblem */
/** @typedef {import("../pinhole.d.ts").PlayerStats} PlayerStats */

/** Time limit from the answer on; the server's default is the same. */
const PATH_TIMEOUT_MS = 10_000;
/**
 * A browser that lost its TCP connection usually reconnects silently. If it reports the path as disconnected, it does
 * not recover, and reports the failure only after about seven seconds.
 */
const TCP_TIMEOUT_MS = 1_000;
const SAMPLE_MS = 1000;
/** Maximum queued bytes in the data channel; `send` refuses more. */
const CHANNEL_BUFFERED_MAX = 1024 * 1024;
/** Maximum message that the server accepts, in bytes. */
const MESSAGE_BYTES_MAX = 65_536;
/**
 * With this buffer, pictures are in sync with their sound, which every browser has to buffer. Without it, Chromium
 * takes 20 s to get there.
 */
const PICTURE_WAITS_MS = 60;
/** Samples without a new picture until a problem is reported. */
const SILENT_SAMPLES_MAX = 5;

/**
 * @typedef {object} MediaListener Events of a {@link MediaConnection} until it is closed.
 * @property {() => void} changed `phase`, `layer` or `problem` may have changed.
 * @property {(candidate: RTCIceCandidate | null) => void} candidate
 * @property {(track: MediaStreamTrack) => void} track Already added to the video's stream.
 * @property {() => void} firstFrame
 * @property {(stats: PlayerStats) => void} sampled
 * @property {(data: string | ArrayBuffer) => void} message Received over the data channel.
 * @property {(problem: PlayerProblem) => void} failed The connection is no longer usable.
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
  /** Stored, because Firefox does not return it after the connection is closed. @type {string | null} */
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
   * Starts creating the offer.
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
    // A connection that is closed before its offer is used must not cause an unhandled rejection.
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

  /** The first layer that is not established yet. */
  get layer() {
    if (!this.#answered) return "signalling";
    if (!this.#pathFound) return "path";
    if (!this.#wasConnected) return "encryption";
    return this.#firstFrameMs === null ? "frames" : null;
  }

  /** Whether the answer was applied and the connection has not ended. */
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

  /** The current problem of a connection that may still recover. */
  get problem() {
    if (this.phase === "interrupted") return interruptedProblem(this.#at);
    if (this.#silentSamples < SILENT_SAMPLES_MAX) return null;
    return framesProblem({ packets: (this.#sample?.stats.packetsReceived ?? 0) > 0 });
  }

  /** Why this connection failed, after it was given up. */
  get failure() {
    const reached = this.#pathFound;
    return mediaProblem({ at: this.#at, reached, wasConnected: this.#wasConnected });
  }

  /** The offer, with the candidates gathered so far. */
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

  /** @param {string | ArrayBuffer | ArrayBufferView} data @returns Whether it was queued. */
  send(data) {
    const { readyState, bufferedAmount } = this.#channel;
    if (readyState !== "open" || bufferedAmount > CHANNEL_BUFFERED_MAX) return false;
    // The DOM's types have one signature for each kind of data.
    this.#channel.send(/** @type {string} */ (data));
    return true;
  }

  /** Idempotent. The listener is no longer called. */
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
    // The event's streams are empty if the answer has no a=msid (RFC 8830).
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

  /** Only after the first picture, which should be shown as soon as possible. */
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
    // A hidden page does not present frames, but decodes them.
    if (framesDecoded > 0) this.#frameSeen();
    const news = framesDecoded > (before?.stats.framesDecoded ?? 0);
    this.#silentSamples = news || this.#video.paused ? 0 : this.#silentSamples + 1;
    if (this.stats) this.#listener.sampled(this.stats);
    this.#listener.changed();
  }
}

/**
 * Whether a message is within the server's limit.
 * @param {string | ArrayBuffer | ArrayBufferView} data
 */
export function fitsMessage(data) {
  if (typeof data !== "string") return data.byteLength <= MESSAGE_BYTES_MAX;
  // Each character has at least one byte, so this avoids encoding very long text.
  return data.length <= MESSAGE_BYTES_MAX &&
    new TextEncoder().encode(data).length <= MESSAGE_BYTES_MAX;
}

/** @param {RTCRtpReceiver} receiver */
function askForLowDelay(receiver) {
  receiver.jitterBufferTarget = 0;
  // The older name of this setting, in Chromium before 124.
  Object.assign(receiver, { playoutDelayHint: 0 });
}
