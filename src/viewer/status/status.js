// @ts-check
/// <reference lib="dom" />
/** The status page: the current state of the server, for operators. @module */
import { element, setText } from "../page/dom.js";
import { Plot } from "../page/plot.js";
import { Server } from "./server.js";
import { reuse, showSessions } from "./table.js";
import { ageWords, bitrateWords, countWords, explain, roundTripWords } from "./words.js";
/** @typedef {import("./server.js").About} About */
/** @typedef {import("./server.js").NoStatus} NoStatus */
/** @typedef {import("./server.js").Port} Port */
/** @typedef {import("./server.js").Status} Status */

const POLL_MS = 1_000;
/** Polling interval after a refusal, which is unlikely to change. */
const POLL_REFUSED_MS = 10_000;
const PLOT_SPAN_MS = 120_000;

const token = new URLSearchParams(location.search).get("token") ?? undefined;
const server = new Server(token);
const table = /** @type {HTMLTableElement} */ (document.querySelector("#sessions table"));
const plot = new Plot({
  canvas: /** @type {HTMLCanvasElement} */ (element("plot")),
  words: element("plot-words"),
}, [
  { label: "Bitrate to all viewers", unit: "kbit/s", color: "--series-2", least: 500 },
  { label: "Longest round trip", unit: "ms", color: "--series-3", least: 20 },
], { spanMs: PLOT_SPAN_MS });

setText(element("server"), location.host);
void poll();

async function poll() {
  // Does not poll while the page is hidden.
  const answer = document.hidden ? undefined : await server.ask();
  if (answer?.kind === "status") showServer(answer);
  else if (answer) showProblem(answer);
  setTimeout(poll, answer?.kind === "refused" ? POLL_REFUSED_MS : POLL_MS);
}

/** @param {Status} status */
function showServer({ about, sessions, ports, reasons }) {
  const viewers = sessions.flatMap((session) => session.viewers);
  element("notice").hidden = true;
  document.body.removeAttribute("data-stale");
  setTone(
    reasons.length === 0 ? "Ready" : `Not ready: ${reasons.join(", ")}`,
    reasons.length === 0 ? "good" : "warn",
  );
  table.hidden = sessions.length === 0;
  element("empty").hidden = sessions.length > 0;
  showAbout(about);
  showSessions(table, sessions, { pageUrl: about.page_url });
  const roundTrips = viewers.flatMap(({ round_trip_ms }) => round_trip_ms ?? []);
  const longestMs = roundTrips.length === 0 ? null : Math.max(...roundTrips);
  const kbps = viewers.reduce((sum, { bitrate_kbps }) => sum + bitrate_kbps, 0);
  showFigure("viewers", String(viewers.length));
  showFigure("sessions", String(sessions.length));
  showFigure("bitrate", bitrateWords(kbps));
  showFigure("roundTrip", roundTripWords(longestMs));
  plot.add(performance.now(), [kbps, longestMs]);
  showPorts(ports);
}

/** @param {About} about */
function showAbout({ version, uptime_s, headroom, page_url }) {
  showFigure("version", version);
  showFigure("uptime", ageWords(uptime_s));
  showFigure("headroom", `${Math.round(100 * headroom)} %`);
  const link = /** @type {HTMLAnchorElement} */ (element("page-link"));
  const open = /** @type {HTMLAnchorElement} */ (element("open-link"));
  link.hidden = element("open-words").hidden = page_url === null;
  if (page_url === null) return;
  link.href = page_url;
  open.href = new URL("?session=demo", new URL(page_url, location.href)).href;
  setText(open, open.href);
}

/** @param {NoStatus} answer */
function showProblem(answer) {
  const page = { host: location.host, hasToken: token !== undefined };
  const { status, title, text } = explain(answer, page);
  setTone(status, "bad");
  element("notice").hidden = false;
  element("notice").dataset.tone = "bad";
  setText(element("notice-title"), title);
  setText(element("notice-text"), text);
  element("token-form").hidden = answer.kind !== "refused";
  element("empty").hidden = true;
  document.body.setAttribute("data-stale", "");
  // Adds a gap, so that the plot does not connect the points around it.
  plot.add(performance.now(), [null, null]);
}

/** @param {readonly Port[]} ports */
function showPorts(ports) {
  const items = reuse(element("ports"), { count: ports.length, make: makePort });
  ports.forEach(({ port, used, places }, index) => {
    const item = items[index];
    const meter = item?.querySelector("meter");
    setText(item?.querySelector("b"), String(port));
    setText(item?.querySelector("span"), used === places ? "full" : `${used} of ${places} used`);
    if (!meter) return;
    meter.max = places;
    meter.value = used;
    meter.setAttribute("aria-label", `Port ${port}: places used`);
  });
  const free = ports.reduce((sum, { used, places }) => sum + places - used, 0);
  setText(element("ports-words"), `${countWords(free, "place")} free`);
}

function makePort() {
  const item = document.createElement("li");
  const meter = document.createElement("meter");
  item.append(document.createElement("b"), meter, document.createElement("span"));
  return item;
}

/** @param {string} words @param {string} tone */
function setTone(words, tone) {
  setText(element("status"), words);
  element("status").dataset.tone = tone;
}

/** @param {string} name @param {string} text */
function showFigure(name, text) {
  setText(document.querySelector(`[data-figure="${name}"]`), text);
}
