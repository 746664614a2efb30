import type { Clock } from "../base/clock.ts";
import type { Live } from "../base/live.ts";
import type { Logger } from "../base/log.ts";
import type { RateLimits } from "../rate/rate_controller.ts";
import type { Lease, PortLeases } from "../ports/leases.ts";
import type { PublicAddresses } from "../base/public_ports.ts";
import type { ReadOffer } from "../transport/peer_transport.ts";
import { type JoinRequest, ViewerError } from "./session_api.ts";
import type { JoinRecord } from "./join_record.ts";
import type { SessionMeter } from "./metrics.ts";
import type { Session } from "./session.ts";
import type { SessionHold, SessionTable } from "./session_table.ts";
import { Viewer } from "./viewer.ts";
import { RECLAIM_AFTER_MS, type ViewerDeadlines } from "./viewer_state.ts";
import type { ViewerTable } from "./viewer_table.ts";

/** Retry delay for a refused viewer when no place is about to become free, in milliseconds. */
const RETRY_AFTER_MS = 2_000;

/** Retry delay while the server is busy, in milliseconds: less would find the same 5 s of measurement. */
const BUSY_RETRY_MS = 5_000;

/** Limits on the number of sessions and viewers. */
export interface RoomLimits {
  /** Maximum number of sessions at a time; 0: limited only by the places. */
  readonly sessionsMax: number;
  readonly viewersPerSession: number;
}

export interface AdmissionOptions {
  readonly leases: PortLeases;
  readonly deadlines: Live<ViewerDeadlines>;
  readonly roomLimits: Live<RoomLimits>;
  /** Range of the video rate for each viewer. */
  readonly rateLimits: Live<RateLimits>;
  /**
   * Returns the public addresses of a local port, for a viewer that reached the server by `reachedHost`.
   * @throws When no usable address is known; the viewer sees the message.
   */
  readonly publicAddresses: (localPort: number, reachedHost: string) => Promise<PublicAddresses>;
  /**
   * Resolves what `publicAddresses` needs, which may take seconds; no place is held meanwhile. Default: nothing to
   * resolve.
   * @throws Like `publicAddresses`.
   */
  readonly findAddress?: (reachedHost: string) => Promise<unknown>;
  /** Whether the server has no time for another viewer. Default: never. */
  readonly isBusy?: Live<boolean>;
  readonly clock: Clock;
  readonly meter: SessionMeter;
  readonly log: Logger;
}

/** An offer that requests a place, and its progress. */
export interface Applicant {
  readonly request: JoinRequest;
  readonly offer: ReadOffer;
  readonly signal: AbortSignal | undefined;
  readonly record: JoinRecord;
}

/** Admits viewers: leases a place on a port, opens the session if needed, and answers the offer. */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #sessions: SessionTable;
  readonly #viewers: ViewerTable;
  #isClosed = false;

  constructor(
    options: AdmissionOptions,
    tables: { sessions: SessionTable; viewers: ViewerTable },
  ) {
    this.#options = options;
    this.#sessions = tables.sessions;
    this.#viewers = tables.viewers;
  }

  /** Stops admitting viewers. */
  close(): void {
    this.#isClosed = true;
  }

  /** @throws {ViewerError} `shutting_down` */
  assertOpen(): void {
    if (this.#isClosed) throw new ViewerError("shutting_down", "The server is shutting down");
  }

  /**
   * Admits a viewer and answers its offer.
   * @param onEnded Called once, when the viewer has ended.
   * @throws {ViewerError}
   */
  async admit(applicant: Applicant, onEnded: (viewer: Viewer) => void): Promise<Viewer> {
    const { request, signal } = applicant;
    const { sessionId, reachedHost } = request;
    this.#assertHeadroom();
    if (this.#options.findAddress !== undefined) {
      await this.#options.findAddress(reachedHost);
      signal?.throwIfAborted();
    }
    // The place comes first: leasing it may end viewers that are only apparently connected, and so their sessions.
    const lease = this.#lease();
    // A renderer may take many seconds to open; a reloaded page must not hold its old place that long.
    signal?.addEventListener("abort", lease.release);
    let hold: SessionHold | undefined;
    try {
      this.#assertRoom(sessionId);
      // A viewer that may only watch must not control the renderer with `params` either.
      const wish = request.viewerOnly ? { ...request, params: {} } : request;
      hold = await this.#sessions.hold(sessionId, wish);
      const { session } = hold;
      const publicAddresses = await this.#options.publicAddresses(lease.port, reachedHost);
      await session.ready();
      signal?.throwIfAborted();
      this.assertOpen();
      return this.#connect(applicant, { session, lease, publicAddresses, onEnded });
    } catch (error) {
      lease.release();
      throw error;
    } finally {
      signal?.removeEventListener("abort", lease.release);
      hold?.release();
    }
  }

  #assertHeadroom(): void {
    if (this.#options.isBusy?.() !== true) return;
    throw new ViewerError(
      "no_free_port",
      `The server is busy and has no room for another viewer; try again in ${
        BUSY_RETRY_MS / 1000
      } s`,
      { retryAfterMs: BUSY_RETRY_MS, reason: "busy" },
    );
  }

  #assertRoom(sessionId: string): void {
    const { viewersPerSession, sessionsMax } = this.#options.roomLimits();
    if (this.#sessions.audience(sessionId) >= viewersPerSession) {
      throw new ViewerError(
        "session_full",
        `Session ${sessionId} is full (${viewersPerSession} viewers; sessions.viewers_per_session)`,
        { retryAfterMs: RETRY_AFTER_MS },
      );
    }
    if (!this.#sessions.has(sessionId) && sessionsMax > 0 && this.#sessions.size >= sessionsMax) {
      throw new ViewerError(
        "session_full",
        `The server is full (${sessionsMax} sessions; sessions.max)`,
        { retryAfterMs: RETRY_AFTER_MS },
      );
    }
  }

  #lease(): Lease {
    const { leases } = this.#options;
    const free = leases.lease();
    if (free !== undefined) return free;
    for (const viewer of this.#viewers.all) {
      viewer.yieldPlace();
      const yielded = leases.lease();
      if (yielded !== undefined) return yielded;
    }
    const soonest = Math.min(
      RECLAIM_AFTER_MS,
      ...this.#viewers.all.map((viewer) => viewer.reclaimableInMs ?? RETRY_AFTER_MS),
    );
    throw new ViewerError(
      "no_free_port",
      `All ${leases.places} places on the media ports are taken; try again later`,
      {
        retryAfterMs: Math.max(100, Math.ceil(soonest)),
      },
    );
  }

  #connect(
    { request, offer, record }: Applicant,
    { session, lease, publicAddresses, onEnded }: {
      session: Session;
      lease: Lease;
      publicAddresses: PublicAddresses;
      onEnded: (viewer: Viewer) => void;
    },
  ): Viewer {
    const { clock, meter, deadlines, rateLimits } = this.#options;
    const log = this.#options.log.child({ session: session.id });
    const viewer = new Viewer({
      session,
      connect: (listener) =>
        offer.accept({
          localPort: lease.port,
          publicAddresses,
          timelineUs: () => session.timelineUs,
          audio: session.hasAudio,
          rateLimits,
          listener,
        }),
      record,
      viewerOnly: request.viewerOnly ?? false,
      lease,
      deadlines,
      clock,
      meter,
      log,
      onEnded: (ended) => {
        this.#viewers.remove(ended);
        session.remove(ended);
        this.#sessions.closeIfUnused(session);
        onEnded(ended);
      },
    });
    this.#viewers.add(viewer);
    session.add(viewer);
    const { port } = lease;
    const { codec } = viewer.peer;
    log.info("viewer_joined", { port, codec });
    for (const section of offer.unused) log.info("offer_section_unused", { port, ...section });
    record.answered({ port, codec });
    return viewer;
  }
}
