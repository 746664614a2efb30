// @ts-check
/** Finds the layer at fault from the results of a path check. @module */
import {
  addressOf,
  describeMisrouted,
  hasArrived,
  isPrivate,
  misroutedTo,
} from "./path_findings.js";
/** @typedef {import("../pinhole.d.ts").PathVerdict} PathVerdict */
/** @typedef {import("../pinhole.d.ts").PlayerProblem} PlayerProblem */
/** @typedef {import("./path_findings.js").PortFinding} PortFinding */

/**
 * @typedef {object} PathFindings
 * @property {URL} server
 * @property {string | null} httpFault Fault of the HTTP response, as a verb phrase.
 * @property {boolean} websocket Whether a WebSocket opened.
 * @property {readonly PortFinding[]} ports
 * @property {string | null} portsUntested Why no port was tested.
 * @property {{ problem: PlayerProblem | null, frameMs: number | null } | null} trial `null` if there was none.
 * @property {string | null} trialUntested Why there was none.
 */

/**
 * The first fault on the path from the page to a picture; otherwise the first warning; otherwise `ok`.
 * @param {PathFindings} found
 * @returns {PathVerdict}
 */
export function judge(found) {
  const verdicts = [judgeSignalling, judgePorts, judgeTrial].map((look) => look(found));
  return verdicts.find((verdict) => verdict?.state === "failed") ??
    verdicts.find((verdict) => verdict !== null) ??
    judgeWhole(found);
}

/** @param {PathFindings} found @returns {PathVerdict | null} */
function judgeSignalling({ httpFault, websocket, server }) {
  if (httpFault !== null) {
    return failed("no_http", `The server at ${server.host} ${httpFault}.`, [
      "Check this device's network.",
      "Check that Pinhole runs, and that frpc is logged in and its TCP proxy runs.",
    ]);
  }
  if (websocket) return null;
  return failed("no_websocket", `HTTP works, but no WebSocket opens at ${server.host}.`, [
    "A proxy on the path must forward WebSockets (the Upgrade header).",
    "Some company networks and virus scanners block WebSockets: try another network.",
  ]);
}

/** @param {PathFindings} found @returns {PathVerdict | null} */
function judgePorts({ ports, server }) {
  const udp = ports.filter(({ transport, stage }) => transport === "udp" && stage === "done");
  const silent = udp.filter(({ ms }) => ms === null);
  if (udp.length > 0 && silent.length === udp.length) return judgeAllSilent(ports, { udp, server });
  if (ports.some((port) => misroutedTo(port) !== null)) {
    return failed("ports_misrouted", describeMisrouted(ports), [
      "In frpc.toml, the localPort of each proxy must match its remotePort.",
      "“pinhole frpc” prints the matching file.",
    ]);
  }
  if (silent.length === 0) return judgeTcp(ports);
  return failed("ports_silent", describeSilent(silent, { of: udp.length, protocol: "UDP" }), [
    "The other ports work, so this network does not block UDP.",
    silent.some(hasArrived)
      ? "This browser's packets reach the server there, but the answers are lost on the return path."
      : "Check that frpc has a UDP proxy for it, and that the firewall and security group allow it.",
  ]);
}

/** @param {readonly PortFinding[]} ports @returns {PathVerdict | null} */
function judgeTcp(ports) {
  const tcp = ports.filter(({ transport, stage }) => transport === "tcp" && stage === "done");
  const silent = tcp.filter(({ ms }) => ms === null);
  if (silent.length === 0) return null;
  if (!ports.some(({ transport }) => transport === "udp")) {
    return failed("tcp_silent", describeSilent(silent, { of: tcp.length, protocol: "TCP" }), [
      "This server has no UDP: viewers of these ports cannot connect.",
      "Check that each media port is mapped for TCP, and that the firewall allows it.",
    ]);
  }
  return warning("tcp_silent", describeSilent(silent, { of: tcp.length, protocol: "TCP" }), [
    "Every port answers over UDP, so only viewers on networks without UDP cannot connect.",
    "Check that frpc has a TCP proxy for each media port, and that the firewall allows it.",
  ]);
}

/** @param {readonly PortFinding[]} silent @param {{ of: number, protocol: string }} which */
function describeSilent(silent, { of, protocol }) {
  const names = silent.map(addressOf).join(", ");
  const verb = silent.length === 1 ? "does" : "do";
  return `${silent.length} of ${of} ports ${verb} not answer over ${protocol}: ${names}.`;
}

/**
 * @param {readonly PortFinding[]} ports
 * @param {{ udp: readonly PortFinding[], server: URL }} known
 * @returns {PathVerdict}
 */
function judgeAllSilent(ports, { udp, server }) {
  if (udp.some(hasArrived)) {
    return failed(
      "no_way_back",
      "UDP reaches the server, but no answer comes back to this browser.",
      [
        `If ${
          udp[0]?.entry.address ?? "the public server"
        } is one of several addresses of the public server, frps ` +
        "may answer from another, which browsers drop: set proxyBindAddr in frps.toml to it.",
        "Check that nothing on the server's side filters outgoing UDP.",
        "If the host is behind frp, restart frpc: its UDP visitors may be stale.",
      ],
    );
  }
  const address = udp[0]?.entry.address ?? "";
  const first = isPrivate(address) && !isPrivate(server.hostname) && server.hostname !== "localhost"
    ? [`${address} is a private address: set webrtc.public_ip to the public one.`]
    : [];
  const tries = [
    ...first,
    "Try another network, such as a phone's: some office and guest networks block UDP.",
    `If it fails there too, check that the UDP ports are open and mapped at ${address}.`,
    `Check that ${address} is the server's public address (webrtc.public_ip).`,
  ];
  const words = `No port of ${address} answers over UDP.`;
  return ports.some(({ transport, ms }) => transport === "tcp" && ms !== null)
    ? warning("no_udp", `${words} TCP works and is used instead.`, tries)
    : failed("no_udp", words, tries);
}

/** @param {PathFindings} found @returns {PathVerdict | null} */
function judgeTrial({ trial, ports }) {
  if (!trial?.problem) return null;
  const { code, layer, message } = trial.problem;
  const whole = ports.length > 0 && ports.every(({ ms }) => ms !== null);
  const opening = whole ? "Every port answers, but a connection fails. " : "";
  /** @type {Readonly<Record<PlayerProblem["layer"], string>>} */
  const advice = {
    signalling: "A proxy on the path may close WebSockets early.",
    server: "See the server's log.",
    path: "A port may have stopped answering since its test; check again.",
    encryption: "Large packets may get lost: check udpPacketSize = 1500 on both ends of frp.",
    frames: "The path works. The renderer may not deliver frames; see the server's log.",
  };
  const withoutWebrtc = "Switch WebRTC on in the browser's settings, or use another browser.";
  return failed(code, opening + message, [code === "no_webrtc" ? withoutWebrtc : advice[layer]]);
}

/** @param {PathFindings} found @returns {PathVerdict} */
function judgeWhole({ portsUntested, trial, trialUntested }) {
  const reasons = [portsUntested, trialUntested].filter((reason) => reason !== null);
  const picture = trial?.frameMs
    ? `the first picture came after ${(trial.frameMs / 1000).toFixed(1)} s.`
    : "";
  if (portsUntested === null) {
    if (!trial) {
      return warning("no_trial", "Every port answers. A connection was not tested.", reasons);
    }
    const words = `Everything works. Every port answers, and ${picture}`;
    return { state: "ok", code: "ok", words, tries: [] };
  }
  const words = trial
    ? `A connection works: ${picture} Not every port could be tested.`
    : "The server answers, but neither its ports nor a connection could be tested.";
  return warning("untested", words, reasons);
}

/** @param {string} code @param {string} words @param {readonly string[]} tries @returns {PathVerdict} */
function failed(code, words, tries) {
  return { state: "failed", code, words, tries };
}

/** @param {string} code @param {string} words @param {readonly string[]} tries @returns {PathVerdict} */
function warning(code, words, tries) {
  return { state: "warning", code, words, tries };
}
