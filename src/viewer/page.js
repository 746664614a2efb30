// @ts-check
/// <reference lib="dom" />
/** The viewer page: a player with its state, problems and statistics. @module */
import { copyText, element, setText, showList } from "./page/dom.js";
import { offerPathCheck } from "./page/path_check.js";
import { Plot } from "./page/plot.js";
import { describe, explain, layerStatus } from "./page/words.js";
import { PinholePlayer } from "./pinhole.js";
import { formatHostPort } from "./pinhole/host_port.js";
/** @typedef {import("./pinhole.d.ts").PlayerNotice} PlayerNotice */
/** @typedef {import("./pinhole.d.ts").PlayerStats} PlayerStats */
/** @typedef {import("./pinhole.d.ts").PlayerView} PlayerView */

const query = new URLSearchParams(location.search);
const session = query.get("session") ?? "demo";
const token = query.get("token") ?? undefined;
const signallingAddress = `${
  location.protocol.replace("http", "ws")
}//${location.host}/ws/${session}`;

const video = /** @type {HTMLVideoElement} */ (document.querySelector("video"));
const status = element("status");
const stage = element("stage");
const cover = element("cover");
const notice = element("notice");
const power = element("power");
const sound = element("sound");
const sdp = /** @type {HTMLTextAreaElement} */ (element("sdp"));

const plainSound = element("plain-sound");

const plot = new Plot({
  canvas: /** @type {HTMLCanvasElement} */ (element("plot")),
  words: element("plot-words"),
}, [
  { label: "Frame rate", unit: "fps", color: "--series-1", least: 10 },
  { label: "Bitrate", unit: "kbit/s", color: "--series-2", least: 500 },
  { label: "Round trip", unit: "ms", color: "--series-3", least: 20 },
]);

/** @type {Readonly<Record<string, string>>} */
const LAYER_WORDS = { pending: "", now: "in progress", done: "works", fault: "at fault" };

/** When the next try is due, on the clock of performance.now(). @type {number | null} */
let retryAtMs = null;
let tryingAgain = false;

document.title = `${session} · Pinhole`;
if (query.get("view") === "plain") document.body.dataset.view = "plain";
/** @type {HTMLInputElement} */ (element("session")).value = session;
try {
  run(new PinholePlayer({ video, session, ...token && { token } }));
} catch (error) {
  showNotice({
    title: "This is not a session id",
    text: error instanceof Error ? error.message : String(error),
    tries: ["Enter another one above."],
    tone: "bad",
  });
  setText(status, "Failed");
  status.dataset.tone = "bad";
  setText(element("cover-text"), "Nothing to play");
  power.hidden = true;
  element("retry-row").hidden = true;
}
offerPathCheck({ token });

/** @param {PinholePlayer} player */
function run(player) {
  player.addEventListener("view", () => {
    const { problem, state } = player.view;
    retryAtMs = problem?.retryInMs === undefined ? null : performance.now() + problem.retryInMs;
    power.textContent = state === "stopped" || state === "failed" ? "Start" : "Stop";
    showView(player);
  });
  player.addEventListener("stats", () => {
    const { stats } = player;
    if (!stats) return;
    showFigures(stats);
    showSelected(player);
    plot.add(performance.now(), [stats.fps, stats.bitrateKbps, stats.roundTripMs]);
  });
  player.addEventListener("notice", (event) => {
    const { code, message } = /** @type {CustomEvent<PlayerNotice>} */ (event).detail;
    const title = code === "shutting_down" ? "The server is stopping" : "Messages were dropped";
    showNotice({ title, text: message, tries: [], tone: "warn" });
  });
  player.addEventListener("track", () => showSound());
  video.addEventListener("volumechange", showSound);
  setInterval(showCountdown, 250);
  power.addEventListener("click", () => {
    if (power.textContent === "Start") player.start();
    else player.stop();
  });
  element("retry").addEventListener("click", () => {
    player.stop();
    player.start();
  });
  element("play").addEventListener("click", () => player.play());
  element("copy").addEventListener("click", copyAnswer);
  for (const button of [sound, plainSound]) {
    button.addEventListener("click", (event) => {
      // Do not let the player handle this click, which would turn the sound on.
      event.stopPropagation();
      video.muted = !video.muted;
    });
  }
  offerFullScreen();
  player.start();
}

/** @param {PinholePlayer} player */
function showView(player) {
  const { view, announcedAddress, answerSdp } = player;
  const { words, tone } = describe(view);
  setText(status, words);
  status.dataset.tone = tone;
  const covered = !["playing", "interrupted"].includes(view.state);
  stage.dataset.show = view.autoplayBlocked ? "play" : covered ? "cover" : "video";
  const { problem } = view;
  const explanation = problem &&
    explain(problem, {
      server: location.host,
      origin: location.origin,
      announced: problem.at ?? announcedAddress,
    });
  setText(element("cover-text"), explanation?.title ?? words);
  cover.toggleAttribute("data-busy", ["connecting", "connected"].includes(view.state));
  if (problem && explanation) {
    showNotice({ ...explanation, text: problem.message, tone: covered ? "bad" : "warn" });
  }
  notice.hidden = !problem;
  // A restart would interrupt a picture that still plays.
  element("retry").hidden = !covered;
  tryingAgain = view.state === "connecting";
  if (["waiting", "failed", "stopped"].includes(view.state)) clearFigures();
  showCountdown();
  const layers = layerStatus(view);
  element("layers").toggleAttribute(
    "data-all-done",
    Object.values(layers).every((state) => state === "done"),
  );
  for (const [layer, state] of Object.entries(layers)) {
    const item = document.querySelector(`[data-layer="${layer}"]`);
    item?.setAttribute("data-status", state);
    setText(item?.querySelector("span"), LAYER_WORDS[state] ?? "");
  }
  showAddress("signalling", signallingAddress);
  showAddress("announced", announcedAddress);
  showSelected(player);
  showSound();
  element("fullscreen").hidden = !document.fullscreenEnabled || view.state === "stopped";
  if (sdp.value !== (answerSdp ?? "").replaceAll("\r\n", "\n")) sdp.value = answerSdp ?? "";
}

/** @param {PinholePlayer} player */
function showSelected({ selectedCandidate }) {
  const { address = "", port = "", protocol = "" } = selectedCandidate ?? {};
  showAddress("selected", selectedCandidate && `${formatHostPort(address, port)} ${protocol}`);
}

/** @param {{ title: string, text: string, tries: readonly string[], tone: string }} what */
function showNotice({ title, text, tries, tone }) {
  notice.dataset.tone = tone;
  notice.hidden = false;
  setText(element("notice-title"), title);
  setText(element("notice-text"), text);
  showList(element("notice-tries"), tries);
}

function showCountdown() {
  const leftMs = retryAtMs === null ? 0 : retryAtMs - performance.now();
  const wait = leftMs > 0 ? `Trying again in ${Math.ceil(leftMs / 1000)} s` : "";
  setText(element("countdown"), tryingAgain ? "Trying again" : wait);
}

/** @param {PlayerStats} stats */
function showFigures(stats) {
  showFigure("fps", round(stats.fps), "fps");
  showFigure("bitrateKbps", round(stats.bitrateKbps), "kbit/s");
  showFigure("roundTripMs", round(stats.roundTripMs), "ms");
  showFigure("jitterMs", round(stats.jitterMs), "ms");
  showFigure("packetsLost", String(stats.packetsLost), "");
  showFigure("framesDropped", String(stats.framesDropped), "");
  showFigure("timeToFirstFrameMs", round(stats.timeToFirstFrameMs), "ms");
  const { width, height, codec } = stats;
  showFigure("picture", width && height ? `${width}×${height}` : null, codec ?? "");
}

/** Clears the figures of a stream that has ended, and adds a gap to the plot. */
function clearFigures() {
  for (const place of document.querySelectorAll("[data-figure]")) setText(place, "–");
  plot.add(performance.now(), [null, null, null]);
}

/** @param {string} name @param {string | null} value @param {string} unit */
function showFigure(name, value, unit) {
  const place = document.querySelector(`[data-figure="${name}"]`);
  const suffix = document.createElement("small");
  suffix.textContent = unit;
  if (value === null) setText(place, "–");
  else place?.replaceChildren(value, suffix);
}

/** @param {number | null} value */
function round(value) {
  return value === null ? null : Math.round(value).toLocaleString("en");
}

/** @param {string} name @param {string | null} value */
function showAddress(name, value) {
  setText(document.querySelector(`[data-address="${name}"]`), value ?? "–");
}

function showSound() {
  const stream = video.srcObject;
  sound.hidden = !(stream instanceof MediaStream) || stream.getAudioTracks().length === 0;
  setText(sound, video.muted ? "Turn sound on" : "Turn sound off");
  plainSound.hidden = document.body.dataset.view !== "plain" || sound.hidden || !video.muted;
}

function offerFullScreen() {
  element("fullscreen").addEventListener("click", () => stage.requestFullscreen());
}

async function copyAnswer() {
  setText(element("copied"), await copyText(sdp) ? "Copied" : "Press Ctrl+C to copy");
}
