import assert from "assert";
import { parseRtcp } from "../../src/transport/rtp/rtcp.ts";
import {
  compactNtp,
  formatBye,
  formatSenderReport,
  ntpTime,
  roundTripMs,
} from "../../src/transport/rtp/rtcp_format.ts";

const SENDER = 0x0102_0304;

Deno.test("formatSenderReport: sender report and canonical name", () => {
  const compound = formatSenderReport({
    ssrc: SENDER,
    wallMs: 1_500,
    rtpTimestamp: 0x1_0000_0005,
    packetCount: 6,
    octetCount: 7,
    cname: "pinhole",
  });
  assert.deepEqual(parseRtcp(compound).packets, [{
    type: "sender_report",
    senderSsrc: SENDER,
    ntpSeconds: 2_208_988_801,
    ntpFraction: 0x8000_0000,
    rtpTimestamp: 5,
    packetCount: 6,
    octetCount: 7,
    reports: [],
  }]);
  const description = [
    0x81,
    202,
    0,
    4,
    1,
    2,
    3,
    4,
    1,
    7,
    ...new TextEncoder().encode("pinhole"),
    0,
    0,
    0,
  ];
  assert.deepEqual([...compound.subarray(28)], description);
});

Deno.test("formatSenderReport: a name of any length ends in at least one zero, at a whole word", () => {
  const options = { ssrc: 1, wallMs: 0, rtpTimestamp: 0, packetCount: 0, octetCount: 0 };
  for (let length = 0; length <= 255; length++) {
    const compound = formatSenderReport({ ...options, cname: "x".repeat(length) });
    assert.equal(compound.length % 4, 0);
    assert.equal(compound.at(-1), 0);
    assert.ok(!parseRtcp(compound).malformed);
  }
  assert.throws(() => formatSenderReport({ ...options, cname: "x".repeat(256) }), RangeError);
});

Deno.test("formatBye: begins with a report and ends the stream", () => {
  const { packets, malformed } = parseRtcp(formatBye({ ssrc: SENDER, cname: "abc" }));
  assert.ok(!malformed);
  assert.deepEqual(packets, [
    { type: "receiver_report", senderSsrc: SENDER, reports: [] },
    { type: "bye", ssrcs: [SENDER] },
  ]);
});

Deno.test("ntpTime: counts from 1900 and wraps in 2036", () => {
  assert.deepEqual(ntpTime(0), { seconds: 2_208_988_800, fraction: 0 });
  assert.deepEqual(ntpTime(250.5), { seconds: 2_208_988_800, fraction: 0.2505 * 2 ** 32 >>> 0 });
  assert.deepEqual(ntpTime(Date.UTC(2036, 1, 7, 6, 28, 16)), { seconds: 0, fraction: 0 });
});

Deno.test("compactNtp: is the middle of the NTP time", () => {
  const wallMs = Date.UTC(2026, 10, 5, 12, 34, 56, 789);
  const { seconds, fraction } = ntpTime(wallMs);
  assert.equal(compactNtp(wallMs), (seconds % 65_536) * 65_536 + Math.floor(fraction / 65_536));
});

Deno.test("roundTripMs: arrival less sending less the receiver's own delay", () => {
  const wallMs = Date.UTC(2026, 10, 5);
  const reportOf = (delayMs: number) => ({
    lastSenderReport: compactNtp(wallMs),
    delaySinceLastSenderReport: Math.round(delayMs * 65.536),
  });
  const measured = roundTripMs(reportOf(500), wallMs + 580);
  assert.ok(measured !== undefined && Math.abs(measured - 80) < 0.1, `measured ${measured}`);
  assert.equal(roundTripMs(reportOf(500), wallMs + 499), 0);
  assert.equal(
    roundTripMs({ lastSenderReport: 0, delaySinceLastSenderReport: 0 }, wallMs),
    undefined,
  );
});

Deno.test("roundTripMs: survives the wrap of the compact time, every 18 hours", () => {
  // The compact time is 0 where the NTP seconds divide by 65536.
  const seconds = ntpTime(Date.UTC(2026, 10, 5)).seconds;
  const wrapMs = Date.UTC(2026, 10, 5) + (65_536 - seconds % 65_536) * 1000;
  assert.equal(compactNtp(wrapMs), 0);
  const report = {
    lastSenderReport: compactNtp(wrapMs - 1000),
    delaySinceLastSenderReport: 65_536,
  };
  assert.equal(roundTripMs(report, wrapMs + 250), 250);
});
