// @ts-check
/// <reference lib="dom" />
/** A trial connection, ended as soon as its first picture is decoded. @module */
import { MediaConnection } from "./media.js";
import * as problems from "./problems.js";
import { SignallingSocket } from "./signalling.js";
import { readSample } from "./stats.js";
/** @typedef {import("../pinhole.d.ts").PlayerProblem} PlayerProblem */

/** Twice a player's limit: 10 s for the path, and as much for a renderer that is slow to start. */
const TRIAL_LIMIT_MS = 20_000;
const LOOK_MS = 50;

/**
 * @typedef {object} TrialTimes Milliseconds from the start of the trial; `null`: not reached yet.
 * @property {number | null} pathMs The leased port answered.
 * @property {number | null} encryptionMs DTLS is done.
 * @property {number | null} packetMs The first video packet arrived.
 * @property {number | null} frameMs The first picture was decoded.
 */

/**
 * Connects to a session, and disconnects again. It adds nothing to the document.
 * @param {URL} url Address of the session's WebSocket.
 * @param {{ signal: AbortSignal, deadEnds: ReadonlySet<string>, changed: (times: TrialTimes) => void }} options
 *   `deadEnds`: media addresses that are known not to work, so that nothing is waited for there.
 * @returns {Promise<{ times: TrialTimes, problem: PlayerProblem | null }>}
 */
export async function tryConnection(url, { signal, deadEnds, changed }) {
  signal.throwIfAborted();
  const startedAt = performance.now();
  /** @type {TrialTimes} */
  const times = { pathMs: null, encryptionMs: null, packetMs: null, frameMs: null };
  /** @type {{ resolve: (problem: PlayerProblem | null) => void, reject: (reason: unknown) => void }} */
  let ending = { resolve() {}, reject() {} };
  /** @type {Promise<PlayerProblem | null>} */
  const end = new Promise((resolve, reject) => ending = { resolve, reject });
  /** @param {keyof TrialTimes} what */
  const reached = (what) => {
    if (times[what] !== null) return;
    times[what] = performance.now() - startedAt;
    changed({ ...times });
  };
  const media = openMedia({ reached, failed: ending.resolve });
  const socket = openSocket(url, { media, deadEnds, failed: ending.resolve });
  let over = false;
  const look = setInterval(async () => {
    const sample = readSample(await media.peerConnection.getStats(), null);
    if (over || !sample || sample.stats.packetsReceived === 0) return;
    // A busy browser may get the first packet before it reports the connection as connected.
    reached("pathMs");
    reached("encryptionMs");
    reached("packetMs");
    if (sample.stats.framesDecoded === 0) return;
    reached("frameMs");
    ending.resolve(null);
  }, LOOK_MS);
  const limit = setTimeout(() => ending.resolve(problemOf(media, times)), TRIAL_LIMIT_MS);
  const abort = () => ending.reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    return { problem: await end, times };
  } finally {
    over = true;
    signal.removeEventListener("abort", abort);
    clearTimeout(limit);
    clearInterval(look);
    socket.post({ type: "bye" });
    socket.close();
    media.close();
  }
}

/**
 * @param {{ reached: (what: keyof TrialTimes) => void, failed: (problem: PlayerProblem) => void }} hears
 * @returns {MediaConnection}
 */
function openMedia({ reached, failed }) {
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  const media = new MediaConnection({ video }, {
    changed() {
      if (media.layer === "encryption" || media.layer === "frames") reached("pathMs");
      if (media.layer === "frames") reached("encryptionMs");
    },
    // A browser that refuses to play it still decodes it, which is sufficient here.
    track: () => video.play().catch(() => {}),
    failed,
    candidate() {},
    firstFrame() {},
    sampled() {},
    message() {},
  });
  return media;
}

/**
 * @param {URL} url
 * @param {{ media: MediaConnection, deadEnds: ReadonlySet<string>, failed: (problem: PlayerProblem) => void }} options
 */
function openSocket(url, { media, deadEnds, failed }) {
  /** @param {string} sdp */
  const answer = async (sdp) => {
    try {
      await media.answer(sdp);
    } catch (error) {
      return failed(problems.answerProblem(error));
    }
    if (deadEnds.has(media.announcedAddress ?? "")) failed(media.failure);
  };
  return new SignallingSocket(url, {
    greeting: async () => ({ type: "offer", sdp: await media.offerSdp() }),
    opened() {},
    message(message) {
      const { type, sdp, state, code } = message;
      if (type === "answer") answer(sdp);
      if (type === "error") failed(problems.serverProblem(code, message.message));
      if (type === "state" && (state === "failed" || state === "closed")) {
        failed(withReason(media.failure, message.reason));
      }
    },
    closed({ code, reason }) {
      const refusal = problems.CODE_OF_CLOSE[code];
      failed(
        refusal
          ? problems.serverProblem(refusal, reason)
          : problems.signallingProblem("signalling_broken", url),
      );
    },
  });
}

/** Adds the server's reason. @param {PlayerProblem} problem @param {string} [reason] */
function withReason(problem, reason) {
  if (reason === undefined) return problem;
  return { ...problem, message: `${problem.message} The server says: ${reason}` };
}

/** @param {MediaConnection} media @param {TrialTimes} times @returns {PlayerProblem} */
function problemOf(media, { encryptionMs, packetMs }) {
  if (media.layer === "signalling") return problems.noAnswerProblem();
  if (encryptionMs === null) return media.failure;
  return problems.framesProblem({ packets: packetMs !== null });
}
