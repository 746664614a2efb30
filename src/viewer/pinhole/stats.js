// @ts-check
/// <reference lib="dom" />
/** Reads the player's statistics from `RTCPeerConnection.getStats()`. @module */
/** @typedef {import("../pinhole.d.ts").PlayerStats} PlayerStats */
/** @typedef {import("../pinhole.d.ts").SelectedCandidate} SelectedCandidate */

/**
 * @typedef {object} Sample One sample of a connection's statistics.
 * @property {number} atMs Milliseconds on the report's own clock.
 * @property {number} bytesReceived Video payload since the stream began.
 * @property {Omit<PlayerStats, "timeToFirstFrameMs">} stats
 * @property {SelectedCandidate | null} candidate
 */

/**
 * @param {ReadonlyMap<string, any> | RTCStatsReport} report
 * @param {Sample | null} before The previous sample, for the rates.
 * @returns {Sample | null} `null` while no video is negotiated.
 */
export function readSample(report, before) {
  const video = find(report, (entry) => entry.type === "inbound-rtp" && entry.kind === "video");
  if (!video) return null;
  const pair = selectedPair(report);
  const bytesReceived = video.bytesReceived ?? 0;
  const framesDecoded = video.framesDecoded ?? 0;
  const seconds = before ? (video.timestamp - before.atMs) / 1000 : 0;
  /** @param {number} grown */
  const perSecond = (grown) => seconds > 0 ? Math.max(0, grown) / seconds : null;
  const bytesPerSecond = perSecond(bytesReceived - (before?.bytesReceived ?? 0));
  return {
    atMs: video.timestamp,
    bytesReceived,
    candidate: candidateOf(pair && get(report, pair.remoteCandidateId)),
    stats: {
      fps: perSecond(framesDecoded - (before?.stats.framesDecoded ?? 0)),
      bitrateKbps: bytesPerSecond === null ? null : bytesPerSecond * 8 / 1000,
      roundTripMs: milliseconds(pair?.currentRoundTripTime),
      jitterMs: milliseconds(video.jitter),
      packetsLost: video.packetsLost ?? 0,
      packetsReceived: video.packetsReceived ?? 0,
      framesDropped: video.framesDropped ?? 0,
      framesDecoded,
      width: video.frameWidth ?? null,
      height: video.frameHeight ?? null,
      codec: get(report, video.codecId)?.mimeType?.replace(/^video\//, "") ?? null,
    },
  };
}

/** @param {ReadonlyMap<string, any> | RTCStatsReport} report */
function selectedPair(report) {
  const transport = find(report, (entry) => entry.type === "transport");
  // Firefox has no transport entry; it marks the pair instead.
  return get(report, transport?.selectedCandidatePairId) ??
    find(report, (entry) => entry.type === "candidate-pair" && entry.selected);
}

/** @param {any} entry @returns {SelectedCandidate | null} */
function candidateOf(entry) {
  return entry?.address
    ? { address: entry.address, port: entry.port, protocol: entry.protocol }
    : null;
}

/** @param {number | undefined} seconds */
function milliseconds(seconds) {
  return seconds === undefined ? null : seconds * 1000;
}

/** @param {ReadonlyMap<string, any> | RTCStatsReport} report @param {string | undefined} id */
function get(report, id) {
  return id === undefined ? undefined : report.get(id);
}

/**
 * @param {ReadonlyMap<string, any> | RTCStatsReport} report
 * @param {(entry: any) => boolean} wanted
 */
function find(report, wanted) {
  for (const entry of report.values()) if (wanted(entry)) return entry;
  return undefined;
}
