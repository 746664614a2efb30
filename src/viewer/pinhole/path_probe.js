// @ts-check
/// <reference lib="dom" />
/** Tests one media port with ICE checks only: no session, no DTLS, no place on the port. @module */

/** Time limit from the first check on. A tunnel that queues adds seconds, and browsers repeat checks meanwhile. */
const ANSWER_WAIT_MS = 6000;

/** There is no DTLS, so this is never compared (RFC 8122 §5). */
const UNUSED_FINGERPRINT = Array(32).fill("00").join(":");

/**
 * @typedef {object} PortEntry One media port in `POST /api/path-check`.
 * @property {number} local_port
 * @property {string} address Announced IP address.
 * @property {number} port Announced port.
 * @property {readonly Transport[]} transports
 * @property {string} ufrag
 * @property {string} pwd
 */
/** @typedef {"udp" | "tcp"} Transport */

/**
 * Milliseconds until the port answered; `null` if it did not.
 * @param {PortEntry} entry
 * @param {{ transport: Transport, signal: AbortSignal }} how
 */
export async function probePort(entry, { transport, signal }) {
  signal.throwIfAborted();
  const peer = new RTCPeerConnection({ iceServers: [] });
  try {
    peer.createDataChannel("path-check");
    await peer.setLocalDescription();
    const mid = /^a=mid:(\S+)/m.exec(peer.localDescription?.sdp ?? "")?.[1] ?? "0";
    const startedAt = performance.now();
    await peer.setRemoteDescription({
      type: "answer",
      sdp: formatAnswer(entry, { transport, mid }),
    });
    signal.throwIfAborted();
    const answeredAt = await timeOfAnswer(peer, signal);
    return answeredAt === null ? null : answeredAt - startedAt;
  } finally {
    peer.oniceconnectionstatechange = null;
    peer.close();
  }
}

/** @param {RTCPeerConnection} peer @param {AbortSignal} signal @returns {Promise<number | null>} */
function timeOfAnswer(peer, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(null), ANSWER_WAIT_MS);
    /** @param {() => void} settle */
    const end = (settle) => {
      clearTimeout(timer);
      settle();
    };
    const look = () => {
      const { iceConnectionState: state } = peer;
      if (state === "connected" || state === "completed") end(() => resolve(performance.now()));
      if (state === "failed") end(() => resolve(null));
    };
    peer.oniceconnectionstatechange = look;
    signal.addEventListener("abort", () => end(() => reject(signal.reason)), { once: true });
    look();
  });
}

/**
 * Formats the answer of an ICE-lite server to an offer of one data channel (RFC 8839, RFC 8841).
 * @param {PortEntry} entry
 * @param {{ transport: Transport, mid: string }} how
 */
function formatAnswer({ address, port, ufrag, pwd }, { transport, mid }) {
  const family = address.includes(":") ? "IP6" : "IP4";
  const candidate = transport === "udp"
    ? `1 1 udp 2130706431 ${address} ${port} typ host`
    // RFC 6544 §4.5: the browser connects.
    : `1 1 tcp 1671430143 ${address} ${port} typ host tcptype passive`;
  return [
    "v=0",
    "o=- 1 1 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    "a=ice-lite",
    `a=group:BUNDLE ${mid}`,
    `m=application ${port} UDP/DTLS/SCTP webrtc-datachannel`,
    `c=IN ${family} ${address}`,
    `a=mid:${mid}`,
    `a=ice-ufrag:${ufrag}`,
    `a=ice-pwd:${pwd}`,
    `a=fingerprint:sha-256 ${UNUSED_FINGERPRINT}`,
    "a=setup:passive",
    "a=sctp-port:5000",
    `a=candidate:${candidate}`,
    "a=end-of-candidates",
    "",
  ].join("\r\n");
}
