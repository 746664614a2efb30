import assert from "assert";
import { NULL_METER } from "../../src/base/meter.ts";
import { PathRate } from "../../src/rate/path_rate.ts";
import { parseRtcp, type RtcpPacket } from "../../src/transport/rtp/rtcp.ts";
import { formatBye, formatSenderReport } from "../../src/transport/rtp/rtcp_format.ts";
import { RtpSession } from "../../src/transport/rtp/rtp_session.ts";
import { RtpStream } from "../../src/transport/rtp/rtp_stream.ts";
import {
  createSrtcpReceiver,
  createSrtcpSender,
  type SrtcpSender,
} from "../../src/transport/rtp/srtcp.ts";
import { createSrtpSender } from "../../src/transport/rtp/srtp.ts";
import type { SrtpKeys } from "../../src/transport/rtp/srtp_keys.ts";
import { FakeClock } from "../support/parts/fake_clock.ts";
import type { Random } from "../support/random.ts";
import { fuzz } from "./harness.ts";

const DATAGRAM_BYTES_MAX = 1_500;
/** SSRCs of the packets, the viewer's own and a few more than a receiver keeps track of. */
const SOURCES = Array.from({ length: 12 }, (_, at) => at + 1);

/** One RTCP packet whose header is right, mostly. */
function packet(
  random: Random,
  { type, count, body }: { type: number; count: number; body: Uint8Array },
): Uint8Array {
  const bytes = new Uint8Array(4 + body.length + (-body.length & 3));
  const words = random.oneIn(20) ? random.below(0x1_0000) : bytes.length / 4 - 1;
  bytes.set([0x80 | (random.oneIn(20) ? 0x20 : 0) | count, type, words >>> 8, words]);
  bytes.set(body, 4);
  return bytes;
}

function word(...values: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, at) => view.setUint32(at * 4, value));
  return new Uint8Array(view.buffer);
}

/** Feedback on many packets in few bytes: runs of 8191, or symbols one by one. */
function transportFeedback(random: Random, ssrc: number): Uint8Array {
  const claimed = random.pick([0, 1, 14, 100, 8_191, 8_192, 8_193, 0xffff]);
  const chunks = Array.from({ length: random.below(8) }, () => {
    const chunk = random.pick([
      0x1fff,
      0x3fff,
      0x5fff,
      0x7fff,
      0x8000,
      0xffff,
      random.below(0x1_0000),
    ]);
    return [chunk >>> 8, chunk & 0xff];
  });
  const deltas = random.bytes(random.oneIn(3) ? random.below(300) : 0);
  return Uint8Array.of(
    ...word(random.uint32(), ssrc, (random.below(0x1_0000) << 16) | claimed, random.uint32()),
    ...chunks.flat(),
    ...deltas,
  );
}

/** A packet of a type that is acted on, about one of `ssrcs`. */
function hostilePacket(random: Random, ssrcs: readonly number[]): Uint8Array {
  const ssrc = random.pick(ssrcs);
  const noise = random.bytes(random.below(60));
  const own = random.pick(SOURCES);
  switch (random.below(9)) {
    case 0: {
      const block = Uint8Array.of(...word(ssrc), ...random.bytes(20));
      return packet(random, { type: 201, count: 1, body: Uint8Array.of(...word(own), ...block) });
    }
    case 1:
      return packet(random, {
        type: 200,
        count: random.below(32),
        body: random.bytes(random.below(200)),
      });
    case 2: {
      const entries = random.bytes(4 * random.below(random.oneIn(10) ? 300 : 10));
      const body = Uint8Array.of(...word(own, ssrc), ...entries);
      return packet(random, { type: 205, count: 1, body });
    }
    case 3:
      return packet(random, { type: 205, count: 15, body: transportFeedback(random, ssrc) });
    case 4:
      return packet(random, { type: 206, count: 1, body: word(own, ssrc) });
    case 5: {
      const body = word(own, 0, ssrc, random.uint32(), random.uint32(), 0);
      return packet(random, { type: 206, count: 4, body });
    }
    case 6: {
      const remb = word(own, 0, 0x5245_4d42, random.uint32(), ssrc, ssrc);
      return packet(random, { type: 206, count: 15, body: remb });
    }
    case 7:
      return packet(random, { type: 203, count: random.below(32), body: noise });
    default:
      return packet(random, {
        type: random.between(192, 223),
        count: random.below(32),
        body: noise,
      });
  }
}

function hostileCompound(random: Random, ssrcs: readonly number[]): Uint8Array {
  if (random.oneIn(20)) return random.bytes(random.below(100));
  const compound = Array.from(
    { length: random.oneIn(20) ? random.below(40) : random.between(1, 3) },
    () => hostilePacket(random, ssrcs),
  ).flatMap((each) => [...each]);
  const bytes = Uint8Array.from(compound).subarray(0, DATAGRAM_BYTES_MAX);
  return random.oneIn(4) ? random.mutate(bytes) : bytes;
}

/** Every number is one, and every list is no longer than a datagram has room for it. */
function assertSound(read: RtcpPacket): void {
  switch (read.type) {
    case "sender_report":
    case "receiver_report":
      assert.ok(read.reports.length < 32);
      for (const report of read.reports) {
        assert.ok(Object.values(report).every((value) => Number.isFinite(value)));
        assert.ok(report.fractionLost >= 0 && report.fractionLost < 1);
      }
      return;
    case "transport_feedback":
      return assert.ok(read.arrivals.length <= 8_192);
    case "nack":
      return assert.ok(read.sequenceNumbers.length <= 1_024);
    case "fir":
      return assert.ok(read.requests.length <= DATAGRAM_BYTES_MAX / 8);
    case "remb":
      return assert.ok(Number.isFinite(read.bitsPerSecond) && read.ssrcs.length < 256);
    case "bye":
      return assert.ok(read.ssrcs.length < 32);
  }
}

fuzz("parseRtcp: any bytes give packets that are sound, or the word that they are malformed", {
  seed: 3,
  perRound: 1,
  open: () => undefined,
  feed(_, random) {
    const { packets, malformed } = parseRtcp(hostileCompound(random, SOURCES));
    packets.forEach(assertSound);
    return malformed ? "malformed" : packets[0]?.type ?? "skipped";
  },
  reaches: [
    "malformed",
    "skipped",
    "sender_report",
    "receiver_report",
    "bye",
    "nack",
    "pli",
    "fir",
    "remb",
    "transport_feedback",
  ],
});

/** A session that has sent a few seconds of video, and the viewer's keys. */
interface Watched {
  readonly session: RtpSession;
  readonly pathRate: PathRate;
  readonly viewer: SrtcpSender;
  readonly ssrcs: readonly number[];
  readonly clock: FakeClock;
  readonly counts: { sent: number; sentBytes: number; keyframes: number; plays: number };
  /** Sends some seconds of video more. */
  readonly play: () => void;
  /** The last sequence number of each stream. */
  readonly sentLast: ReadonlyMap<number, number>;
}

const PACKETS = 600;
const LIMITS = { floorKbps: 150, ceilingKbps: 2_500 } as const;
/** What two streams remember, four times: no viewer gets more than that again, however it asks. */
const RESENT_MAX = 2 * 512 * 4;

function watched(): Watched {
  const keys: SrtpKeys = {
    profile: "aead_aes_128_gcm",
    masterKey: new Uint8Array(16).fill(1),
    masterSalt: new Uint8Array(12).fill(2),
  };
  const clock = new FakeClock();
  const counts = { sent: 0, sentBytes: 0, keyframes: 0, plays: 0 };
  const last = new Map<number, number>();
  const send = (bytes: Uint8Array) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    last.set(view.getUint32(8), view.getUint16(2));
    counts.sent++;
    counts.sentBytes += bytes.length;
  };
  const pathRate = new PathRate({ limits: () => LIMITS, nowMs: 0 });
  const sent = (bytes: number) => pathRate.sent(bytes, clock.now());
  const streams = [96, 111].map((payloadType) =>
    new RtpStream({ payloadType, clockRate: 90_000, clock, send, sent, numberExtensionId: 3 })
  );
  const session = new RtpSession({
    streams,
    cname: "fuzz",
    pathRate,
    timelineUs: () => clock.now() * 1000,
    keyframeRequested: () => counts.keyframes++,
    send,
    clock,
    meter: NULL_METER,
  });
  const sender = createSrtcpSender(keys);
  const receiver = createSrtcpReceiver(keys);
  session.start({
    rtp: createSrtpSender(keys),
    protectRtcp: (compound) => sender.protect(compound),
    unprotectRtcp: (compound) => receiver.unprotect(compound),
  });
  const payloads = Array<Uint8Array>(PACKETS).fill(new Uint8Array(100));
  const play = () => {
    const before = counts.sent;
    for (const stream of streams) stream.send({ payloads, timestampUs: 0, marker: true });
    counts.sent = before;
    counts.plays++;
    for (const { ssrc } of streams) sentLast.set(ssrc, last.get(ssrc) ?? 0);
  };
  const sentLast = new Map<number, number>();
  play();
  const ssrcs = streams.map(({ ssrc }) => ssrc);
  const viewer = createSrtcpSender(keys);
  return { session, pathRate, viewer, ssrcs, clock, counts, play, sentLast };
}

/** Reports, which a viewer's player believes, beside what the generator makes of them. */
function authenticCompound(random: Random, { ssrcs, sentLast }: Watched): Uint8Array {
  const ssrc = random.pick(SOURCES);
  if (random.oneIn(10)) {
    const stream = random.pick(ssrcs);
    const first = ((sentLast.get(stream) ?? 0) - random.below(PACKETS)) & 0xffff;
    const body = word(ssrc, stream, ((first << 16) | 0xffff) >>> 0);
    return packet(random, { type: 205, count: 1, body });
  }
  if (random.oneIn(50)) return formatBye({ ssrc, cname: "viewer" });
  if (random.oneIn(50)) {
    const numbers = { rtpTimestamp: random.uint32(), packetCount: 1, octetCount: 1 };
    return formatSenderReport({ ssrc, wallMs: random.uint32() * 1e3, ...numbers, cname: "viewer" });
  }
  const compound = hostileCompound(random, [...ssrcs, 7]);
  return compound.length < 8 ? new Uint8Array(8) : compound;
}

/** What an encoder and the metrics are told: no viewer can make them anything but sensible numbers. */
function assertPathSound({ view: { targetKbps, queueMs = 0 } }: PathRate): void {
  assert.ok(targetKbps >= LIMITS.floorKbps && targetKbps <= LIMITS.ceilingKbps, `${targetKbps}`);
  assert.ok(Number.isFinite(queueMs) && queueMs >= 0, `${queueMs}`);
}

fuzz("RtpSession: authentic but hostile reports keep its figures sound and its answers few", {
  seed: 4,
  inputs: 30_000,
  open: watched,
  feed(state, random) {
    const { session, viewer, clock, counts } = state;
    clock.stall(random.below(10));
    // What was sent a second ago is not sent again.
    if (random.oneIn(200)) state.play();
    const protectedPacket = viewer.protect(authenticCompound(random, state));
    const isForged = random.oneIn(10);
    const before = { ...counts };
    const verdict = session.receive(isForged ? random.mutate(protectedPacket) : protectedPacket);
    if (isForged && verdict === "srtcp_forged") assert.deepEqual(counts, before);
    const { report, roundTripMs } = session.receiver;
    assert.ok(roundTripMs === undefined || (roundTripMs >= 0 && roundTripMs <= 60_000));
    assert.ok(report === undefined || Object.values(report).every(Number.isFinite));
    assert.ok(counts.sent <= counts.plays * RESENT_MAX, `${counts.sent} packets were sent again`);
    assertPathSound(state.pathRate);
    return counts.sent > before.sent
      ? "resent"
      : counts.keyframes > before.keyframes
      ? "keyframe"
      : verdict;
  },
  close({ session, clock }) {
    session.close();
    assert.equal(clock.pending, 0);
  },
  reaches: ["newest", "srtcp_forged", "keyframe", "resent"],
});
