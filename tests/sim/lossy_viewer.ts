import type { CancelTimer, Clock } from "../../src/base/clock.ts";
import { extendSequenceNumber } from "../../src/base/sequence_numbers.ts";
import { PathRate } from "../../src/rate/path_rate.ts";
import type { RateLimits } from "../../src/rate/rate_controller.ts";
import { RtpStream } from "../../src/transport/rtp/rtp_stream.ts";
import { Random } from "../support/random.ts";
import type { SimulatedLink } from "./link.ts";
import { feedbackOf } from "./stream.ts";

const FRAME_MS = 1000 / 30;
const PAYLOAD_BYTES = 1_160;
const HEADER_BYTES = 20;
const REPORT_MS = 100;
const KEYFRAME_FACTOR = 4;
/** As libwebrtc asks for what is missing: at once, then after a round trip, which it takes for 100 ms at least. */
const NACK = { checkMs: 20, roundTripMsMin: 100, triesMax: 10 } as const;
/** A viewer that has waited so long for a picture asks for a keyframe. */
const PATIENCE_MS = 3_000;
const KEYFRAME_REQUEST_MS = 300;
/** A screen shows at most one picture in this time. */
const REFRESH_MS = 1000 / 60;

/** A clock whose timers fire when {@link SimulatedClock.to} reaches them, at once. */
class SimulatedClock implements Clock {
  #nowMs = 0;
  #timers: { readonly dueMs: number; readonly fire: () => void }[] = [];

  now(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, fire: () => void): CancelTimer {
    const timer = { dueMs: this.#nowMs + delayMs, fire };
    this.#timers.push(timer);
    return () => void (this.#timers = this.#timers.filter((each) => each !== timer));
  }

  to(nowMs: number): void {
    this.#nowMs = nowMs;
    const due = this.#timers.filter(({ dueMs }) => dueMs <= nowMs);
    this.#timers = this.#timers.filter(({ dueMs }) => dueMs > nowMs);
    for (const { fire } of due) fire();
  }
}

interface Picture {
  readonly keyframe: boolean;
  readonly bytes: number;
  readonly atMs: number;
  missing: number;
}

/** A packet by its place in the stream. */
interface Packet {
  readonly picture: number;
  readonly number: number;
  arrived: boolean;
}

/**
 * A real {@link RtpStream} and {@link PathRate} to a browser on a link that loses packets. The browser asks for what is
 * missing once it sees a gap, shows a picture as soon as all of it and of the ones before is there, and asks for a
 * keyframe when it gives up. What it says is not lost.
 */
export class LossyViewer {
  readonly pictures: Picture[] = [];
  /** When a picture was shown. */
  readonly shownMs: number[] = [];
  wireBytes = 0;
  keyframeRequests = 0;
  readonly #clock = new SimulatedClock();
  readonly #random: Random;
  readonly #link: SimulatedLink;
  readonly #returnMs: number;
  readonly #roundTripMs: number;
  readonly #rate: PathRate;
  readonly #stream: RtpStream;
  /** By index from the first. */
  readonly #packets: Packet[] = [];
  #firstSequenceNumber: number | undefined;
  #arrivals: { readonly index: number; readonly atMs: number }[] = [];
  #toServer: { readonly atMs: number; readonly act: () => void }[] = [];
  /** What the browser misses: when it asked last, and how often. */
  readonly #missing = new Map<number, { askedMs: number; tries: number }>();
  #newest = -1;
  #reportedNumber = 0;
  readonly #receivedMs = new Map<number, number>();
  #newestNumber = -1;
  #nextShown = 0;
  #waitsSinceMs = 0;
  #askedKeyframeMs = Number.NEGATIVE_INFINITY;
  #keyframeWanted = true;
  #lastKeyframeMs = Number.NEGATIVE_INFINITY;
  #nextFrameMs = 0;

  constructor({ link, seed, limits, delayMs }: {
    link: SimulatedLink;
    seed: number;
    limits: RateLimits;
    /** One way, in both directions. */
    delayMs: number;
  }) {
    this.#link = link;
    this.#returnMs = delayMs;
    this.#roundTripMs = Math.max(NACK.roundTripMsMin, 2 * delayMs);
    this.#random = new Random(seed);
    this.#rate = new PathRate({ limits: () => limits, nowMs: 0, expectsReports: true });
    let number = 0;
    this.#stream = new RtpStream({
      payloadType: 96,
      clockRate: 90_000,
      clock: this.#clock,
      send: (packet) => this.#carry(packet),
      repetition: this.#rate,
      sent: (bytes) => {
        number = this.#rate.sent(bytes, this.#clock.now());
        this.#packets.push({ picture: this.pictures.length - 1, number, arrived: false });
        return number;
      },
    });
    this.#stream.start({
      protect({ headerBytes, payload }, target) {
        target.set(payload, headerBytes);
        return headerBytes + payload.length;
      },
    });
  }

  get targetKbps(): number {
    return this.#rate.view.targetKbps;
  }

  run(untilMs: number): void {
    for (let nowMs = 0; nowMs < untilMs; nowMs++) {
      this.#clock.to(nowMs);
      const due = this.#toServer.filter(({ atMs }) => atMs <= nowMs);
      this.#toServer = this.#toServer.filter(({ atMs }) => atMs > nowMs);
      for (const { act } of due) act();
      if (nowMs >= this.#nextFrameMs) this.#sendPicture(nowMs);
      this.#receive(nowMs);
      if (nowMs % NACK.checkMs === 0) this.#askAgain(nowMs);
      if (nowMs % REPORT_MS === 0) this.#report(nowMs);
    }
  }

  #sendPicture(nowMs: number): void {
    this.#nextFrameMs += FRAME_MS;
    if (this.#rate.isFull(nowMs)) return;
    const keyframe = this.#keyframeWanted && nowMs - this.#lastKeyframeMs >= KEYFRAME_REQUEST_MS;
    if (keyframe) {
      this.#keyframeWanted = false;
      this.#lastKeyframeMs = nowMs;
    }
    const share = keyframe ? KEYFRAME_FACTOR : 0.7 + this.#random.below(600) / 1000;
    const bytes = Math.max(100, Math.round(this.targetKbps * FRAME_MS / 8 * share));
    const payloads: Uint8Array[] = [];
    for (let left = bytes; left > 0; left -= PAYLOAD_BYTES) {
      payloads.push(new Uint8Array(Math.min(left, PAYLOAD_BYTES)));
    }
    this.pictures.push({ keyframe, bytes, atMs: nowMs, missing: payloads.length });
    this.#stream.send({ payloads, timestampUs: nowMs * 1000, marker: true, keyframe });
  }

  #carry(packet: Uint8Array): void {
    const view = new DataView(packet.buffer, packet.byteOffset);
    const sequenceNumber = view.getUint16(2);
    this.#firstSequenceNumber ??= sequenceNumber;
    const last = this.#firstSequenceNumber + this.#packets.length - 1;
    const index = extendSequenceNumber(sequenceNumber, last) - this.#firstSequenceNumber;
    const bytes = packet.length + HEADER_BYTES;
    this.wireBytes += bytes;
    const atMs = this.#link.send(bytes, this.#clock.now());
    if (atMs !== undefined) this.#arrivals.push({ index, atMs });
  }

  #receive(nowMs: number): void {
    while ((this.#arrivals[0]?.atMs ?? Number.POSITIVE_INFINITY) <= nowMs) {
      const { index, atMs } = this.#arrivals.shift() ?? { index: 0, atMs: 0 };
      const packet = this.#packets[index];
      if (packet === undefined || packet.arrived) continue;
      packet.arrived = true;
      this.#receivedMs.set(packet.number, atMs);
      this.#newestNumber = Math.max(this.#newestNumber, packet.number);
      this.#missing.delete(index);
      const picture = this.pictures[packet.picture];
      if (picture !== undefined) picture.missing--;
      for (let at = this.#newest + 1; at < index; at++) {
        this.#missing.set(at, { askedMs: nowMs, tries: 1 });
      }
      if (index > this.#newest + 1) this.#ask(range(this.#newest + 1, index), nowMs);
      this.#newest = Math.max(this.#newest, index);
    }
    this.#show(nowMs);
  }

  #show(nowMs: number): void {
    const keyframe = this.pictures.findLastIndex(({ keyframe, missing }, at) =>
      at > this.#nextShown && keyframe && missing === 0
    );
    if (keyframe > this.#nextShown) {
      this.#nextShown = keyframe;
      const first = this.#packets.findIndex(({ picture }) => picture === keyframe);
      for (const index of this.#missing.keys()) if (index < first) this.#missing.delete(index);
    }
    let shown = false;
    while (this.pictures[this.#nextShown]?.missing === 0) {
      this.#nextShown++;
      shown = true;
    }
    if (shown) {
      this.#waitsSinceMs = nowMs;
      if (nowMs - (this.shownMs.at(-1) ?? -REFRESH_MS) >= REFRESH_MS) this.shownMs.push(nowMs);
    } else if (nowMs - this.#waitsSinceMs > PATIENCE_MS) this.#askKeyframe(nowMs);
  }

  #askAgain(nowMs: number): void {
    const due: number[] = [];
    for (const [index, asked] of this.#missing) {
      if (nowMs - asked.askedMs < this.#roundTripMs) continue;
      if (asked.tries >= NACK.triesMax) {
        this.#missing.delete(index);
        this.#askKeyframe(nowMs);
        continue;
      }
      asked.askedMs = nowMs;
      asked.tries++;
      due.push(index);
    }
    if (due.length > 0) this.#ask(due, nowMs);
  }

  #ask(indexes: readonly number[], nowMs: number): void {
    const first = this.#firstSequenceNumber ?? 0;
    const atMs = nowMs + this.#returnMs;
    const numbers = indexes.map((index) => (first + index) & 0xffff);
    this.#toServer.push({
      atMs,
      act: () => {
        if (this.#stream.resend(numbers).isTooLate) this.#keyframeWanted = true;
      },
    });
  }

  #askKeyframe(nowMs: number): void {
    if (nowMs - this.#askedKeyframeMs < KEYFRAME_REQUEST_MS) return;
    this.#askedKeyframeMs = nowMs;
    this.keyframeRequests++;
    this.#toServer.push({
      atMs: nowMs + this.#returnMs,
      act: () => void (this.#keyframeWanted = true),
    });
  }

  #report(nowMs: number): void {
    if (this.#newestNumber < this.#reportedNumber) return;
    const arrivals = range(this.#reportedNumber, this.#newestNumber + 1).map((number) => {
      const atMs = this.#receivedMs.get(number);
      return {
        sequenceNumber: number & 0xffff,
        receivedAtUs: atMs === undefined ? undefined : Math.round((5_000_000 + atMs) * 4) * 250,
      };
    });
    this.#reportedNumber = this.#newestNumber + 1;
    const atMs = nowMs + this.#returnMs;
    this.#toServer.push({
      atMs,
      act: () => this.#rate.report(feedbackOf(arrivals), this.#clock.now()),
    });
  }
}

/** Whole numbers from `from` to `to` − 1. */
function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, at) => from + at);
}
