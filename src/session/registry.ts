import { type CancelTimer, sleep } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import { guarded } from "../base/guard.ts";
import type { Live } from "../base/live.ts";
import type { Tracer } from "../base/tracer.ts";
import type { PortLeases, PortUse } from "../ports/leases.ts";
import type { PeerFactory } from "../transport/peer_transport.ts";
import { Admission, type AdmissionOptions } from "./admission.ts";
import {
  type JoinOptions,
  type JoinRequest,
  type SessionApi,
  ViewerError,
  type ViewerHandle,
  type ViewerListener,
  type ViewerState,
} from "./session_api.ts";
import { Heartbeat, type Standstill } from "./heartbeat.ts";
import { joinRefusal } from "./join_refusal.ts";
import { JoinRecord } from "./join_record.ts";
import { type SessionReport, sessionReport } from "./report.ts";
import { Session, type SessionOptions, type SessionWish, type VideoSettings } from "./session.ts";
import { SessionTable } from "./session_table.ts";
import type { Viewer } from "./viewer.ts";
import { ViewerTable } from "./viewer_table.ts";
import { SESSION_METRICS, type SessionMeter } from "./metrics.ts";

/** Includes the options of its sessions. */
export interface RegistryOptions
  extends AdmissionOptions, Omit<SessionOptions, "id" | "video" | keyof SessionWish> {
  /** Video settings for new sessions. */
  readonly video: Live<VideoSettings>;
  readonly peers: PeerFactory;
  /** Default: none. */
  readonly tracer?: Tracer;
}

/** How often deadlines are checked, in milliseconds. */
const TICK_MS = 500;

/** All sessions and their viewers: admits viewers, checks their deadlines, and closes sessions without viewers. */
export class SessionRegistry implements SessionApi {
  readonly #options: RegistryOptions;
  readonly #sessions: SessionTable;
  readonly #viewers = new ViewerTable();
  readonly #admission: Admission;
  readonly #heartbeat = new Heartbeat(TICK_MS);
  #cancelTick: CancelTimer | undefined;

  constructor(options: RegistryOptions) {
    this.#options = options;
    const { clock, log } = options;
    this.#sessions = new SessionTable({
      create: (id, wish) => this.#create(id, wish),
      clock,
      log,
    });
    const tables = { sessions: this.#sessions, viewers: this.#viewers };
    this.#admission = new Admission(options, tables);
    this.#tick();
  }

  /** The content of `/api/sessions`. */
  get report(): SessionReport[] {
    return [...this.#sessions.sessions].map(sessionReport);
  }

  /** The content of `/api/ports`: the bound media ports and their places. */
  get ports(): PortUse[] {
    return this.#options.leases.use;
  }

  /** The open session without a picture for the longest time; `undefined` while all make progress. */
  get standstill(): Standstill | undefined {
    return this.#heartbeat.longest;
  }

  async join(
    request: JoinRequest,
    listener: ViewerListener,
    { signal }: JoinOptions = {},
  ): Promise<ViewerHandle> {
    const { clock, meter, log, peers, tracer } = this.#options;
    const record = new JoinRecord({
      sessionId: request.sessionId,
      clock,
      meter,
      ...(tracer === undefined ? {} : { tracer }),
    });
    try {
      this.#admission.assertOpen();
      const offer = peers.read(request.sdp);
      const known = this.#viewers.renegotiate(request, offer);
      if (known !== undefined) {
        record.continued();
        return this.#takeUp(known, listener);
      }
      const viewer = await this.#admission.admit(
        { request, offer, signal, record },
        () => this.#showCounts(),
      );
      meter.count("viewers_joined_total");
      this.#showCounts();
      return viewer.attach(listener);
    } catch (error) {
      const refusal = joinRefusal(error);
      record.failed(signal?.aborted ? "client_left" : refusal.code);
      if (refusal.code === "internal" && !signal?.aborted) {
        log.error("join_failed", { session: request.sessionId, error: errorText(error) });
      }
      throw refusal;
    }
  }

  resume(sessionId: string, viewerId: string, listener: ViewerListener): ViewerHandle {
    const viewer = this.find(sessionId, viewerId);
    if (viewer === undefined) {
      throw new ViewerError("no_such_viewer", "This viewer has ended; send a new offer");
    }
    return this.#takeUp(viewer, listener);
  }

  isWatched(sessionId: string): boolean {
    return this.#sessions.audience(sessionId) > 0;
  }

  find(sessionId: string, viewerId: string): Viewer | undefined {
    return this.#viewers.find(sessionId, viewerId);
  }

  /**
   * Stops admitting viewers, and notifies the existing ones how long they may stay, in seconds.
   * @returns Settles when the last viewer has left or the time is up.
   */
  async drain(seconds: number): Promise<void> {
    this.#admission.close();
    if (seconds === 0 || this.#viewers.size === 0) return;
    const message = `The server is shutting down; this stream ends within ${seconds} s`;
    const notice = { code: "shutting_down", message, seconds } as const;
    for (const viewer of this.#viewers.all) viewer.notify(notice);
    const waiting = new AbortController();
    const isLate = sleep(this.#options.clock, seconds * 1000, waiting.signal);
    await Promise.race([this.#viewers.empty, isLate]);
    waiting.abort();
  }

  /** Stops admitting viewers, ends every viewer and closes every session. Idempotent. */
  async close(): Promise<void> {
    this.#admission.close();
    this.#cancelTick?.();
    for (const viewer of this.#viewers.all) viewer.end("shutting_down");
    await this.#sessions.closeAll();
  }

  #takeUp(viewer: Viewer, listener: ViewerListener): ViewerHandle {
    const { sessionId: session, port } = viewer;
    this.#options.log.info("viewer_resumed", { session, port });
    return viewer.attach(listener);
  }

  #create(id: string, wish: SessionWish): Session {
    const { renderer, encoders, openAudioEncoder, loadIdleClip, idleLoops, turns } = this.#options;
    const { video, clock, meter, log } = this.#options;
    return new Session({
      id,
      params: wish.params,
      ...(wish.idle === undefined ? {} : { idle: wish.idle }),
      renderer,
      encoders,
      ...(openAudioEncoder === undefined ? {} : { openAudioEncoder }),
      loadIdleClip,
      ...(idleLoops === undefined ? {} : { idleLoops }),
      ...(turns === undefined ? {} : { turns }),
      video: video(),
      clock,
      meter,
      log: log.child({ session: id }),
    });
  }

  #tick(): void {
    const { clock, log, meter } = this.#options;
    this.#cancelTick = clock.after(TICK_MS, () => this.#tick());
    for (const viewer of this.#viewers.all) viewer.tick();
    guarded(() => {
      this.#heartbeat.look(this.#sessions.sessions);
      this.#showCounts();
    }, { log, meter, part: "timer" });
  }

  #showCounts(): void {
    const { meter, leases } = this.#options;
    showCounts(meter, { sessions: this.#sessions.size, viewers: this.#viewers.all, leases });
  }
}

/** Sets the gauges for the number of sessions, viewers and places in use. */
export function showCounts(
  meter: SessionMeter,
  { sessions, viewers, leases }: {
    sessions: number;
    viewers: Iterable<{ readonly state: ViewerState }>;
    leases: PortLeases;
  },
): void {
  meter.gauge("sessions", sessions);
  const states = Array.from(viewers, ({ state }) => state);
  for (const state of SESSION_METRICS.viewers.labels.state) {
    meter.gauge("viewers", states.filter((each) => each === state).length, { state });
  }
  for (const { port, used, places } of leases.use) {
    meter.gauge("port_places", used, { port, state: "used" });
    meter.gauge("port_places", places - used, { port, state: "free" });
  }
}
