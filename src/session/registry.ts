import type { CancelTimer } from "../base/clock.ts";
import { AppError, errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Lease, PortLeases } from "../ports/leases.ts";
import type { Peer, PeerFactory, PeerListener, ReadOffer } from "../transport/peer_transport.ts";
import {
  type JoinOptions,
  type JoinRequest,
  type SessionDoor,
  ViewerError,
  type ViewerHandle,
  type ViewerListener,
} from "./door.ts";
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
  /**
   * Where a viewer that reached the server by `reachedHost` finds the given local port.
   * @throws When no usable address is known; the text is shown to the viewer.
   */
  readonly publicAddress: (
    localPort: number,
    reachedHost: string,
  ) => Promise<{ address: string; port: number }>;
}

/** How often deadlines are looked at, in milliseconds. */
const TICK_MS = 500;

/** What a viewer that finds no place is told to wait when no place is about to be free. */
const RETRY_AFTER_MS = 2_000;

/** All sessions and their viewers: lets viewers in, watches their deadlines, closes what nobody watches any more. */
export class SessionRegistry implements SessionDoor {
  readonly #options: RegistryOptions;
  readonly #table: SessionTable;
  readonly #viewers = new Map<string, Viewer>();
  #cancelTick: CancelTimer | undefined;
  #draining = false;

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

  async join(
    request: JoinRequest,
    listener: ViewerListener,
    { signal }: JoinOptions = {},
  ): Promise<ViewerHandle> {
    const { meter, log } = this.#options;
    try {
      const viewer = await this.#admit(request, { listener, signal });
      meter.count("viewers_joined_total");
      return viewer;
    } catch (error) {
      const refusal = asViewerError(error);
      if (refusal.code === "internal" && !signal?.aborted) {
        log.error("join_failed", { session: request.sessionId, error: errorText(error) });
      }
      throw refusal;
    }
  }

  resume(sessionId: string, viewerId: string, listener: ViewerListener): ViewerHandle {
    const viewer = this.#viewers.get(viewerId);
    if (viewer === undefined || viewer.sessionId !== sessionId) {
      throw new ViewerError("no_such_viewer", "This viewer has ended; send a new offer");
    }
    this.#options.log.info("viewer_resumed", { session: sessionId, port: viewer.port });
    return viewer.attach(listener);
  }

  /** Lets nobody in any more, ends every viewer and closes every session. Idempotent. */
  async close(): Promise<void> {
    this.#draining = true;
    this.#cancelTick?.();
    for (const viewer of [...this.#viewers.values()]) viewer.end("shutting_down");
    await this.#table.closeAll();
  }

  async #admit(
    request: JoinRequest,
    { listener, signal }: { listener: ViewerListener; signal: AbortSignal | undefined },
  ): Promise<ViewerHandle> {
    const { sessionId, reachedHost } = request;
    if (this.#draining) throw new ViewerError("shutting_down", "The server is shutting down");
    const offer = this.#options.peers.read(request.sdp);
    // First the place: that ends viewers who only seem to be there, and their sessions with them.
    const lease = this.#lease();
    // A renderer may take many seconds to open, and a page is reloaded in less.
    signal?.addEventListener("abort", lease.release);
    let visit: SessionVisit | undefined;
    try {
      this.#assertRoom(sessionId);
      visit = await this.#table.visit(sessionId, request);
      const { session } = visit;
      const publicAddress = await this.#options.publicAddress(lease.port, reachedHost);
      await session.ready();
      signal?.throwIfAborted();
      if (this.#draining) throw new ViewerError("shutting_down", "The server is shutting down");
      return this.#connect({ session, offer, lease, listener, publicAddress });
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
    throw new ViewerError("no_free_port", `All ${leases.places} places on the ports are taken`, {
      retryAfterMs: Math.max(100, Math.ceil(soonest)),
    });
  }

  #connect(parts: {
    session: Session;
    offer: ReadOffer;
    lease: Lease;
    listener: ViewerListener;
    publicAddress: { address: string; port: number };
  }): ViewerHandle {
    const { session, offer, lease, listener, publicAddress } = parts;
    const { clock, meter, deadlines } = this.#options;
    const log = this.#options.log.child({ session: session.id });
    const joinedMs = clock.now();
    const peer: Peer = offer.accept({
      localPort: lease.port,
      publicAddress,
      timelineUs: () => session.timelineUs,
      audio: session.hasAudio,
      listener: this.#peerListener(session, { joinedMs, log, viewer: () => viewer }),
    });
    const viewer = new Viewer({
      sessionId: session.id,
      peer,
      lease,
      deadlines,
      clock,
      meter,
      log,
      onMessage: (data) => session.message(data),
      onEnded: (ended) => this.#forget(session, ended),
    });
    this.#viewers.set(viewer.id, viewer);
    session.add(viewer);
    this.#showCounts();
    log.info("viewer_joined", { port: lease.port, codec: peer.codec });
    return viewer.attach(listener);
  }

  #peerListener(
    session: Session,
    context: { joinedMs: number; log: Logger; viewer: () => Viewer },
  ): PeerListener {
    const { clock, meter } = this.#options;
    return {
      secured: () => {
        const viewer = context.viewer();
        const ms = clock.now() - context.joinedMs;
        meter.observe("connect_seconds", ms / 1000);
        context.log.info("peer_connected", { port: viewer.port, ms: Math.round(ms) });
        viewer.secured();
        session.start(viewer);
      },
      failed: (error) => {
        context.log.warn("peer_failed", { error: errorText(error) });
        context.viewer().end("dtls_failed");
      },
      closed: () => context.viewer().end("peer_closed"),
      message: (data) => context.viewer().say(data),
      keyframeRequested: (reason) => session.requestKeyframe(context.viewer(), reason),
    };
  }

  #forget(session: Session, viewer: Viewer): void {
    this.#viewers.delete(viewer.id);
    session.remove(viewer);
    this.#table.closeIfUnused(session);
    this.#showCounts();
  }

  #tick(): void {
    for (const viewer of [...this.#viewers.values()]) viewer.tick();
    this.#cancelTick = this.#options.clock.after(TICK_MS, () => this.#tick());
    this.#showCounts();
  }

  #showCounts(): void {
    const { meter, leases } = this.#options;
    meter.gauge("sessions", this.#table.size);
    const states = { connecting: 0, connected: 0, disconnected: 0 };
    for (const { state } of this.#viewers.values()) {
      if (state in states) states[state as keyof typeof states]++;
    }
    for (const [state, count] of Object.entries(states)) meter.gauge("viewers", count, { state });
    for (const { port, used, places } of leases.use) {
      meter.gauge("port_places", used, { port, state: "used" });
      meter.gauge("port_places", places - used, { port, state: "free" });
    }
  }
}

/** Codes that the transport's errors share with ours. */
const OFFER_CODES = new Set(["bad_sdp", "unsupported_codec"] as const);

function asViewerError(error: unknown): ViewerError {
  if (error instanceof ViewerError) return error;
  for (const code of OFFER_CODES) {
    if (error instanceof AppError && error.code === code) {
      return new ViewerError(code, error.message, { cause: error });
    }
  }
  return new ViewerError("internal", "The server failed; its log says more", { cause: error });
}
