import { Listener } from "../../../src/app/listener.ts";
import { SYSTEM_CLOCK } from "../../../src/base/clock.ts";
import { NULL_LOGGER } from "../../../src/base/log.ts";
import { NULL_METER } from "../../../src/base/meter.ts";
import {
  type AnnouncedCandidate,
  type JoinOptions,
  type JoinRequest,
  type SessionApi,
  type ViewerControl,
  ViewerError,
  type ViewerHandle,
  type ViewerListener,
  type ViewerNotice,
  type ViewerState,
} from "../../../src/session/session_api.ts";
import type { ClientConnection } from "../../../src/signalling/client_connection.ts";
import {
  createHttpApp,
  type HttpApp,
  type HttpAppOptions,
} from "../../../src/signalling/http_app.ts";
import type { PathCheckApi } from "../../../src/signalling/path_check.ts";

/** The candidate that every viewer of a {@link FakeSessions} gets. */
export const FAKE_CANDIDATE: AnnouncedCandidate = {
  candidate: "candidate:1 1 udp 2130706431 203.0.113.7 10111 typ host",
  sdpMid: "0",
  sdpMLineIndex: 0,
};

/** A viewer without media, and what happened to it. */
export class FakeViewer implements ViewerControl {
  readonly id: string = crypto.randomUUID();
  answerSdp = "v=0\r\n";
  state: ViewerState = "connecting";
  iceUfrag = "ufrag0";
  /** The username fragment that it showed last; the first to come is that of its offer. */
  remoteUfrag: string | undefined;
  /** Text that came for the renderer. */
  readonly heard: string[] = [];
  /** What its latest signalling connection did last. */
  fate: "attached" | "detached" | "bye" | "ended" = "attached";
  readonly sessionId: string;
  #listener: ViewerListener | undefined;

  constructor(sessionId: string) {
    this.sessionId = sessionId;
  }

  get isAlive(): boolean {
    return this.fate === "attached" || this.fate === "detached";
  }

  /** Ties a signalling connection to this viewer; the handle of the former one does nothing any more. */
  attach(listener: ViewerListener): ViewerHandle {
    this.#listener = listener;
    this.fate = "attached";
    const isCurrent = () => this.#listener === listener && this.fate === "attached";
    const leave = (fate: "bye" | "detached") => {
      if (isCurrent()) this.fate = fate;
    };
    const currentState = () => this.state;
    const currentAnswer = () => this.answerSdp;
    return {
      id: this.id,
      sessionId: this.sessionId,
      get answerSdp() {
        return currentAnswer();
      },
      candidate: FAKE_CANDIDATE,
      get state() {
        return currentState();
      },
      iceUfrag: this.iceUfrag,
      restartIce: (remote) => this.restartIce(remote),
      renegotiate: (sdp) => isCurrent() && this.#renegotiate(sdp),
      message: (data) => isCurrent() && void this.heard.push(data),
      bye: () => leave("bye"),
      detach: () => leave("detached"),
    };
  }

  restartIce({ ufrag }: { readonly ufrag: string }): ReturnType<ViewerControl["restartIce"]> {
    const former = this.remoteUfrag;
    this.remoteUfrag = ufrag;
    if (former === undefined || former === ufrag) return undefined;
    this.iceUfrag = `ufrag${Number(this.iceUfrag.slice(5)) + 1}`;
    return { ufrag: this.iceUfrag, pwd: "p".repeat(32) };
  }

  bye(): void {
    this.fate = "bye";
  }

  /** Takes offers that say `further`. */
  #renegotiate(sdp: string): boolean {
    if (sdp === "bad further") throw new ViewerError("bad_sdp", "No offer");
    if (!sdp.startsWith("further")) return false;
    this.answerSdp = `answer to ${sdp}`;
    return true;
  }

  /** The peer connection changes its state. */
  become(state: ViewerState): void {
    this.state = state;
    if (this.fate === "attached") this.#listener?.state(state);
  }

  /** The renderer says something. @returns Whether the connection took it. */
  say(data: string): boolean {
    return this.fate === "attached" && (this.#listener?.message?.(data) ?? false);
  }

  /** The sessions have dropped messages. */
  notify(notice: ViewerNotice): void {
    if (this.fate === "attached") this.#listener?.notice(notice);
  }

  /** The sessions end it. */
  end(error?: ViewerError): void {
    const wasAttached = this.fate === "attached";
    this.fate = "ended";
    if (wasAttached) this.#listener?.ended(error);
  }
}

/** Sessions without renderer, encoder and ports. */
export class FakeSessions implements SessionApi {
  readonly requests: JoinRequest[] = [];
  readonly viewers: FakeViewer[] = [];
  /** Sessions that have viewers. */
  readonly watched = new Set<string>();
  /** Of the offer that came last: aborts when its client has gone. */
  departure: AbortSignal | undefined;
  /** Awaited before an offer is answered; what it rejects with refuses the offer. */
  gate: () => Promise<void> = () => Promise.resolve();

  isWatched(sessionId: string): boolean {
    return this.watched.has(sessionId);
  }

  async join(
    request: JoinRequest,
    listener: ViewerListener,
    { signal }: JoinOptions = {},
  ): Promise<ViewerHandle> {
    this.requests.push(request);
    this.departure = signal;
    const viewer = new FakeViewer(request.sessionId);
    const handle = viewer.attach(listener);
    this.viewers.push(viewer);
    try {
      await this.gate();
    } catch (error) {
      viewer.end();
      throw error;
    }
    return handle;
  }

  resume(sessionId: string, viewerId: string, listener: ViewerListener): ViewerHandle {
    const viewer = this.find(sessionId, viewerId);
    if (viewer === undefined) throw new ViewerError("no_such_viewer", "This viewer has ended");
    return viewer.attach(listener);
  }

  find(sessionId: string, viewerId: string): FakeViewer | undefined {
    return this.viewers.find((viewer) =>
      viewer.id === viewerId && viewer.sessionId === sessionId && viewer.isAlive
    );
  }

  /** The viewer that joined last. */
  get latest(): FakeViewer {
    const viewer = this.viewers.at(-1);
    if (viewer === undefined) throw new Error("Nobody has joined");
    return viewer;
  }
}

/** Has no ports to check. */
const NO_PATH_CHECKS: PathCheckApi = {
  open: () => Promise.resolve({ id: "none", expiresInMs: 0, ports: [] }),
  report: () => undefined,
};

/** For requests that came by no connection. */
export const NO_CONNECTION: ClientConnection = {
  upgrade() {
    throw new TypeError("There is no connection");
  },
};

/** Serves an app on a free port of loopback, as the server does. */
export function serveApp(app: HttpApp): Promise<Listener> {
  const at = { hostname: "127.0.0.1", port: 0, key: "server.listen" };
  return Listener.open({ ...at, app, clock: SYSTEM_CLOCK, log: NULL_LOGGER });
}

/** A signalling server in front of fake sessions. */
export interface FakeSessionsServer extends AsyncDisposable {
  readonly sessions: FakeSessions;
  /** On loopback. */
  readonly port: number;
}

/** Serves signalling on a free port, with as much of the rest as the test brings. */
export async function serveFakeSessions(
  options: Partial<HttpAppOptions> = {},
): Promise<FakeSessionsServer> {
  const sessions = new FakeSessions();
  const app = createHttpApp({
    sessions,
    assets: new Map(),
    health: () => [],
    metricsText: () => Promise.resolve(""),
    sessionsJson: () => [],
    portsJson: () => [],
    pathChecks: NO_PATH_CHECKS,
    site: () => ({ allowedOrigins: [] }),
    log: NULL_LOGGER,
    meter: NULL_METER,
    ...options,
  });
  const server = await serveApp(app);
  return { sessions, port: server.address.port, [Symbol.asyncDispose]: () => server.close() };
}

/** Waits for something that the other end of a loopback connection brings about. */
export async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 2));
}
