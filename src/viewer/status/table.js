// @ts-check
/// <reference lib="dom" />
/**
 * The table of sessions. Rows are reused and only their text changes, so that selections and screen readers are not
 * disturbed every second.
 * @module
 */
import { setText } from "../page/dom.js";
import {
  ageWords,
  bitrateWords,
  countWords,
  lossWords,
  queueWords,
  roundTripWords,
} from "./words.js";
/** @typedef {import("./server.js").Session} Session */
/** @typedef {import("./server.js").Viewer} Viewer */

/**
 * @typedef {object} Column
 * @property {string} label For narrow screens, where the table has no head.
 * @property {(viewer: Viewer) => string} text
 * @property {(viewer: Viewer) => string} [tone]
 */

/** @type {Readonly<Record<string, string>>} */
const STATE_TONES = { connecting: "busy", connected: "good", disconnected: "warn" };

/** From here on the picture suffers: retransmissions take too long, or cannot compensate the loss. */
const SLOW_MS = 500;
const LOSSY = 0.05;
/** Pictures are skipped beyond this. */
const FULL_MS = 250;

/** @type {readonly Column[]} */
const COLUMNS = [
  { label: "Port", text: ({ port }) => String(port) },
  { label: "State", text: ({ state }) => state, tone: ({ state }) => STATE_TONES[state] ?? "idle" },
  { label: "Transport", text: ({ transport }) => transport?.toUpperCase() ?? "–" },
  { label: "Codec", text: ({ codec }) => codec.toUpperCase() },
  { label: "Bitrate", text: ({ bitrate_kbps }) => bitrateWords(bitrate_kbps) },
  { label: "Target", text: ({ target_kbps }) => bitrateWords(target_kbps) },
  {
    label: "Round trip",
    text: ({ round_trip_ms }) => roundTripWords(round_trip_ms),
    tone: ({ round_trip_ms }) => (round_trip_ms ?? 0) > SLOW_MS ? "warn" : "",
  },
  {
    label: "Queue",
    text: ({ queue_ms }) => queueWords(queue_ms),
    tone: ({ queue_ms }) => (queue_ms ?? 0) > FULL_MS ? "warn" : "",
  },
  {
    label: "Lost",
    text: ({ fraction_lost }) => lossWords(fraction_lost),
    tone: ({ fraction_lost }) => fraction_lost > LOSSY ? "warn" : "",
  },
  { label: "Age", text: ({ age_s }) => ageWords(age_s) },
];

/**
 * Shows the sessions: a heading for each, and one row per viewer.
 * @param {HTMLTableElement} table
 * @param {readonly Session[]} sessions
 * @param {{ pageUrl: string | null }} place `pageUrl`: the viewer page, for the link of each session.
 */
export function showSessions(table, sessions, { pageUrl }) {
  const bodies = reuse(table, { from: 1, count: sessions.length, make: makeBody });
  sessions.forEach(({ id, age_s, viewers }, index) => {
    const body = bodies[index];
    const link = body?.querySelector("a");
    setText(link, id);
    if (pageUrl !== null) link?.setAttribute("href", `${pageUrl}?session=${id}`);
    const words = `${countWords(viewers.length, "viewer")}, open for ${ageWords(age_s)}`;
    setText(body?.querySelector("th span"), words);
    if (!body) return;
    const rows = reuse(body, { from: 1, count: viewers.length, make: makeRow });
    viewers.forEach((viewer, at) => showViewer(rows[at], viewer));
  });
}

/** @param {Element | undefined} row @param {Viewer} viewer */
function showViewer(row, viewer) {
  COLUMNS.forEach(({ text, tone }, index) => {
    const cell = row?.children[index];
    setText(cell, text(viewer));
    if (tone) cell?.setAttribute("data-tone", tone(viewer));
  });
}

/**
 * Creates or removes children after the first `from`, until there are `count`.
 * @param {Element} parent
 * @param {{ from?: number, count: number, make: () => Element }} wanted
 * @returns {Element[]} Those children.
 */
export function reuse(parent, { from = 0, count, make }) {
  while (parent.children.length > from + count) parent.lastElementChild?.remove();
  while (parent.children.length < from + count) parent.append(make());
  return [...parent.children].slice(from);
}

function makeBody() {
  const body = document.createElement("tbody");
  const head = document.createElement("th");
  head.colSpan = COLUMNS.length;
  head.scope = "rowgroup";
  const name = document.createElement("b");
  name.append(document.createElement("a"));
  head.append(name, " ", document.createElement("span"));
  const row = document.createElement("tr");
  row.append(head);
  body.append(row);
  return body;
}

function makeRow() {
  const row = document.createElement("tr");
  for (const { label } of COLUMNS) {
    const cell = document.createElement("td");
    cell.dataset.label = label;
    row.append(cell);
  }
  return row;
}
