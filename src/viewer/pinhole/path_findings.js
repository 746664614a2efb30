// @ts-check
/** Results of a path check for each port, and their meaning. @module */
import { formatHostPort } from "./host_port.js";
/** @typedef {import("../pinhole.d.ts").PathStep} PathStep */
/** @typedef {import("./path_probe.js").PortEntry} PortEntry */
/** @typedef {import("./path_probe.js").Transport} Transport */

/**
 * @typedef {object} Arrival Checks of the browser that one port of the server received.
 * @property {number} local_port
 * @property {Transport} transport
 * @property {string} from
 * @property {number} count
 */

/**
 * @typedef {object} PortFinding Result for one port and one transport.
 * @property {PortEntry} entry
 * @property {Transport} transport
 * @property {"waiting" | "running" | "done" | "untested"} stage
 * @property {number | null} ms Time until the first answer; `null` if there is none.
 * @property {readonly Arrival[]} arrivals Of this transport, as the server counted them.
 */

/**
 * Creates the list of tests, UDP ports first.
 * @param {readonly PortEntry[]} entries
 * @returns {PortFinding[]}
 */
export function portFindings(entries) {
  return /** @type {const} */ (["udp", "tcp"]).flatMap((transport) =>
    entries.filter(({ transports }) => transports.includes(transport)).map((entry) => ({
      entry,
      transport,
      stage: "waiting",
      ms: null,
      arrivals: [],
    }))
  );
}

/**
 * Adds the server's arrivals.
 * @param {readonly PortFinding[]} findings
 * @param {readonly { local_port: number, arrivals: readonly Arrival[] }[]} [received] Absent if the request failed.
 */
export function addArrivals(findings, received = []) {
  for (const finding of findings) {
    const { entry, transport } = finding;
    const all = received.find(({ local_port }) => local_port === entry.local_port)?.arrivals ?? [];
    finding.arrivals = all.filter((arrival) => arrival.transport === transport);
  }
}

/**
 * One finding as a line of the check.
 * @param {PortFinding} finding
 * @returns {PathStep}
 */
export function portStep(finding) {
  const { transport, stage, ms } = finding;
  const title = `${transport.toUpperCase()} ${addressOf(finding)}`;
  /** @param {PathStep["state"]} state @param {string} words @returns {PathStep} */
  const step = (state, words) => ({ kind: "port", title, state, words, ms });
  if (stage === "waiting") return step("waiting", "");
  if (stage === "running") return step("running", "waiting for an answer");
  if (stage === "untested") return step("skipped", "not tested: the check ran out of time");
  const wrong = misroutedTo(finding);
  const { local_port: own } = finding.entry;
  if (wrong !== null) return step("failed", `maps to the server's port ${wrong}, not to ${own}`);
  if (ms !== null) return step("ok", `first answer after ${Math.round(ms)} ms`);
  // TCP is only needed for networks without UDP, so this is just a warning.
  const state = transport === "tcp" ? "warning" : "failed";
  const protocol = transport.toUpperCase();
  if (hasArrived(finding)) {
    return step(
      state,
      `The server received packets of this browser, but no answer came back over ${protocol}`,
    );
  }
  return step(state, `No answer from ${addressOf(finding)} over ${protocol}`);
}

/**
 * The announced address and port.
 * @param {PortFinding} finding
 */
export function addressOf({ entry: { address, port } }) {
  return formatHostPort(address, port);
}

/** @param {PortFinding} finding */
export function hasArrived({ arrivals }) {
  return arrivals.length > 0;
}

/**
 * The server's port at which packets for this port arrived, if it is another.
 * @param {PortFinding} finding
 */
export function misroutedTo({ entry, arrivals }) {
  if (arrivals.some(({ local_port }) => local_port === entry.local_port)) return null;
  return arrivals[0]?.local_port ?? null;
}

/**
 * Addresses, as in {@link addressOf}, at which no transport works.
 * @param {readonly PortFinding[]} findings
 * @returns {ReadonlySet<string>}
 */
export function deadEnds(findings) {
  /** @param {PortFinding} finding */
  const isUseless = (finding) =>
    finding.stage === "done" && (finding.ms === null || misroutedTo(finding) !== null);
  const useful = new Set(findings.filter((finding) => !isUseless(finding)).map(addressOf));
  return new Set(findings.map(addressOf).filter((address) => !useful.has(address)));
}

/**
 * Describes the misrouted ports, with swapped pairs combined.
 * @param {readonly PortFinding[]} findings
 */
export function describeMisrouted(findings) {
  const wrong = findings.filter((finding) => misroutedTo(finding) !== null);
  /** @type {Set<PortFinding>} */
  const told = new Set();
  /** @type {string[]} */
  const sentences = [];
  for (const finding of wrong) {
    if (told.has(finding)) continue;
    const target = misroutedTo(finding);
    const partner = wrong.find((other) =>
      other !== finding && other.transport === finding.transport &&
      other.entry.local_port === target && misroutedTo(other) === finding.entry.local_port
    );
    if (partner) told.add(partner);
    const { port } = finding.entry;
    const protocol = finding.transport.toUpperCase();
    sentences.push(
      partner
        ? `Ports ${port} and ${partner.entry.port} are swapped over ${protocol}.`
        : `Public port ${port} maps to the server's port ${target} over ${protocol}.`,
    );
  }
  return sentences.join(" ");
}

/**
 * True for addresses that cannot be reached from other networks (RFC 1918, RFC 4193, loopback, link-local).
 * @param {string} address
 */
export function isPrivate(address) {
  return /^(10|127|169\.254|192\.168|172\.(1[6-9]|2\d|3[01]))\./.test(address) ||
    /^(::1$|f[cd]|fe[89ab])/i.test(address);
}
