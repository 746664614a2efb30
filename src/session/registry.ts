import { type CancelTimer, sleep } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import { guarded } from "../base/guard.ts";
import type { Tracer } from "../base/tracer.ts";
import type { RateLimits } from "../media/congestion/rate_controller.ts";
import type { Lease, PortLeases, PortUse } from "../ports/leases.ts";
import type { OfferIdentity, Peer, PeerFactory, ReadOffer } from "../transport/peer_transport.ts";
import {
  type JoinOptions,
  type JoinRequest,
  type SessionDoor,
  ViewerError,
  type ViewerHandle,
  type ViewerListener,
} from "./door.ts";
import { showCounts } from "./counts.ts";
import { Heartbeat, type Standstill } from "./heartbeat.ts";
import { joinRefusal } from "./join_refusal.ts";
import { Joining } from "./joining.ts";
import { createPeerListener } from "./peer_listener.ts";
import { Session, type SessionOptions, type SessionWish } from "./session.ts";
import { type SessionReport, sessionReport } from "./report.ts";
import { SessionTable, type SessionVisit } from "./session_table.ts";
import { Viewer } from "./viewer.ts";
import { RECLAIM_AFTER_MS, type ViewerDeadlines } from "./viewer_state.ts";

/** What the registry needs, what its sessions need included. */
export interface RegistryOptions extends Omit<SessionOptions, "id" | keyof SessionWish> {
  readonly leases: PortLeases;
  readonly peers: PeerFactory;
  readonly deadlines: ViewerDeadlines;
  /** Most sessions at once; 0 is no limit beyond the places. */
  readonly sessionsMax: number;
  readonly viewersPerSession: number;
  /** Between which rates the video to each viewer is kept; read anew each time. */
  readonly rateLimits: RateLimits;
  /**
   * Where a viewer that reached the server by `reachedHost` finds the given local port.
   * @throws When no usable address is known; the text is shown to the viewer.
   */
  readonly publicAddress: (
    localPort: number,
    reachedHost: string,
  ) => Promise<{ address: string; port: number }>;
  /**
   * Looks up what `publicAddress` needs, which may take seconds. Nothing is held for the viewer meanwhile. Default: nothing
   * is to be looked up.
   * @throws As `publicAddress` does.
   */
  readonly findAddress?: (reachedHost: string) => Promise<unknown>;
  /** Default: none. */
  readonly tracer?: Tracer;
}

/** How often deadlines are looked at, in milliseconds. */
const TICK_MS = 500;

/**
 * Viewers that have ended and are known again: a page that goes on with its RTCPeerConnection does so at once, or when its
 * computer wakes up. Half a kilobyte each.
 */
const ENDED_MAX = 256;

/** What a viewer that finds no place is told to wait when no place is about to be free. */
const RETRY_AFTER_MS = 2_000;

/** All sessions and their viewers: lets viewers in, watches their deadlines, closes what nobody watches any more. */
export class SessionRegistry implements SessionDoor {
  readonly #options: RegistryOptions;
  readonly #table: SessionTable;
  readonly #viewers = new Map<string, Viewer>();
  /** Of viewers that have ended, the latest last. */
  readonly #endedIdentities: OfferIdentity[] = [];
  readonly #heartbeat = new Heartbeat(TICK_MS);
  #cancelTick: CancelTimer | undefined;
  #draining = false;
  readonly #emptied = Promise.withResolvers<void>();

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#table = new SessionTable({
      create: (id, wish) =>
        new Session({ ...options, ...wish, id, log: options.log.child({ session: id }) }),
      clock: options.clock,
      log: options.log,
    });
    this.#tick();
  }

  /** What `/api/sessions` shows. */
  get report(): SessionReport[] {
    return [...this.#table.sessions].map(sessionReport);
  }

  /** What `/api/ports` shows: the bound media ports and their places. */
  get ports(): PortUse[] {
    return this.#options.leases.use;
  }

  /** The open session that has shown nothing for longest; `undefined` while all go on. */
  get standstill(): Standstill | undefined {
    return this.#heartbeat.longest;
  }

  async join(
    request: JoinRequest,
    listener: ViewerListener,
    { signal }: JoinOptions = {},
  ): Promise<ViewerHandle> {
    const { meter, log, peers } = this.#options;
    const joining = new Joining({ ...this.#options, sessionId: request.sessionId });
    try {
      if (this.#draining) throw new ViewerError("shutting_down", "The server is shutting down");
      const offer = peers.read(request.sdp);
      const known = this.#continued(request, offer);
      if (known !== undefined) {
        joining.continued();
        return this.#takeUp(known, listener);
      }
      const viewer = await this.#admit(request, { offer, listener, signal, joining });
      meter.count("viewers_joined_total");
      return viewer;
    } catch (error) {
      const refusal = joinRefusal(error);
      joining.failed(signal?.aborted ? "client_left" : refusal.code);
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

  find(sessionId: string, viewerId: string): Viewer | undefined {
    const viewer = this.#viewers.get(viewerId);
    return viewer?.sessionId === sessionId ? viewer : undefined;
  }

  /**
   * Lets nobody in any more, and tells the viewers how long they may stay, in seconds.
   * @returns Settles when the last of them has left or the time is up.
   */
  async drain(seconds: number): Promise<void> {
    this.#draining = true;
    if (seconds === 0 || this.#viewers.size === 0) return;
    const message = `The server is shutting down; this stream goes on for ${seconds} s at most`;
    const notice = { code: "shutting_down", message, seconds } as const;
    for (const viewer of this.#viewers.values()) viewer.notify(notice);
    const waiting = new AbortController();
    const isLate = sleep(this.#options.clock, seconds * 1000, waiting.signal);
    await Promise.race([this.#emptied.promise, isLate]);
    waiting.abort();
  }

  /** Lets nobody in any more, ends every viewer and closes every session. Idempotent. */
  async close(): Promise<void> {
    this.#draining = true;
    this.#cancelTick?.();
    for (const viewer of [...this.#viewers.values()]) viewer.end("shutting_down");
    await this.#table.closeAll();
  }

  #takeUp(viewer: Viewer, listener: ViewerListener): ViewerHandle {
    const { sessionId: session, port } = viewer;
    this.#options.log.info("viewer_resumed", { session, port });
    return viewer.attach(listener);
  }

  /**
   * The viewer whose RTCPeerConnection makes a further offer by another signalling connection: a page whose WebSocket
   * broke off may know nothing of `resume`. Only of one that has keys: its browser would use them with no other.
   * @throws {ViewerError} `no_such_viewer` when that viewer has ended, and the keys with it.
   */
  #continued({ sessionId, sdp }: JoinRequest, offer: ReadOffer): Viewer | undefined {
    for (const viewer of this.#viewers.values()) {
      const isKnown = viewer.sessionId === sessionId && viewer.hasKeys &&
        offer.continues(viewer.peer.identity);
      if (isKnown && viewer.renegotiate(sdp)) return viewer;
    }
    if (this.#endedIdentities.some((ended) => offer.isLateFor(ended))) {
      const message = "The viewer of this RTCPeerConnection has ended; offer with a new one";
      throw new ViewerError("no_such_viewer", message);
    }
    return undefined;
  }

  async #admit(
    request: JoinRequest,
    { offer, listener, signal, joining }: {
      offer: ReadOffer;
      listener: ViewerListener;
      signal: AbortSignal | undefined;
      joining: Joining;
    },
  ): Promise<ViewerHandle> {
    const { sessionId, reachedHost } = request;
    if (this.#options.findAddress !== undefined) {
      await this.#options.findAddress(reachedHost);
      signal?.throwIfAborted();
    }
    // First the place: that ends viewers who only seem to be there, and their sessions with them.
    const lease = this.#lease();
    // A renderer may take many seconds to open, and a page is reloaded in less.
    signal?.addEventListener("abort", lease.release);
    let visit: SessionVisit | undefined;
    try {
      this.#assertRoom(sessionId);
      // Who may only watch does not steer the renderer by its first words either.
      const wish = request.viewerOnly ? { ...request, params: {} } : request;
      visit = await this.#table.visit(sessionId, wish);
      const { session } = visit;
      const publicAddress = await this.#options.publicAddress(lease.port, reachedHost);
      await session.ready();
      signal?.throwIfAborted();
      if (this.#draining) throw new ViewerError("shutting_down", "The server is shutting down");
      return this.#connect({ session, offer, lease, listener, publicAddress, joining, request });
    } catch (error) {
      lease.release();
      throw error;
    } finally {
      signal?.removeEventListener("abort", lease.release);
      visit?.leave();
    }
  }

  #assertRoom(sessionId: string): void {
    const { viewersPerSession, sessionsMax } = this.#options;
    if (this.#table.audience(sessionId) >= viewersPerSession) {
      throw new ViewerError(
        "session_full",
        `Session ${sessionId} has its ${viewersPerSession} viewers (sessions.viewers_per_session)`,
        { retryAfterMs: RETRY_AFTER_MS },
      );
    }
    if (!this.#table.has(sessionId) && sessionsMax > 0 && this.#table.size >= sessionsMax) {
      throw new ViewerError(
        "session_full",
        `The server has its ${sessionsMax} sessions (sessions.max)`,
        { retryAfterMs: RETRY_AFTER_MS },
      );
    }
  }

  #lease(): Lease {
    const { leases } = this.#options;
    const free = leases.lease();
    if (free !== undefined) return free;
    for (const viewer of [...this.#viewers.values()]) {
      viewer.yieldPlace();
      const yielded = leases.lease();
      if (yielded !== undefined) return yielded;
    }
    const soonest = Math.min(
      RECLAIM_AFTER_MS,
      ...[...this.#viewers.values()].map((viewer) => viewer.reclaimableInMs ?? RETRY_AFTER_MS),
    );
    throw new ViewerError(
      "no_free_port",
      `Every place on the ports is taken (${leases.places} in all)`,
      {
        retryAfterMs: Math.max(100, Math.ceil(soonest)),
      },
    );
  }

  #connect(parts: {
    session: Session;
    offer: ReadOffer;
    lease: Lease;
    listener: ViewerListener;
    publicAddress: { address: string; port: number };
    joining: Joining;
    request: JoinRequest;
  }): ViewerHandle {
    const { session, offer, lease, listener, publicAddress, joining } = parts;
    const { clock, meter, deadlines, rateLimits } = this.#options;
    const log = this.#options.log.child({ session: session.id });
    const peer: Peer = offer.accept({
      localPort: lease.port,
      publicAddress,
      timelineUs: () => session.timelineUs,
      audio: session.hasAudio,
      rateLimits,
      listener: createPeerListener(session, { joining, log, viewer: () => viewer }),
    });
    const viewer = new Viewer({
      sessionId: session.id,
      viewerOnly: parts.request.viewerOnly ?? false,
      peer,
      lease,
      deadlines,
      clock,
      meter,
      log,
      onMessage: (data) => session.message(data),
      onRenegotiated: (changed, former) => session.follow(changed, former),
      onEnded: (ended) => {
        joining.failed(ended.state);
        this.#forget(session, ended);
      },
    });
    this.#viewers.set(viewer.id, viewer);
    session.add(viewer);
    this.#showCounts();
    log.info("viewer_joined", { port: lease.port, codec: peer.codec });
    for (const section of offer.unused) {
      log.info("offer_section_unused", { port: lease.port, ...section });
    }
    joining.answered({ port: lease.port, codec: peer.codec });
    return viewer.attach(listener);
  }

  #forget(session: Session, viewer: Viewer): void {
    this.#viewers.delete(viewer.id);
    if (viewer.hasKeys) this.#endedIdentities.push(viewer.peer.identity);
    if (this.#endedIdentities.length > ENDED_MAX) this.#endedIdentities.shift();
    session.remove(viewer);
    this.#table.closeIfUnused(session);
    this.#showCounts();
    if (this.#draining && this.#viewers.size === 0) this.#emptied.resolve();
  }

  #tick(): void {
    const { clock, log, meter } = this.#options;
    this.#cancelTick = clock.after(TICK_MS, () => this.#tick());
    for (const viewer of [...this.#viewers.values()]) viewer.tick();
    guarded(() => {
      this.#heartbeat.look(this.#table.sessions);
      this.#showCounts();
    }, { log, meter, part: "timer" });
  }

  #showCounts(): void {
    const { meter, leases } = this.#options;
    showCounts(meter, { sessions: this.#table.size, viewers: this.#viewers.values(), leases });
  }
}
