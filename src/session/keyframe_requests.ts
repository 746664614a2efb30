import type { Clock } from "../base/clock.ts";
import { TokenBucket } from "../base/token_bucket.ts";
import type { VideoSink } from "../transport/peer_transport.ts";
import { KEYFRAME_ALLOWANCE } from "./audience.ts";
import type { KeyframeRequestReason, SessionMeter } from "./metrics.ts";
import type { VideoBranch } from "./video_branch.ts";

/** Recent requests of one viewer. */
interface Asker {
  /** Requests by RTCP feedback. */
  readonly feedback: TokenBucket;
  /** Requests by a change of address. A viewer with two addresses could switch continuously. */
  readonly moves: TokenBucket;
  /** A delayed request. */
  owed: { readonly reason: KeyframeRequestReason; readonly atMs: number } | undefined;
}

interface Request {
  readonly sink: VideoSink;
  readonly branch: VideoBranch;
  readonly reason: KeyframeRequestReason;
}

/**
 * Passes viewers' keyframe requests on to their encoder. On a shared encoder each keyframe goes to all viewers, so
 * each viewer has an allowance; requests beyond it are delayed, and dropped if another keyframe comes first.
 */
export class KeyframeRequests {
  readonly #clock: Clock;
  readonly #meter: SessionMeter;
  readonly #askers = new Map<VideoSink, Asker>();

  constructor({ clock, meter }: { clock: Clock; meter: SessionMeter }) {
    this.#clock = clock;
    this.#meter = meter;
  }

  /** Handles a viewer's request. */
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

  /** Passes on delayed requests that are due. Cheap: called for each picture. */
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

  /** Forgets a viewer that has left. */
  forget(sink: VideoSink): void {
    this.#askers.delete(sink);
  }

  #mayAsk(asker: Asker, { branch, reason }: Request): boolean {
    // A keyframe that is already due costs nothing, and with a single viewer it costs no other viewer.
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
