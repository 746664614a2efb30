import assert from "assert";
import { PathRate } from "../../src/rate/path_rate.ts";
import { parseTransportFeedback } from "../../src/rate/transport_feedback.ts";
import type { Random } from "../support/random.ts";
import { fuzz } from "./harness.ts";

const LIMITS = { floorKbps: 150, ceilingKbps: 2_500 } as const;
/** Sources, base number, count, reference time and the one chunk. */
const HEAD_BYTES = 18;

/** A stream that goes on while its viewer reports nonsense. */
interface Streamed {
  readonly rate: PathRate;
  nowMs: number;
  /** The number of the last packet. */
  last: number;
}

/** A well-formed report of packets about the last one that was sent, at any time. */
function hostileReport(random: Random, { last }: Streamed): Uint8Array<ArrayBuffer> {
  const status = random.pick([0, 1, 1, 2]);
  // What came costs one byte or two; what did not, none.
  const count = random.pick(status === 0 ? [1, 14, 8_191] : [1, 2, 7, 14, 100]);
  const bytes = new Uint8Array(HEAD_BYTES + status * count);
  bytes.set(random.bytes(status * count), HEAD_BYTES);
  const view = new DataView(bytes.buffer);
  const first = random.oneIn(4) ? random.below(0x1_0000) : last - random.below(2 * count);
  view.setUint16(8, first & 0xffff);
  view.setUint16(10, count);
  view.setUint32(12, random.oneIn(3) ? random.uint32() : random.below(1_000));
  view.setUint16(16, (status << 13) | count);
  return bytes;
}

fuzz("PathRate: hostile transport-wide reports keep its figures sound, at a bounded cost", {
  seed: 5,
  open: (): Streamed => ({
    rate: new PathRate({ limits: () => LIMITS, nowMs: 0 }),
    nowMs: 0,
    last: 0,
  }),
  feed(state, random) {
    const { rate } = state;
    state.nowMs += random.pick([0, 1, 5, 33, 300]);
    if (random.oneIn(500)) rate.moved();
    for (let packets = random.below(8); packets > 0; packets--) {
      state.last = rate.sent(random.pick([0, 100, 1_160]), state.nowMs);
    }
    const isFull = rate.isFull(state.nowMs);
    const bytes = hostileReport(random, state);
    const feedback = parseTransportFeedback(new DataView(bytes.buffer)) ?? assert.fail("malformed");
    rate.report(feedback, state.nowMs);
    const { targetKbps, queueMs } = rate.view;
    assert.ok(targetKbps >= LIMITS.floorKbps && targetKbps <= LIMITS.ceilingKbps, `${targetKbps}`);
    assert.ok(queueMs === undefined || (queueMs >= 0 && queueMs <= state.nowMs + 100));
    if (isFull) return "full";
    if (queueMs === undefined) return "unknown";
    if (queueMs > 60) return "queue";
    return targetKbps === LIMITS.floorKbps ? "floor" : "free";
  },
  reaches: ["full", "unknown", "floor", "queue", "free"],
});
