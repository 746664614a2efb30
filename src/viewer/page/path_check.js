// @ts-check
/// <reference lib="dom" />
/** The button that checks the path, and the list of results. @module */
import { checkPath } from "../pinhole.js";
import { copyText, element, setText, showList } from "./dom.js";
/** @typedef {import("../pinhole.d.ts").PathReport} PathReport */
/** @typedef {import("../pinhole.d.ts").PathStep} PathStep */

/** @type {Readonly<Record<PathStep["kind"], string>>} */
const AT_WORK = {
  http: "Connecting to the server",
  websocket: "Opening a WebSocket",
  port: "Testing the media ports",
  connection: "Testing a real connection",
};

const VERDICT_TONES = { ok: "good", warning: "warn", failed: "bad" };

/**
 * Makes the button work.
 * @param {{ token: string | undefined }} options `token`: of this page's own address.
 */
export function offerPathCheck({ token }) {
  const button = element("path-button");
  const report = /** @type {HTMLTextAreaElement} */ (element("path-report"));
  /** There while a check runs. @type {AbortController | null} */
  let running = null;

  const start = async () => {
    const stop = running = new AbortController();
    setText(button, "Stop the check");
    element("path-check").hidden = false;
    element("path-copy-row").hidden = report.hidden = true;
    element("path-steps").setAttribute("aria-busy", "true");
    setText(element("path-copied"), "");
    try {
      const { signal } = stop;
      report.value = formatReport(
        await checkPath({ ...token && { token }, signal, changed: show }),
      );
      element("path-copy-row").hidden = false;
    } catch (error) {
      if (stop.signal.aborted) element("path-check").hidden = true;
      else showVerdict({ words: `The check itself failed: ${error}`, tries: [], tone: "bad" });
    }
    element("path-steps").removeAttribute("aria-busy");
    setText(button, "Check my path");
    running = null;
  };
  button.addEventListener("click", (event) => {
    // Do not let the player handle this click, which would turn the sound on.
    event.stopPropagation();
    if (running) running.abort();
    else start();
  });
  element("path-copy").addEventListener("click", async () => {
    setText(element("path-copied"), await copyText(report) ? "Copied" : "Press Ctrl+C to copy");
  });
  // Sends `bye`, which frees the place on the server.
  addEventListener("pagehide", () => running?.abort());
}

/** @param {PathReport} report */
function show({ steps, verdict }) {
  showSteps(steps);
  if (verdict) return showVerdict({ ...verdict, tone: VERDICT_TONES[verdict.state] });
  const now = steps.find(({ state }) => state === "running");
  if (now) showVerdict({ words: AT_WORK[now.kind], tries: [], tone: "busy" });
}

/** @param {{ words: string, tries: readonly string[], tone: string }} what */
function showVerdict({ words, tries, tone }) {
  element("path-verdict").dataset.tone = tone;
  setText(element("path-words"), words);
  showList(element("path-tries"), tries);
}

/** @param {readonly PathStep[]} steps */
function showSteps(steps) {
  const list = element("path-steps");
  while (list.children.length > steps.length) list.lastElementChild?.remove();
  while (list.children.length < steps.length) list.append(newLine());
  steps.forEach(({ title, state, words }, index) => {
    const line = list.children[index];
    line?.setAttribute("data-state", state);
    setText(line?.querySelector("i"), state);
    setText(line?.querySelector("b"), title);
    setText(line?.querySelector("span"), words);
  });
}

/** Its parts are the state, the title and the result. */
function newLine() {
  const line = document.createElement("li");
  line.append(...["i", "b", "span"].map((name) => document.createElement(name)));
  return line;
}

/**
 * The report as plain text.
 * @param {PathReport} report
 */
function formatReport({ steps, verdict }) {
  return [
    "Pinhole path check",
    `Time: ${new Date().toISOString()}`,
    `Server: ${location.origin}`,
    `Browser: ${navigator.userAgent}`,
    "",
    ...verdict ? [verdict.words, ...verdict.tries.map((each) => `- ${each}`)] : [],
    "",
    ...steps.map(({ title, state, words }) =>
      `[${state}] ${title}${words === "" ? "" : `: ${words}`}`
    ),
    "",
  ].join("\n");
}
