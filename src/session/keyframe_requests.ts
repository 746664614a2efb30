import type { Clock } from "../base/clock.ts";
import { TokenBucket } from "../base/token_bucket.ts";
import type { VideoSink } from "../transport/peer_transport.ts";
import { KEYFRAME_ALLOWANCE } from "./keyframe_allowance.ts";
import type { KeyframeRequestReason, SessionMeter } from "./metrics.ts";
import type { VideoBranch } from "./video_branch.ts";

/** What a viewer asked for of late. */
interface Asker {
  /** By feedback. */
  readonly feedback: TokenBucket;
  /** By going to another address. A viewer with two could go to and fro all the time. */
  readonly moves: TokenBucket;
  /** A request that was put off. */
  owed: { readonly reason: KeyframeRequestReason; readonly atMs: number } | undefined;
}

/** What a request concerns. */
interface Request {
  readonly sink: VideoSink;
  readonly branch: VideoBranch;
  readonly reason: KeyframeRequestReason;
}

/**
 * Passes viewers' requests for keyframes on to their encoder. One that several viewers share makes a keyframe for all of
 * them, so each viewer has an allowance there; what is beyond it is put off, and falls away when another's keyframe
 * comes first.
 */
export class KeyframeRequests {
  readonly #clock: Clock;
  readonly #meter: SessionMeter;
  readonly #askers = new Map<VideoSink, Asker>();

  constructor({ clock, meter }: { clock: Clock; meter: SessionMeter }) {
    this.#clock = clock;
    this.#meter = meter;
  }

  /** A viewer asks. */
  add(request: Request): void {
    const { sink, branch, reason } = request;
    const asker = this.#askers.get(sink) ??
      {
        feedback: new TokenBucket(KEYFRAME_ALLOWANCE),
        moves: new TokenBucket(KEYFRAME_ALLOWANCE),
        owed: undefined,
      };
    this.#askers.set(sink, asker);
    if (this.#mayAsk(asker, request)) return branch.requestKeyframe(reason);
    asker.owed ??= { reason, atMs: this.#clock.now() };
    this.#meter.count("keyframes_suppressed_total", { reason });
  }

  /** Passes on what was put off and is due by now. Cheap: called for each picture. */
  settle(branchOf: (sink: VideoSink) => VideoBranch): void {
    for (const [sink, asker] of this.#askers) {
      if (asker.owed === undefined) continue;
      const { reason, atMs } = asker.owed;
      const branch = branchOf(sink);
      const isSettled = branch.lastKeyframeMs > atMs;
      if (!isSettled && !this.#mayAsk(asker, { sink, branch, reason })) continue;
      asker.owed = undefined;
      if (!isSettled) branch.requestKeyframe(reason);
    }
  }

  /** A viewer has left. */
  forget(sink: VideoSink): void {
    this.#askers.delete(sink);
  }

  #mayAsk(asker: Asker, { branch, reason }: Request): boolean {
    // One that is about to come anyway costs nothing, and one that nobody else is sent costs nobody else.
    if (branch.isKeyframeWanted || branch.size <= 1) return true;
    switch (reason) {
      case "pli":
      case "fir":
      case "nack":
        return asker.feedback.take(this.#clock.now());
      case "moved":
      case "resumed":
        return asker.moves.take(this.#clock.now());
    }
  }
}
