import { randomBytes } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import type { Meter } from "../base/meter.ts";
import type { Lease } from "../ports/leases.ts";
import type { Peer } from "../transport/peer_transport.ts";
import {
  type AnnouncedCandidate,
  ViewerError,
  type ViewerErrorCode,
  type ViewerHandle,
  type ViewerListener,
  type ViewerState,
} from "./door.ts";
import {
  advanceViewer,
  type EndReason,
  newViewerStatus,
  reclaimableInMs,
  shownState,
  type ViewerDeadlines,
  type ViewerEvent,
  type ViewerStatus,
} from "./viewer_state.ts";

/** What a viewer is made of. */
export interface ViewerOptions {
  readonly sessionId: string;
  readonly peer: Peer;
  readonly lease: Lease;
  readonly listener: ViewerListener;
  readonly deadlines: ViewerDeadlines;
  readonly clock: Clock;
  readonly meter: Meter;
  readonly log: Logger;
  /** Text for the renderer. */
  readonly onMessage: (data: string) => void;
  /** The viewer is over; its place is free again. Called once. */
  readonly onEnded: (viewer: Viewer) => void;
}

/** What a viewer is told when it did not end by itself. */
const END_ERRORS: Readonly<Partial<Record<EndReason, readonly [ViewerErrorCode, string]>>> = {
  renderer_failed: ["renderer_failed", "The renderer failed"],
  encoder_failed: ["internal", "The video encoder failed"],
  shutting_down: ["shutting_down", "The server is shutting down"],
};

/** One viewer of a session: ties its connection, its lease and its signalling together. */
export class Viewer implements ViewerHandle {
  /** 144 random bits. */
  readonly id: string = randomBytes(18).toString("base64url");
  readonly sessionId: string;
  readonly peer: Peer;
  readonly port: number;
  readonly #options: ViewerOptions;
  #listener: ViewerListener | undefined;
  #status: ViewerStatus;

  constructor(options: ViewerOptions) {
    this.#options = options;
    this.sessionId = options.sessionId;
    this.peer = options.peer;
    this.port = options.lease.port;
    this.#listener = options.listener;
    this.#status = newViewerStatus(options.clock.now());
  }

  get answerSdp(): string {
    return this.peer.answerSdp;
  }

  get candidate(): AnnouncedCandidate {
    return this.peer.candidate;
  }

  get state(): ViewerState {
    return shownState(this.#status);
  }

  /** Milliseconds since the viewer joined. */
  get ageMs(): number {
    return this.#options.clock.now() - this.#status.joinedAtMs;
  }

  /** How long until somebody else may have this viewer's place, in milliseconds; `undefined` while it is attached. */
  get reclaimableInMs(): number | undefined {
    const heardAtMs = Math.max(this.#status.heardAtMs, this.peer.heardAtMs);
    return reclaimableInMs({ ...this.#status, heardAtMs }, this.#options.clock.now());
  }

  message(data: string): void {
    if (this.#status.phase !== "ended") this.#options.onMessage(data);
  }

  bye(): void {
    this.end("bye");
  }

  detach(): void {
    this.#listener = undefined;
    this.#advance({ type: "detached" });
  }

  /** Hands the viewer to another signalling connection. */
  attach(listener: ViewerListener): void {
    this.#listener = listener;
    this.#advance({ type: "attached" });
  }

  /** The renderer says something. */
  tell(data: string): void {
    this.#listener?.message(data);
  }

  /** DTLS is done. */
  secured(): void {
    this.#advance({ type: "secured" });
  }

  /** Checks the deadlines. */
  tick(): void {
    this.#advance({ type: "tick", heardAtMs: this.peer.heardAtMs });
  }

  /** Gives the place up if nobody seems to need it any more. */
  yieldPlace(): void {
    this.#advance({ type: "place_wanted", heardAtMs: this.peer.heardAtMs });
  }

  /** Ends the viewer at once. Idempotent. */
  end(reason: EndReason): void {
    this.#advance({ type: "ended", reason });
  }

  #advance(event: ViewerEvent): void {
    const { clock, deadlines } = this.#options;
    const before = this.#status;
    this.#status = advanceViewer(before, event, { nowMs: clock.now(), deadlines });
    if (this.#status.phase === before.phase) return;
    this.#listener?.state(this.state);
    if (this.#status.phase === "ended") this.#release(this.#status.endReason ?? "bye");
  }

  #release(reason: EndReason): void {
    const { meter, log, lease, onEnded } = this.#options;
    this.peer.close();
    lease.release();
    meter.count("viewers_ended_total", { reason });
    log.info("viewer_ended", { port: this.port, reason, age_ms: Math.round(this.ageMs) });
    const error = END_ERRORS[reason];
    this.#listener?.ended(error === undefined ? undefined : new ViewerError(...error));
    this.#listener = undefined;
    onEnded(this);
  }
}
