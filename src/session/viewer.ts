import type { EndReason } from "../base/codes.ts";
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import { guarded } from "../base/guard.ts";
import type { Live } from "../base/live.ts";
import type { Logger } from "../base/log.ts";
import { Tally } from "../base/tally.ts";
import type { VideoCodec } from "../media/encoder.ts";
import type { MessageRefusal } from "../media/frame.ts";
import type { Lease } from "../ports/leases.ts";
import type { Peer, PeerListener, PeerMessage } from "../transport/peer_transport.ts";
import { Attachment } from "./attachment.ts";
import {
  type ViewerControl,
  ViewerError,
  type ViewerHandle,
  type ViewerListener,
  type ViewerNotice,
  type ViewerState,
} from "./session_api.ts";
import { joinRefusal } from "./join_refusal.ts";
import type { JoinRecord } from "./join_record.ts";
import { MessageBudget } from "./message_budget.ts";
import type { KeyframeRequestReason, SessionMeter } from "./metrics.ts";
import {
  advanceViewer,
  DROP_WORDS,
  END_ERRORS,
  newViewerStatus,
  reclaimableInMs,
  shownState,
  type ViewerDeadlines,
  type ViewerEvent,
  type ViewerStatus,
} from "./viewer_state.ts";

/** The part of a session that its viewers use. */
export interface ViewerSession {
  readonly id: string;
  /** The connection is ready for frames. */
  start(viewer: Viewer): void;
  /** A further offer was answered; `former` is the codec before. */
  follow(viewer: Viewer, former: VideoCodec): void;
  requestKeyframe(viewer: Viewer, reason: KeyframeRequestReason): void;
  /** Passes a message to the renderer. @returns Why it was dropped; `undefined` if it was not. */
  message(data: PeerMessage): MessageRefusal | "not_taken" | undefined;
}

export interface ViewerOptions {
  readonly session: ViewerSession;
  /** Creates the viewer's connection, which calls the listener from then on, and answers the offer. */
  readonly connect: (listener: PeerListener) => Peer;
  /** Record of its join so far. */
  readonly record: JoinRecord;
  readonly lease: Lease;
  /** It may not send messages to the renderer. */
  readonly viewerOnly: boolean;
  readonly deadlines: Live<ViewerDeadlines>;
  readonly clock: Clock;
  readonly meter: SessionMeter;
  /** With the session's name. */
  readonly log: Logger;
  /** The viewer has ended and its place is free. Called once. */
  readonly onEnded: (viewer: Viewer) => void;
}

/** A viewer that leaves sooner may have left on purpose; one that stays longer had no path. */
const UNCONNECTED_MS = 5_000;

/** One viewer of a session: ties its connection, its lease and its signalling together. */
export class Viewer implements ViewerControl {
  /** 144 random bits. */
  readonly id: string = randomBytes(18).toString("base64url");
  readonly sessionId: string;
  readonly peer: Peer;
  readonly port: number;
  readonly #options: ViewerOptions;
  readonly #budget = new MessageBudget();
  /** Messages of the viewer that were dropped. */
  readonly #dropped: Tally<keyof typeof DROP_WORDS>;
  /** Messages of the renderer that did not reach the viewer. */
  readonly #missed: Tally<"no_way">;
  /** Whether a message has gone over the data channel. */
  #hasChannel = false;
  #listener: ViewerListener | undefined;
  #status: ViewerStatus;
  #hasKeys = false;

  constructor(options: ViewerOptions) {
    this.#options = options;
    this.sessionId = options.session.id;
    this.port = options.lease.port;
    this.#status = newViewerStatus(options.clock.now());
    const { clock, log } = options;
    this.#dropped = new Tally(clock, (count, reason) => {
      log.warn("viewer_messages_dropped", { port: this.port, reason, count });
      this.#listener?.notice({ code: "messages_dropped", message: DROP_WORDS[reason], count });
    });
    this.#missed = new Tally(clock, (count, reason) => {
      log.warn("viewer_messages_missed", { port: this.port, count });
      this.#listener?.notice({ code: "messages_missed", message: DROP_WORDS[reason], count });
    });
    this.peer = options.connect(this.#peerListener());
  }

  get state(): ViewerState {
    return shownState(this.#status);
  }

  get answerSdp(): string {
    return this.peer.answerSdp;
  }

  get iceUfrag(): string {
    return this.peer.iceUfrag;
  }

  restartIce(
    remote: { readonly ufrag: string; readonly pwd: string },
  ): ReturnType<ViewerControl["restartIce"]> {
    return this.peer.restartIce(remote);
  }

  bye(): void {
    this.end("bye");
  }

  /**
   * Answers a further offer of this viewer's RTCPeerConnection.
   * @returns False if the offer is of another RTCPeerConnection and so needs a new viewer.
   * @throws {ViewerError}
   */
  renegotiate(sdp: string): boolean {
    const { log, session } = this.#options;
    const { codec: former } = this.peer;
    try {
      const unused = this.peer.renegotiate(sdp);
      if (unused === undefined) return false;
      log.info("viewer_renegotiated", { port: this.port, codec: this.peer.codec });
      for (const each of unused) log.info("offer_section_unused", { port: this.port, ...each });
    } catch (error) {
      throw joinRefusal(error);
    }
    session.follow(this, former);
    return true;
  }

  /** Milliseconds since the viewer joined. */
  get ageMs(): number {
    return this.#options.clock.now() - this.#status.joinedAtMs;
  }

  /** How long until another viewer may take this place, in milliseconds; `undefined` while it is attached. */
  get reclaimableInMs(): number | undefined {
    const heardAtMs = Math.max(this.#status.heardAtMs, this.peer.heardAtMs);
    return reclaimableInMs({ ...this.#status, heardAtMs }, this.#options.clock.now());
  }

  /**
   * Attaches the viewer to a signalling connection. The handle of the previous one does nothing from then on: a broken
   * connection may be detected long after the viewer was resumed on another.
   */
  attach(listener: ViewerListener): ViewerHandle {
    this.#listener = listener;
    this.#advance({ type: "attached" });
    return new Attachment(this, listener);
  }

  /** Whether the viewer is attached to this signalling connection and has not ended. */
  isAttachedTo(listener: ViewerListener): boolean {
    return this.#listener === listener;
  }

  /** The signalling connection broke. */
  detach(): void {
    this.#listener = undefined;
    this.#advance({ type: "detached" });
  }

  /**
   * Passes a message of the viewer to the renderer, over whichever channel it came; notifies the viewer if it is
   * dropped.
   */
  say(data: PeerMessage): void {
    const { clock, meter, viewerOnly, session } = this.#options;
    if (viewerOnly) {
      meter.count("messages_dropped_total", { direction: "to_renderer", reason: "viewer_only" });
      return this.#dropped.add("viewer_only");
    }
    const bytes = typeof data === "string" ? Buffer.byteLength(data) : data.byteLength;
    if (!this.#budget.take(bytes, clock.now())) {
      meter.count("messages_dropped_total", { direction: "to_renderer", reason: "over_budget" });
      return this.#dropped.add("over_budget");
    }
    const reason = session.message(data);
    if (reason !== undefined) this.#dropped.add(reason);
  }

  /**
   * Sends a message of the renderer: over the data channel if there is one, otherwise text over signalling. Notifies
   * the viewer if it is dropped.
   * @returns `sent` if it was queued; `not_asked` if the viewer never opened a channel for messages.
   */
  tell(data: PeerMessage): "sent" | "missed" | "not_asked" {
    if (this.peer.sendMessage(data)) {
      this.#hasChannel = true;
      return "sent";
    }
    // If the data channel is full, text over signalling would overtake the messages queued in it.
    if (!this.#hasChannel && this.#listener !== undefined) {
      if (this.#listener.message === undefined) return "not_asked";
      if (typeof data === "string" && this.#listener.message(data)) return "sent";
    }
    this.#missed.add("no_way");
    return "missed";
  }

  /** Sends the viewer a notice, if it is attached to a signalling connection. */
  notify(notice: ViewerNotice): void {
    this.#listener?.notice(notice);
  }

  /** Whether the DTLS keys were negotiated, now or before it ended. */
  get hasKeys(): boolean {
    return this.#hasKeys;
  }

  /** Checks the deadlines. Never throws: on an error the viewer ends, because it would recur each time. */
  tick(): void {
    const isSound = this.#guarded(() =>
      this.#advance({ type: "tick", heardAtMs: this.peer.heardAtMs })
    );
    if (!isSound) this.end("internal_error");
  }

  /** Ends the viewer if it seems to be gone, so that another can have the place. */
  yieldPlace(): void {
    this.#advance({ type: "place_wanted", heardAtMs: this.peer.heardAtMs });
  }

  /** Ends the viewer at once. Idempotent. `words` describe the reason for people. */
  end(reason: EndReason, words?: string): void {
    this.#advance({ type: "ended", reason }, words);
  }

  #peerListener(): PeerListener {
    const { session, record, log } = this.#options;
    return {
      secured: () => {
        const ms = Math.round(record.connected());
        log.info("peer_connected", { port: this.port, ms });
        this.#hasKeys = true;
        this.#advance({ type: "secured" });
        session.start(this);
      },
      failed: (error) => {
        const reason = errorText(error);
        log.warn("peer_failed", { error: reason });
        this.end("dtls_failed", reason);
      },
      closed: () => this.end("peer_closed"),
      firstFrame: () => record.firstFrame(),
      message: (data) => this.say(data),
      keyframeRequested: (reason) => session.requestKeyframe(this, reason),
    };
  }

  #advance(event: ViewerEvent, words?: string): void {
    const { clock, deadlines } = this.#options;
    const before = this.#status;
    this.#status = advanceViewer(before, event, { nowMs: clock.now(), deadlines: deadlines() });
    const { phase, endReason = "bye" } = this.#status;
    if (phase === before.phase) return;
    // An error is more specific than the state that results from it, and a page acts on whichever comes first.
    if (phase !== "ended" || END_ERRORS[endReason] === undefined) {
      this.#guarded(() => this.#listener?.state(this.state, words));
    }
    if (phase === "ended") {
      this.#release(endReason, { wasConnecting: before.phase === "connecting" });
    }
  }

  #release(reason: EndReason, { wasConnecting }: { wasConnecting: boolean }): void {
    const { meter, log, lease, record, onEnded } = this.#options;
    const ageMs = Math.round(this.ageMs);
    const error = END_ERRORS[reason];
    // Every step must run even if another fails: a lease that is not released is lost until the next start.
    const steps = [
      () => {
        if (!wasConnecting || ageMs < UNCONNECTED_MS) return;
        // Otherwise its end looks like an ordinary one.
        const heard = this.peer.heardAtMs > this.#status.joinedAtMs;
        log.warn("viewer_not_connected", { port: this.port, age_ms: ageMs, packets_came: heard });
      },
      () => this.peer.close(),
      () => lease.release(),
      () => this.#dropped.close(),
      () => this.#missed.close(),
      () => meter.count("viewers_ended_total", { reason }),
      () => log.info("viewer_ended", { port: this.port, reason, age_ms: ageMs }),
      () => this.#listener?.ended(error === undefined ? undefined : new ViewerError(...error)),
      () => this.#listener = undefined,
      () => record.failed(this.state),
      () => onEnded(this),
    ];
    for (const step of steps) this.#guarded(step);
  }

  /** Runs work whose failure must affect only this viewer. */
  #guarded(work: () => void): boolean {
    const { log, meter } = this.#options;
    return guarded(work, { log, meter, part: "viewer" });
  }
}
