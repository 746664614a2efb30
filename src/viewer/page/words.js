// @ts-check
/** Texts of the page about a player's state and problems. @module */
/** @typedef {import("../pinhole.d.ts").PlayerLayer} PlayerLayer */
/** @typedef {import("../pinhole.d.ts").PlayerProblem} PlayerProblem */
/** @typedef {import("../pinhole.d.ts").PlayerView} PlayerView */
/** @typedef {"good" | "busy" | "warn" | "bad" | "idle"} Tone */

/**
 * @typedef {object} Explanation
 * @property {string} title
 * @property {readonly string[]} tries What may help, most likely first.
 */

/** The layers in the order in which they are established. @type {readonly PlayerLayer[]} */
export const LAYERS = ["signalling", "server", "path", "encryption", "frames"];

/** @type {Readonly<Record<PlayerLayer, string>>} */
const LAYER_AT_WORK = {
  signalling: "Connecting to the server",
  server: "Waiting for the server's answer",
  path: "Looking for the UDP path",
  encryption: "Negotiating encryption",
  frames: "Waiting for the first picture",
};

/**
 * The connection's state in a few words.
 * @param {PlayerView} view
 * @returns {{ words: string, tone: Tone }}
 */
export function describe(view) {
  switch (view.state) {
    case "stopped":
      return { words: "Stopped", tone: "idle" };
    case "failed":
      return { words: "Failed", tone: "bad" };
    case "waiting":
      return { words: "Waiting to try again", tone: "warn" };
    case "interrupted":
      return { words: "Interrupted", tone: "warn" };
    case "playing":
      if (view.autoplayBlocked) return { words: "Ready to play", tone: "busy" };
      if (view.problem) return { words: "Playing, with a problem", tone: "warn" };
      return { words: "Playing", tone: "good" };
    default:
      return { words: LAYER_AT_WORK[view.layer ?? "frames"], tone: "busy" };
  }
}

/**
 * Status of each layer, for the list of layers.
 * @param {PlayerView} view
 * @returns {Record<PlayerLayer, "pending" | "now" | "done" | "fault">}
 */
export function layerStatus({ state, layer, problem }) {
  const reached = layer && isTried(problem)
    ? LAYERS.indexOf(layer)
    : layer || state === "stopped"
    ? 0
    : LAYERS.length;
  const working = state === "connecting" || state === "connected";
  /** @param {PlayerLayer} each */
  const status = (each) => {
    if (each === problem?.layer) return "fault";
    const index = LAYERS.indexOf(each);
    if (index < reached) return "done";
    return index === reached && working ? "now" : "pending";
  };
  return {
    signalling: status("signalling"),
    server: status("server"),
    path: status("path"),
    encryption: status("encryption"),
    frames: status("frames"),
  };
}

/** If the browser has no WebRTC, no layer was tried. @param {PlayerProblem | null} problem */
function isTried(problem) {
  return problem?.code !== "no_webrtc";
}

/** @type {Readonly<Record<string, (place: Place) => Explanation>>} */
const EXPLANATIONS = {
  signalling_unreachable: ({ server }) => ({
    title: "The server does not answer",
    tries: [
      `Check that Pinhole runs: http://${server}/healthz should answer.`,
      "Behind frp, check that frpc is logged in and that its TCP proxy for this port runs.",
      "A proxy on the path must forward WebSockets.",
    ],
  }),
  signalling_broken: () => ({
    title: "The connection closed early",
    tries: [
      "If this repeats, a proxy on the path may not forward WebSockets.",
      "If the server closed the connection, its log has the reason.",
    ],
  }),
  signalling_lost: () => ({ title: "Signalling is interrupted", tries: [] }),
  signalling_blocked: () => ({
    title: "The browser blocks the connection",
    tries: ["A page loaded over https may only use wss: set server.tls_cert and server.tls_key."],
  }),
  unauthorized: () => ({
    title: "No access to this session",
    tries: ["Request a new link: a token is valid for one session and expires."],
  }),
  origin_not_allowed: ({ origin }) => ({
    title: "The server does not allow this page",
    tries: [`Add "${origin}" to server.allowed_origins in config.toml.`],
  }),
  session_full: () => ({
    title: "The session is full",
    tries: [
      "It has as many viewers as sessions.viewers_per_session allows. Wait until one leaves.",
    ],
  }),
  no_free_port: () => ({
    title: "No media port is free",
    tries: [
      "A place becomes free when another viewer leaves.",
      "To let more viewers share each port, raise webrtc.peers_per_port in config.toml.",
    ],
  }),
  unsupported_codec: () => ({
    title: "No common video codec",
    tries: ["Use a browser with H.264 or VP8; every current one has at least one of them."],
  }),
  renderer_failed: () => ({
    title: "The renderer failed",
    tries: ["The server's log has the error of the renderer library."],
  }),
  shutting_down: () => ({ title: "The server is restarting", tries: [] }),
  ended: () => ({ title: "The server ended the stream", tries: [] }),
  no_udp_path: ({ address, port, at }) => ({
    title: `No UDP path to ${at}`,
    tries: [
      `Open UDP port ${port} in the firewall, and in the cloud's security group, of ${address}.`,
      `Check that frps runs there, and that frpc's UDP proxy for port ${port} runs on the host.`,
      "Some office and guest networks block UDP: try another network.",
      "“Check my path” tests every port from this browser.",
      "On the host, “pinhole doctor” tests the whole path and names the part at fault.",
    ],
  }),
  path_interrupted: () => ({
    title: "The stream is interrupted",
    tries: ["It continues when the network, or the tunnel, is back."],
  }),
  path_lost: ({ address }) => ({
    title: "The stream was lost",
    tries: [`Check this device's network, and the tunnel of ${address}.`],
  }),
  encryption_failed: () => ({
    title: "The encryption handshake failed",
    tries: [
      "Large packets may get lost on the path: check udpPacketSize = 1500 on both ends of frp.",
      "The server's log has the error of its side of the handshake.",
    ],
  }),
  no_packets: () => ({
    title: "Connected, but no video arrives",
    tries: ["The renderer may not deliver frames; see the server's log."],
  }),
  no_frames: () => ({
    title: "Video arrives, but cannot be decoded",
    tries: ["Try another browser, or another video.codec in config.toml."],
  }),
  no_offer: () => ({
    title: "The browser cannot make an offer",
    tries: ["Reload the page, or use another browser."],
  }),
  no_webrtc: () => ({
    title: "This browser has no WebRTC",
    tries: ["Switch it on in the browser's settings, or use another browser."],
  }),
};

/**
 * @typedef {object} Place Values in explanations.
 * @property {string} server Host and port of the signalling server.
 * @property {string} origin This page's own origin.
 * @property {string} at Announced media address and port.
 * @property {string} address Address part of `at`.
 * @property {string} port Port part of `at`.
 */

/** @type {Explanation} */
const BUSY = {
  title: "The server is busy",
  tries: [
    "The page tries again by itself. It gets in when other viewers leave.",
    "/status shows the server's headroom. Fewer sessions, a smaller video.width and video.height, or a lower video.fps need less.",
  ],
};

/**
 * @param {PlayerProblem} problem
 * @param {{ server: string, origin: string, announced: string | null }} where
 * @returns {Explanation}
 */
export function explain(problem, { server, origin, announced }) {
  const at = announced ?? "the announced address";
  const colon = at.lastIndexOf(":");
  const [address, port] = colon < 0 ? [at, "?"] : [at.slice(0, colon), at.slice(colon + 1)];
  if (problem.reason === "busy") return BUSY;
  const words = EXPLANATIONS[problem.code];
  return words?.({ server, origin, at, address, port }) ??
    { title: `The server refused (${problem.code})`, tries: ["See the server's log."] };
}
