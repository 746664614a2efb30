import assert from "assert";
import { type ArrivedPacket, QueueGrowth, type SuddenQueue } from "../../src/rate/queue_growth.ts";

const PICTURE_MS = 33;
const PACKETS = 8;
const BYTES = 1_160;
const KBPS = 8 * PACKETS * BYTES / PICTURE_MS;
const EMPTY_MS = 20;

/** Pictures of eight packets on a path, reported in threes. */
class Path {
  readonly growth = new QueueGrowth();
  #atMs = 0;
  #freeAtMs = 0;

  /** @returns What was found in each report. */
  pass(
    reports: number,
    { capacityKbps, packets = PACKETS, stallMs = 0 }: {
      capacityKbps: number;
      packets?: number;
      stallMs?: number;
    },
  ): (SuddenQueue | undefined)[] {
    this.#freeAtMs = Math.max(this.#freeAtMs, this.#atMs + stallMs);
    return Array.from({ length: reports }, () => {
      const pictures = Array.from({ length: 3 }, () => this.#send(packets, capacityKbps));
      return this.growth.read(pictures.flat(), { emptyMs: EMPTY_MS, sentKbps: KBPS });
    });
  }

  #send(packets: number, capacityKbps: number): ArrivedPacket[] {
    const sentAtMs = this.#atMs;
    this.#atMs += PICTURE_MS;
    return Array.from({ length: packets }, () => {
      this.#freeAtMs = Math.max(this.#freeAtMs, sentAtMs) + 8 * BYTES / capacityKbps;
      return { sentAtMs, receivedAtMs: this.#freeAtMs + EMPTY_MS, videoBytes: BYTES };
    });
  }
}

const none = (found: (SuddenQueue | undefined)[]) =>
  assert.ok(found.every((each) => each === undefined));

Deno.test("QueueGrowth: a path that carries half of what is sent shows in one report, with its capacity", () => {
  const path = new Path();
  none(path.pass(20, { capacityKbps: 4 * KBPS }));
  const [found] = path.pass(1, { capacityKbps: KBPS / 2 });
  assert.ok(found !== undefined);
  assert.ok(Math.abs(found.deliveredKbps - KBPS / 2) < 0.02 * KBPS, `${found.deliveredKbps}`);
  assert.ok(found.delayMs > EMPTY_MS + 2 * PICTURE_MS, `${found.delayMs}`);
});

Deno.test("QueueGrowth: a path that carries nine tenths is left to the standing queue", () => {
  const path = new Path();
  none(path.pass(20, { capacityKbps: 4 * KBPS }));
  none(path.pass(10, { capacityKbps: 0.9 * KBPS }));
});

Deno.test("QueueGrowth: a picture six times as large passes at the usual capacity and is none", () => {
  const path = new Path();
  none(path.pass(20, { capacityKbps: 1.1 * KBPS }));
  none(path.pass(1, { capacityKbps: 1.1 * KBPS, packets: 6 * PACKETS }));
});

Deno.test("QueueGrowth: pictures that waited for a pause of the path arrive at once and are none", () => {
  const path = new Path();
  none(path.pass(20, { capacityKbps: 4 * KBPS }));
  none(path.pass(10, { capacityKbps: 4 * KBPS, stallMs: 250 }));
});

Deno.test("QueueGrowth: delays that were usual before are none", () => {
  const path = new Path();
  assert.ok(path.pass(10, { capacityKbps: KBPS / 2 }).some((each) => each !== undefined));
  path.pass(10, { capacityKbps: 4 * KBPS });
  none(path.pass(1, { capacityKbps: KBPS / 2 }));
});
