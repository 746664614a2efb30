/// <reference lib="dom" />

/**
 * State of the player.
 *
 * `stopped`: not started, or stopped by the page. `connecting`: negotiating a stream. `connected`: the media path is
 * open, no picture yet. `playing`: pictures are decoded. `interrupted`: no packet for some seconds; the browser waits
 * for more. `waiting`: a try failed, the next one follows after `problem.retryInMs`. `failed`: another try would not
 * help; {@link PinholePlayer.start} tries anyway.
 */
export type PlayerState =
  | "stopped"
  | "connecting"
  | "connected"
  | "playing"
  | "interrupted"
  | "waiting"
  | "failed";

/**
 * The layers of a connection in the order in which they are established: the WebSocket, the server's answer to the
 * offer, the UDP path to the announced address, the DTLS handshake, and decoded pictures.
 */
export type PlayerLayer = "signalling" | "server" | "path" | "encryption" | "frames";

/** State of the WebSocket. `waiting`: closed, before the next try. */
export type SignallingState = "closed" | "connecting" | "open" | "waiting";

/** The server's error codes. A server that is newer than this file may send others. */
export type ServerErrorCode =
  | "bad_message"
  | "bad_sdp"
  | "unsupported_codec"
  | "unknown_host"
  | "unauthorized"
  | "origin_not_allowed"
  | "no_such_viewer"
  | "session_full"
  | "no_free_port"
  | "too_many_offers"
  | "renderer_failed"
  | "internal"
  | "shutting_down";

/**
 * Code of a problem, from the server or from the client. A server that is newer than this file may send others.
 */
export type PlayerProblemCode =
  | ServerErrorCode
  | "no_webrtc"
  | "no_offer"
  | "no_answer"
  | "bad_answer"
  | "ended"
  | "signalling_blocked"
  | "signalling_unreachable"
  | "signalling_broken"
  | "signalling_lost"
  | "no_udp_path"
  | "path_interrupted"
  | "path_lost"
  | "encryption_failed"
  | "no_packets"
  | "no_frames";

/** A problem, as a code for programs and a message for people. */
export interface PlayerProblem {
  readonly code: PlayerProblemCode;
  /** The layer at fault. */
  readonly layer: PlayerLayer;
  /** A sentence or two for people, in English. */
  readonly message: string;
  /** `busy`: with `no_free_port`, if a place is free, but the server has no time for another viewer. */
  readonly reason?: "busy";
  /** `address:port` of the failed try, if its answer had one. */
  readonly at?: string | undefined;
  /** Milliseconds until the next try, from the event on; absent if there is none. */
  readonly retryInMs?: number;
}

/** Snapshot of a player's state for a page to show. */
export interface PlayerView {
  readonly state: PlayerState;
  readonly signalling: SignallingState;
  /**
   * The first layer that is not established yet, or the one at fault; `null` once pictures are decoded, or when
   * stopped.
   */
  readonly layer: PlayerLayer | null;
  readonly problem: PlayerProblem | null;
  /** The browser needs a click before it plays. */
  readonly autoplayBlocked: boolean;
}

/** Live statistics, sampled once a second. `null` if the browser does not report a value, or not yet. */
export interface PlayerStats {
  /** Decoded pictures per second, over the last sample. */
  readonly fps: number | null;
  /** Received video, payload only, in kbit/s, over the last sample. */
  readonly bitrateKbps: number | null;
  /** Round trip of the latest connectivity check, in milliseconds. */
  readonly roundTripMs: number | null;
  /** Interarrival jitter of the video (RFC 3550 §6.4.1), in milliseconds. */
  readonly jitterMs: number | null;
  /** Video packets lost since the stream began; retransmitted ones count as received. */
  readonly packetsLost: number;
  /** Video packets received since the stream began. */
  readonly packetsReceived: number;
  /** Pictures that were decoded too late to be shown, since the stream began. */
  readonly framesDropped: number;
  /** Pictures decoded since the stream began. */
  readonly framesDecoded: number;
  /** Pixels. */
  readonly width: number | null;
  /** Pixels. */
  readonly height: number | null;
  /** Codec, such as `H264` or `VP8`. */
  readonly codec: string | null;
  /** From the start of this try to its first picture on the screen, in milliseconds. */
  readonly timeToFirstFrameMs: number | null;
}

/** The server's end of the media path in use. */
export interface SelectedCandidate {
  readonly address: string;
  readonly port: number;
  /** `udp` or `tcp`. */
  readonly protocol: string;
}

/** A notice that a page may show. The stream continues. */
export type PlayerNotice =
  | {
    /** Messages were dropped, from this page to the renderer or from the renderer to this page. */
    readonly code: "messages_dropped" | "messages_missed";
    /** Reason for people, in English. */
    readonly message: string;
    /** Number of messages since the last notice of this code. */
    readonly count: number;
  }
  | {
    /** The server is about to shut down. */
    readonly code: "shutting_down";
    /** For people, in English. */
    readonly message: string;
    /** Maximum seconds until the stream ends. */
    readonly seconds: number;
  };

/** Options of a player. */
export interface PinholePlayerOptions {
  /** Shows the stream. The player sets `muted`, `playsInline` and `srcObject`. */
  video: HTMLVideoElement;
  /** Session to watch: 1–64 of `A-Z a-z 0-9 _ -`. Needed unless `url` is given. */
  session?: string;
  /** Address of the server, such as `http://host:9000/`. Default: the server that this module was loaded from. */
  server?: string | URL;
  /** Whole WebSocket address, `ws://host:port/ws/<session>` (or wss, http, https), in place of `server` and `session`. */
  url?: string;
  /** Access token, for servers that require one. */
  token?: string;
  /** Name of the idle source to show while the renderer has no frames. */
  idle?: string;
  /** Parameters for the renderer's session; at most 4 KiB as JSON. */
  params?: Record<string, unknown>;
  /** Keep the sound off. Otherwise the first click or key press on the page turns it on. Default `false`. */
  muted?: boolean;
  /** Passed to `RTCPeerConnection`. Default `all`. */
  iceTransportPolicy?: RTCIceTransportPolicy;
}

/** The problem that made the player give up before the first picture, as an exception. */
export declare class PinholeError extends Error {
  constructor(problem: PlayerProblem);
  readonly name: "PinholeError";
  readonly problem: PlayerProblem;
  /** The code of {@link PinholeError.problem}. */
  readonly code: PlayerProblemCode;
}

/** The player's events; each is a `CustomEvent` with the value in `detail`. */
export interface PinholePlayerEventMap {
  /** The view, each time {@link PlayerView.state} changes. */
  state: CustomEvent<PlayerView>;
  /**
   * The view, each time anything in it changes, including the layer, the problem, the WebSocket, or `autoplayBlocked`.
   */
  view: CustomEvent<PlayerView>;
  /** The statistics, once a second while there is a connection. */
  stats: CustomEvent<PlayerStats>;
  /** Text or bytes from the renderer. */
  message: CustomEvent<string | ArrayBuffer>;
  /**
   * The server dropped messages (`messages_dropped`, `messages_missed`, with `count`) or is about to shut down (`shutting_down`,
   * in `seconds` at the latest); at most once a second for each code. The stream continues.
   */
  notice: CustomEvent<PlayerNotice>;
  /** A problem, once when it occurs; it stays in {@link PlayerView.problem} while it lasts. */
  error: CustomEvent<PlayerProblem>;
  /** The browser refused to play. The next click or key press on the page, or `play()` in a handler, plays. */
  autoplayblocked: CustomEvent<null>;
  /** @deprecated The former name of `autoplayblocked`; both are sent. */
  "autoplay-blocked": CustomEvent<null>;
  /** A track of the stream was added to the video's `srcObject`. */
  track: CustomEvent<MediaStreamTrack>;
}

/** Listener of a player's events: a function, or an object with `handleEvent`. */
export type PinholePlayerListener<Type extends keyof PinholePlayerEventMap> =
  | ((this: PinholePlayer, event: PinholePlayerEventMap[Type]) => void)
  | { handleEvent(event: PinholePlayerEventMap[Type]): void };

/**
 * Plays one Pinhole session in a video element, and keeps it playing: a WebSocket that breaks is resumed while the
 * stream continues, a media path that fails is negotiated again, and waits grow from 0.25 s to 4 s. Works on plain-http
 * pages.
 *
 * @example
 * ```js
 * const player = new PinholePlayer({ video: document.querySelector("video"), session: "demo" });
 * player.addEventListener("view", ({ detail }) => {
 *   document.title = detail.problem?.message ?? detail.state;
 * });
 * await player.start(); // The first picture is there.
 * ```
 */
export declare class PinholePlayer extends EventTarget {
  /** @throws {TypeError} When there is no video, no valid session id, or `url` is not a URL. */
  constructor(options: PinholePlayerOptions);
  /** State of the player, see below. */
  readonly state: PlayerState;
  /** Snapshot of the state for a page to show. */
  readonly view: PlayerView;
  /** The latest sample; `null` before the first. */
  readonly stats: PlayerStats | null;
  /** The server's answer in the latest try; `null` before it arrived. */
  readonly answerSdp: string | null;
  /** `address:port` for media in the answer; `null` before the answer. */
  readonly announcedAddress: string | null;
  /** The path in use; `null` before there is one. */
  readonly selectedCandidate: SelectedCandidate | null;
  /** The current connection, for what the player does not report. Replaced on every new try; do not close it. */
  readonly peerConnection: RTCPeerConnection | null;
  /**
   * Starts, or starts again after `failed`. While the player runs, it returns the same promise.
   * @returns Fulfilled when the first picture has been decoded, after any number of tries; if the browser refuses to
   *   play, after the click that it needs. A rejection needs no handler if you do not wait for it.
   * @throws {PinholeError} When the player gives up before the first picture (state `failed`).
   * @throws {DOMException} `AbortError`: `stop()` was called before the first picture.
   */
  start(): Promise<void>;
  /** Stops: sends `bye`, which frees the place on the server at once, and clears the video. */
  stop(): void;
  /** Plays a video that the browser refused to play; call it in a click or key handler. Never rejects. */
  play(): Promise<void>;
  /**
   * Sends text or bytes (64 KiB at most) to the renderer: over the data channel, and text over the WebSocket while
   * there is none. `false`: it was not sent, because no connection is open, too much is queued, or it is too long. The
   * event `notice` reports messages that the server drops later. An empty message is not delivered.
   */
  send(data: string | ArrayBuffer | ArrayBufferView): boolean;
  addEventListener<Type extends keyof PinholePlayerEventMap>(
    type: Type,
    listener: PinholePlayerListener<Type> | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<Type extends keyof PinholePlayerEventMap>(
    type: Type,
    listener: PinholePlayerListener<Type> | null,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

/**
 * Sends pointer, wheel and keyboard events on a video element to the renderer, as JSON text.
 * @returns Stops it.
 */
export declare function forwardInput(player: PinholePlayer, video: HTMLVideoElement): () => void;

/**
 * State of one line of a path check. `warning`: something is wrong, but viewers can connect. `skipped`: it could not be
 * tested; `words` has the reason.
 */
export type PathStepState = "waiting" | "running" | "ok" | "warning" | "failed" | "skipped";

/** One line of a path check. */
export interface PathStep {
  /** Kind of the line; there is a line of kind `port` for each port and transport. */
  readonly kind: "http" | "websocket" | "port" | "connection";
  /** Such as `UDP 203.0.113.7:10111`. */
  readonly title: string;
  readonly state: PathStepState;
  /** Result for people, in English; empty if there is none. */
  readonly words: string;
  /** Milliseconds until it was reached; `null` if it was not. */
  readonly ms: number | null;
}

/** Result of a path check. */
export interface PathVerdict {
  /** `failed`: viewers cannot connect, on all ports or on some. `warning`: anything less. */
  readonly state: "ok" | "warning" | "failed";
  /**
   * `ok`, `no_http`, `no_websocket`, `no_udp`, `no_way_back`, `ports_misrouted`, `ports_silent`, `tcp_silent`,
   * `no_trial`, `untested`, `no_answer` to the offer, or the code of the {@link PlayerProblem} that ended the real
   * connection.
   */
  readonly code: string;
  /** A sentence or two for people, in English. */
  readonly words: string;
  /** What may help, most likely first. */
  readonly tries: readonly string[];
}

/** Snapshot of a path check. It contains no secrets. */
export interface PathReport {
  /** In the order of the path. */
  readonly steps: readonly PathStep[];
  /** `null` while the check runs. */
  readonly verdict: PathVerdict | null;
}

/** Options of a path check. */
export interface PathCheckOptions {
  /** Address of the server, such as `http://host:9000/`. Default: the server that this module was loaded from. */
  server?: string | URL;
  /** Access token, for servers that require one. */
  token?: string;
  /** Aborts the check. */
  signal?: AbortSignal;
  /** Called with the report so far at every change, including the last one. */
  changed?: (report: PathReport) => void;
}

/**
 * Tests the whole path from this browser to a server: HTTP, WebSocket, every media port, and a real connection to a
 * session with a separate name, which takes a place for a few seconds. Other connections of the page are not affected.
 * The code is loaded at the first call.
 * @throws {TypeError} When `server` is not a URL.
 * @throws The reason of `signal`, when it aborts.
 */
export declare function checkPath(options?: PathCheckOptions): Promise<PathReport>;
