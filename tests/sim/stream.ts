import type { RateLimits } from "../../src/rate/rate_controller.ts";
import { PathRate } from "../../src/rate/path_rate.ts";
import type { PacketArrival, TransportFeedback } from "../../src/rate/transport_feedback.ts";
import type { SharedPaths } from "../../src/rate/shared_paths.ts";
import { Random } from "../support/random.ts";
import type { SimulatedLink } from "./link.ts";

const PACKET_BYTES = 1160;
const HEADER_BYTES = 40;
const SOUND_BYTES = 160;
const SOUND_INTERVAL_MS = 20;
/** Browsers report about so often. */
const REPORT_INTERVAL_MS = 100;
/** A keyframe is as many times as large as another frame, while the encoder's rate buffer has room. */
const KEYFRAME_FACTOR = 6;
/** Where packets are sent twice, the second copy leaves so much later. */
const REPEAT_AFTER_MS = 8;
const RATE_BUFFER_S = 0.5;

/** A viewer's stream over a link. */
export interface StreamOptions {
  readonly link: Pick<SimulatedLink, "send">;
  readonly seed: number;
  readonly limits: RateLimits;
  readonly fps?: number;
  /** From the viewer back. Default 20. */
  readonly returnMs?: number;
  /** What the content needs at most, in kbit/s, whatever the target is. */
  readonly contentKbps?: (nowMs: number) => number;
  /** The viewer's clock runs so much faster, in parts per million. */
  readonly driftPpm?: number;
  /** Moments at which a keyframe is asked for. */
  readonly keyframesAtMs?: readonly number[];
  readonly startMs?: number;
  /** When the viewer is gone. Default: never. */
  readonly endMs?: number;
  /** Finds the streams that share a link. Default: none does. */
  readonly shared?: SharedPaths;
}

/** One picture of a simulated stream. */
export interface SimulatedFrame {
  readonly atMs: number;
  readonly keyframe: boolean;
  /** From sending to the last packet's arrival; `undefined` when the picture was left out, infinite when one got lost. */
  readonly latencyMs: number | undefined;
  readonly bytes: number;
}

/** The state of a stream at a moment. */
export interface Sample {
  readonly atMs: number;
  readonly targetKbps: number;
  readonly queueMs: number;
}

/** An encoder, {@link PathRate} and a browser's reports on a {@link SimulatedLink}, all in virtual time. */
export class SimulatedStream {
  readonly frames: SimulatedFrame[] = [];
  readonly samples: Sample[] = [];
  readonly #options: StreamOptions;
  readonly #random: Random;
  readonly #rate: PathRate;
  readonly #startMs: number;
  /** By sequence number; arrival by the viewer's clock. */
  #arrivals: { readonly number: number; readonly atMs: number | undefined }[] = [];
  #reported = 0;
  #repeats: { readonly number: number; readonly bytes: number; readonly dueMs: number }[] = [];
  #reports: { readonly atMs: number; readonly arrivals: PacketArrival[] }[] = [];
  #nextFrameMs: number;
  #nextSoundMs: number;
  #nextReportMs: number;
  #keyframeWanted = true;
  #keyframesAtMs: number[];

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#startMs = options.startMs ?? 0;
    const { limits, shared } = options;
    this.#rate = new PathRate({
      limits: () => limits,
      nowMs: this.#startMs,
      expectsReports: true,
      ...(shared === undefined ? {} : { shared }),
    });
    this.#nextFrameMs = this.#nextSoundMs = this.#startMs;
    this.#nextReportMs = this.#startMs + REPORT_INTERVAL_MS;
    this.#keyframesAtMs = [...options.keyframesAtMs ?? []];
  }

  /** Does what is due by now. Called each millisecond. */
  step(nowMs: number): void {
    if (nowMs < this.#startMs) return;
    if (nowMs >= (this.#options.endMs ?? Number.POSITIVE_INFINITY)) return this.#rate.close();
    this.#takeReports(nowMs);
    this.#repeat(nowMs);
    if (nowMs >= this.#nextReportMs) this.#sendReport(nowMs);
    if (nowMs >= this.#nextSoundMs) {
      this.#nextSoundMs += SOUND_INTERVAL_MS;
      this.#send(SOUND_BYTES, { videoBytes: 0, nowMs });
    }
    if (nowMs >= this.#nextFrameMs) {
      this.#nextFrameMs += 1000 / (this.#options.fps ?? 30);
      this.#sendFrame(nowMs);
    }
  }

  /** How many streams are known to share its link. */
  get viewers(): number {
    return this.#rate.view.pathViewers;
  }

  #sendFrame(nowMs: number): void {
    const { fps = 30, contentKbps } = this.#options;
    const { targetKbps, queueMs = 0 } = this.#rate.view;
    this.samples.push({ atMs: nowMs, targetKbps, queueMs });
    if ((this.#keyframesAtMs[0] ?? Number.POSITIVE_INFINITY) <= nowMs) {
      this.#keyframesAtMs.shift();
      this.#keyframeWanted = true;
    }
    if (this.#rate.isFull(nowMs)) {
      this.frames.push({ atMs: nowMs, keyframe: false, latencyMs: undefined, bytes: 0 });
      return;
    }
    const keyframe = this.#keyframeWanted;
    this.#keyframeWanted = false;
    const kbps = Math.min(targetKbps, contentKbps?.(nowMs) ?? Number.POSITIVE_INFINITY);
    const share = keyframe
      ? Math.min(KEYFRAME_FACTOR, RATE_BUFFER_S * fps)
      : 0.7 + this.#random.below(600) / 1000;
    const bytes = Math.max(100, Math.round((kbps * 125 / fps) * share));
    let last = nowMs;
    for (let left = bytes; left > 0; left -= PACKET_BYTES) {
      const videoBytes = Math.min(left, PACKET_BYTES);
      const arrival = this.#send(videoBytes + HEADER_BYTES, { videoBytes, nowMs });
      last = Math.max(last, arrival ?? Number.POSITIVE_INFINITY);
    }
    this.frames.push({ atMs: nowMs, keyframe, latencyMs: last - nowMs, bytes });
  }

  #send(
    bytes: number,
    { videoBytes, nowMs }: { videoBytes: number; nowMs: number },
  ): number | undefined {
    const number = this.#rate.sent(videoBytes, nowMs);
    const arrival = this.#options.link.send(bytes, nowMs);
    this.#arrivals.push({ number, atMs: arrival });
    if (this.#rate.isRepeating) {
      this.#repeats.push({ number, bytes, dueMs: nowMs + REPEAT_AFTER_MS });
    }
    return arrival;
  }

  /** Sends the second copies that are due. */
  #repeat(nowMs: number): void {
    while ((this.#repeats[0]?.dueMs ?? Number.POSITIVE_INFINITY) <= nowMs) {
      const { number, bytes } = this.#repeats.shift() ?? { number: 0, bytes: 0 };
      const atMs = this.#options.link.send(bytes, nowMs);
      const packet = this.#arrivals[number];
      if (packet !== undefined && packet.atMs === undefined) {
        this.#arrivals[number] = { number, atMs };
      }
    }
  }

  #sendReport(nowMs: number): void {
    this.#nextReportMs += REPORT_INTERVAL_MS;
    const { returnMs = 20, driftPpm = 0 } = this.#options;
    const newest = this.#arrivals.findLastIndex(({ atMs }) => atMs !== undefined && atMs <= nowMs);
    if (newest < this.#reported) return;
    const arrivals = this.#arrivals.slice(this.#reported, newest + 1).map(({ number, atMs }) => ({
      sequenceNumber: number,
      receivedAtUs: atMs === undefined
        ? undefined
        : Math.round((5_000_000 + atMs * (1 + driftPpm / 1e6)) * 4) * 250,
    }));
    this.#reports.push({ atMs: nowMs + returnMs, arrivals });
    this.#reported = newest + 1;
  }

  #takeReports(nowMs: number): void {
    while ((this.#reports[0]?.atMs ?? Number.POSITIVE_INFINITY) <= nowMs) {
      const { arrivals } = this.#reports.shift() ?? { arrivals: [] };
      this.#rate.report(feedbackOf(arrivals), nowMs);
    }
  }
}

/** A transport-wide report of these packets. */
export function feedbackOf(arrivals: readonly PacketArrival[]): TransportFeedback {
  return { type: "transport_feedback", senderSsrc: 1, mediaSsrc: 2, feedbackCount: 0, arrivals };
}

/** Runs streams, which may share links, for so long. */
export function run(streams: readonly SimulatedStream[], untilMs: number): void {
  for (let nowMs = 0; nowMs < untilMs; nowMs++) {
    for (const stream of streams) stream.step(nowMs);
  }
}
