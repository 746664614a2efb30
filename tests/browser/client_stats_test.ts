import assert from "assert";
import { readSample } from "../../src/viewer/pinhole/stats.js";

const VIDEO = {
  id: "V",
  type: "inbound-rtp",
  kind: "video",
  timestamp: 10_000,
  bytesReceived: 50_000,
  packetsReceived: 60,
  packetsLost: 2,
  jitter: 0.004,
  framesDecoded: 40,
  framesDropped: 1,
  frameWidth: 1280,
  frameHeight: 720,
  codecId: "C",
};
const CODEC = { id: "C", type: "codec", mimeType: "video/H264" };
const PAIR = {
  id: "P",
  type: "candidate-pair",
  remoteCandidateId: "R",
  currentRoundTripTime: 0.025,
};
const REMOTE = {
  id: "R",
  type: "remote-candidate",
  address: "198.51.100.7",
  port: 10111,
  protocol: "udp",
};
const TRANSPORT = { id: "T", type: "transport", selectedCandidatePairId: "P" };

Deno.test("readSample: takes rates from the difference to the sample before", () => {
  const first = readSample(report(VIDEO, CODEC, PAIR, REMOTE, TRANSPORT), null);
  assert.equal(first?.stats.fps, null);
  assert.equal(first?.stats.bitrateKbps, null);
  const later = { ...VIDEO, timestamp: 12_000, bytesReceived: 300_000, framesDecoded: 100 };
  const second = readSample(report(later, CODEC, PAIR, REMOTE, TRANSPORT), first);
  assert.equal(second?.stats.fps, 30);
  assert.equal(second?.stats.bitrateKbps, 1000);
});

Deno.test("readSample: reads figures, codec and path", () => {
  const sample = readSample(report(VIDEO, CODEC, PAIR, REMOTE, TRANSPORT), null);
  assert.deepEqual(sample?.stats, {
    fps: null,
    bitrateKbps: null,
    roundTripMs: 25,
    jitterMs: 4,
    packetsLost: 2,
    packetsReceived: 60,
    framesDropped: 1,
    framesDecoded: 40,
    width: 1280,
    height: 720,
    codec: "H264",
  });
  assert.deepEqual(sample?.candidate, { address: "198.51.100.7", port: 10111, protocol: "udp" });
});

Deno.test("readSample: finds the pair that Firefox marks as selected", () => {
  const idle = { id: "P0", type: "candidate-pair", remoteCandidateId: "R0", selected: false };
  const sample = readSample(report(VIDEO, idle, { ...PAIR, selected: true }, REMOTE), null);
  assert.equal(sample?.candidate?.port, 10111);
  assert.equal(sample?.stats.roundTripMs, 25);
});

Deno.test("readSample: has nothing to say without video", () => {
  const audio = { ...VIDEO, kind: "audio" };
  assert.equal(readSample(report(audio, TRANSPORT), null), null);
});

Deno.test("readSample: leaves unknown what the browser does not tell", () => {
  const bare = { id: "V", type: "inbound-rtp", kind: "video", timestamp: 1000 };
  const sample = readSample(report(bare), null);
  assert.equal(sample?.candidate, null);
  assert.equal(sample?.stats.codec, null);
  assert.equal(sample?.stats.roundTripMs, null);
  assert.equal(sample?.stats.jitterMs, null);
  assert.equal(sample?.stats.packetsLost, 0);
});

function report(...entries: { id: string; [field: string]: unknown }[]): Map<string, unknown> {
  return new Map(entries.map((entry) => [entry.id, entry]));
}
