// @ts-check
/// <reference lib="dom" />
/** Tests the whole path from this browser to a server, step by step. `pinhole.d.ts` documents it. @module */
import { addArrivals, deadEnds, portFindings, portStep } from "./path_findings.js";
import { probePort } from "./path_probe.js";
import { ask, openWebSocket } from "./path_requests.js";
import { judge } from "./path_verdict.js";
import { serverUrl } from "./home.js";
import { NO_WEBRTC } from "./problems.js";
import { signallingUrl } from "./signalling.js";
import { tryConnection } from "./trial.js";
/** @typedef {import("../pinhole.d.ts").PathCheckOptions} PathCheckOptions */
/** @typedef {import("../pinhole.d.ts").PathReport} PathReport */
/** @typedef {import("../pinhole.d.ts").PathStep} PathStep */
/** @typedef {import("./path_findings.js").PortFinding} PortFinding */
/** @typedef {import("./path_requests.js").Reply} Reply */
/** @typedef {{ kind: PathStep["kind"], title: string }} Line */
/** @typedef {Awaited<ReturnType<typeof tryConnection>>} TrialResult */

/** Browsers allow a page some hundred connections, and it may have others. */
const PROBES_AT_ONCE = 16;
/** No new port is tested within this time before the check expires on the server. */
const LAST_PROBE_MS = 8000;

/** @type {Line} */
const HTTP = { kind: "http", title: "Page and HTTP" };
/** @type {Line} */
const WEBSOCKET = { kind: "websocket", title: "WebSocket" };
/** @type {Line} */
const PORTS = { kind: "port", title: "Media ports" };
/** @type {Line} */
const CONNECTION = { kind: "connection", title: "A real connection" };

/** The lines of a connection while it is established. */
const STAGES = /** @type {const} */ ([
  ["pathMs", "Connection (ICE)"],
  ["encryptionMs", "Encryption (DTLS)"],
  ["packetMs", "First video packet"],
  ["frameMs", "First picture"],
]);

const NO_PORTS = { ports: [], portsUntested: "The server does not answer." };

/** Refusals that say nothing about the path. */
const NO_PLACE_CODES = ["no_free_port", "session_full", "unauthorized"];

/** @param {PathCheckOptions} [options] @returns {Promise<PathReport>} */
export async function checkPath({ server, token, signal, changed } = {}) {
  signal?.throwIfAborted();
  const stop = new AbortController();
  const abort = () => stop.abort(signal?.reason);
  signal?.addEventListener("abort", abort);
  try {
    return await new PathCheck({
      server: serverUrl(server),
      token,
      signal: stop.signal,
      changed: changed ?? (() => {}),
    }).run();
  } finally {
    signal?.removeEventListener("abort", abort);
    // Closes everything that is still open after an error.
    stop.abort();
  }
}

/** One check, from its first request to its verdict. */
class PathCheck {
  #server;
  #token;
  #signal;
  #changed;
  #sections = {
    http: [step(HTTP, "waiting")],
    websocket: [step(WEBSOCKET, "waiting")],
    ports: [step(PORTS, "waiting")],
    connection: [step(CONNECTION, "waiting")],
  };

  /** @param {{ server: URL, token: string | undefined, signal: AbortSignal, changed: (report: PathReport) => void }} options */
  constructor({ server, token, signal, changed }) {
    this.#server = server;
    this.#token = token;
    this.#signal = signal;
    this.#changed = changed;
  }

  async run() {
    const url = signallingUrl({
      url: new URL(`ws/path-check-${randomName()}`, this.#server).href,
      ...this.#token && { token: this.#token },
    });
    const httpFault = await this.#checkHttp();
    const http = httpFault === null;
    if (!http) {
      this.#show("websocket", [step(WEBSOCKET, "skipped", "needs HTTP")]);
      this.#show("ports", [step(PORTS, "skipped", "needs HTTP")]);
    }
    const websocket = http && await this.#checkWebSocket(url);
    const { ports, portsUntested } = http ? await this.#checkPorts() : NO_PORTS;
    const { trial, trialUntested } = await this.#tryConnection(url, { websocket, ports });
    const server = this.#server;
    const found = { server, httpFault, websocket, ports, portsUntested, trial, trialUntested };
    const report = { ...this.#report(), verdict: judge(found) };
    this.#changed(report);
    return report;
  }

  /** @returns {Promise<string | null>} The fault, if there is one. */
  async #checkHttp() {
    this.#show("http", [step(HTTP, "running")]);
    // A page of any origin may request it, if it does not read the response.
    const reply = await this.#ask("healthz", { mode: "no-cors" });
    if (reply?.ok) {
      const words = `answered after ${Math.round(reply.ms)} ms`;
      this.#show("http", [step(HTTP, "ok", words, reply.ms)]);
      return null;
    }
    const fault = reply ? `answers with HTTP ${reply.status}` : "does not answer";
    this.#show("http", [step(HTTP, "failed", fault)]);
    return fault;
  }

  /** @param {URL} url */
  async #checkWebSocket(url) {
    this.#show("websocket", [step(WEBSOCKET, "running")]);
    const ms = await openWebSocket(url, this.#signal);
    this.#show("websocket", [
      ms === null
        ? step(WEBSOCKET, "failed", `does not open at ${url.origin}`)
        : step(WEBSOCKET, "ok", `open after ${Math.round(ms)} ms`, ms),
    ]);
    return ms !== null;
  }

  /** @returns {Promise<{ ports: PortFinding[], portsUntested: string | null }>} */
  async #checkPorts() {
    this.#show("ports", [step(PORTS, "running")]);
    /** @param {string} why */
    const untested = (why) => {
      this.#show("ports", [step(PORTS, "skipped", why)]);
      return { ports: [], portsUntested: why };
    };
    if (typeof RTCPeerConnection === "undefined") return untested(NO_WEBRTC.message);
    const startedAt = performance.now();
    const reply = await this.#ask("api/path-check", { method: "POST" });
    const check = reply?.json;
    if (!reply?.ok || !Array.isArray(check?.ports)) return untested(whyUntested(reply));
    const ports = portFindings(check.ports);
    if (ports.length === 0) return untested("The server has no media port.");
    await this.#probe(ports, startedAt + check.expires_in_s * 1000 - LAST_PROBE_MS);
    const arrived = await this.#ask(`api/path-check/${encodeURIComponent(check.id)}`);
    addArrivals(ports, arrived?.json?.ports);
    this.#showPorts(ports);
    const late = ports.some(({ stage }) => stage === "untested");
    return { ports, portsUntested: late ? "Not every port could be tested in time." : null };
  }

  /** @param {readonly PortFinding[]} ports @param {number} lastStart On the clock of performance.now(). */
  async #probe(ports, lastStart) {
    this.#showPorts(ports);
    const waiting = [...ports];
    const work = async () => {
      for (let port = waiting.shift(); port; port = waiting.shift()) {
        const late = performance.now() > lastStart;
        port.stage = late ? "untested" : "running";
        this.#showPorts(ports);
        if (late) continue;
        const { entry, transport } = port;
        port.ms = await probePort(entry, { transport, signal: this.#signal });
        port.stage = "done";
        this.#showPorts(ports);
      }
    };
    await Promise.all(Array.from({ length: PROBES_AT_ONCE }, work));
  }

  /**
   * @param {URL} url
   * @param {{ websocket: boolean, ports: readonly PortFinding[] }} known
   * @returns {Promise<{ trial: { problem: TrialResult["problem"], frameMs: number | null } | null, trialUntested: string | null }>}
   */
  async #tryConnection(url, { websocket, ports }) {
    /** @param {string} why */
    const untried = (why) => {
      this.#show("connection", [step(CONNECTION, "skipped", why)]);
      return { trial: null, trialUntested: why };
    };
    if (!websocket) return untried("needs a WebSocket");
    if (typeof RTCPeerConnection === "undefined") {
      this.#show("connection", [step(CONNECTION, "failed", NO_WEBRTC.message)]);
      return { trial: { problem: NO_WEBRTC, frameMs: null }, trialUntested: null };
    }
    if (ports.length > 0 && ports.every(({ ms }) => ms === null)) {
      return untried("needs a port that answers");
    }
    /** @param {TrialResult} result */
    const show = (result) => this.#show("connection", trialSteps(result));
    this.#show("connection", [step(CONNECTION, "running")]);
    const result = await tryConnection(url, {
      signal: this.#signal,
      deadEnds: deadEnds(ports),
      changed: (times) => show({ times, problem: null }),
    });
    const { problem, times } = result;
    if (problem && NO_PLACE_CODES.includes(problem.code)) return untried(problem.message);
    show(result);
    return { trial: { problem, frameMs: times.frameMs }, trialUntested: null };
  }

  /** @param {string} path @param {RequestInit} [init] */
  #ask(path, init) {
    const url = new URL(path, this.#server);
    if (this.#token && path !== "healthz") url.searchParams.set("token", this.#token);
    return ask(url, { ...init, signal: this.#signal });
  }

  /** @param {readonly PortFinding[]} ports */
  #showPorts(ports) {
    this.#show("ports", ports.map(portStep));
  }

  /** @param {"http" | "websocket" | "ports" | "connection"} section @param {PathStep[]} steps */
  #show(section, steps) {
    this.#sections[section] = steps;
    this.#changed(this.#report());
  }

  /** @returns {PathReport} */
  #report() {
    return { steps: Object.values(this.#sections).flat(), verdict: null };
  }
}

/**
 * @param {Line} line
 * @param {PathStep["state"]} state
 * @param {string} words
 * @param {number | null} ms
 * @returns {PathStep}
 */
function step({ kind, title }, state, words = "", ms = null) {
  return { kind, title, state, words, ms };
}

/** @param {TrialResult} result @returns {PathStep[]} */
function trialSteps({ times, problem }) {
  const reached = STAGES.filter(([key]) => times[key] !== null).length;
  return STAGES.map(([key, title], index) => {
    const line = { kind: CONNECTION.kind, title };
    const ms = times[key];
    if (ms !== null) return step(line, "ok", `after ${Math.round(ms)} ms`, ms);
    if (index > reached) return step(line, problem ? "skipped" : "waiting");
    return problem ? step(line, "failed", problem.message) : step(line, "running");
  });
}

/** Why the ports could not be tested. @param {Reply | null} reply */
function whyUntested(reply) {
  if (reply === null) return "The server did not answer the request for a port test.";
  if (reply.status === 429) {
    return `Other port tests are running. Try again in ${reply.retryAfter ?? "30"} s.`;
  }
  if (typeof reply.json?.message === "string") return reply.json.message;
  return `The server cannot test its ports (HTTP ${reply.status}): it may be an older version.`;
}

/** Not with randomUUID, which pages over plain http do not have. */
function randomName() {
  const bytes = Array.from(crypto.getRandomValues(new Uint8Array(8)));
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
