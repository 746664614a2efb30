import type { ErrorCode } from "../base/codes.ts";
import { AppError } from "../base/errors.ts";

/** Why an offer or a resume was refused, or a viewer ended by the server's side. */
export type ViewerErrorCode = Exclude<
  ErrorCode,
  "bad_message" | "unauthorized" | "origin_not_allowed"
>;

/** A refusal that a viewer is told. `message` is written for people. */
export class ViewerError extends AppError<ViewerErrorCode> {
  /** How long to wait before another try is worth it, in milliseconds; only for the codes that may pass. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ViewerErrorCode,
    message: string,
    options?: ErrorOptions & { retryAfterMs?: number },
  ) {
    super(code, message, options);
    this.retryAfterMs = options?.retryAfterMs;
  }
}

/** Where a viewer's connection stands, in the words of RTCPeerConnection.connectionState. */
export type ViewerState = "connecting" | "connected" | "disconnected" | "failed" | "closed";

/** The mapped address as browsers take it (RTCIceCandidateInit). */
export interface AnnouncedCandidate {
  /** `candidate:… typ host`. */
  readonly candidate: string;
  readonly sdpMid: string;
  readonly sdpMLineIndex: number;
}

/** What an offer brings. */
export interface JoinRequest {
  /** 1–64 of `A-Z a-z 0-9 _ -`. */
  readonly sessionId: string;
  /** The browser's offer; not yet parsed. */
  readonly sdp: string;
  /** Name of an idle source. */
  readonly idle?: string;
  /** The viewer may say nothing to the renderer, by whatever way; its `params` are left out too. Default: false. */
  readonly viewerOnly?: boolean;
  /** JSON object for the renderer's session. */
  readonly params: Readonly<Record<string, unknown>>;
  /** Host name or IP address (no port, no brackets) by which this viewer reached the server. */
  readonly reachedHost: string;
}

/** How a join ends before its time. */
export interface JoinOptions {
  /** Aborts when the client has gone before its answer: its place is free at once, and the join fails. */
  readonly signal?: AbortSignal;
}

/** Something that a viewer should know, and that ends nothing at this moment. */
export interface ViewerNotice {
  /**
   * `messages_dropped`: of its messages to the renderer. `messages_missed`: of the renderer's to it. `shutting_down`: the
   * server is about to leave.
   */
  readonly code: "messages_dropped" | "messages_missed" | "shutting_down";
  /** For people: why the latest message was dropped, or until when the viewer may stay. */
  readonly message: string;
  /** How many messages were dropped since the last notice of this code. */
  readonly count?: number;
  /** How long the viewer may stay at most; only with `shutting_down`. */
  readonly seconds?: number;
}

/** What a signalling connection wants to hear of its viewer. Nothing is called after `ended`. */
export interface ViewerListener {
  /** The connection's state changed. `reason` says in words why it failed, where that is known. */
  state(state: ViewerState, reason?: string): void;
  /**
   * The renderer says something to the viewers. Left out where the signalling has no word for that.
   * @returns False when it was dropped, since too much waits for this viewer already.
   */
  message?(data: string): boolean;
  /** Comes at most once a second for each code. */
  notice(notice: ViewerNotice): void;
  /** The viewer is over and its place is free. `error` tells why unless the viewer itself left. */
  ended(error?: ViewerError): void;
}

/** One viewer, as whoever knows its id may control it without being its signalling connection. */
export interface ViewerControl {
  readonly answerSdp: string;
  /** Our username fragment that the viewer was told last; another after each restart of ICE. */
  readonly iceUfrag: string;
  /**
   * The viewer shows these credentials: others than before restart ICE (RFC 8839 §4.4.1.1.1).
   * @returns Our new credentials, the same again if the viewer has yet to use them; `undefined` when nothing restarts.
   */
  restartIce(
    remote: { readonly ufrag: string; readonly pwd: string },
  ): { readonly ufrag: string; readonly pwd: string } | undefined;
  /** Ends the viewer and frees its place at once. Idempotent. */
  bye(): void;
}

/** One viewer, as its signalling connection holds it. */
export interface ViewerHandle extends ViewerControl {
  /** Unguessable secret of this viewer (at least 128 random bits): whoever has it may take the viewer up again. */
  readonly id: string;
  readonly sessionId: string;
  readonly candidate: AnnouncedCandidate;
  readonly state: ViewerState;
  /**
   * Answers an offer that is a further one of this viewer's RTCPeerConnection: it has the same certificate and session.
   * The viewer goes on, and `answerSdp` and `candidate` are those of the new answer.
   * @returns False for any other offer, which asks for a viewer of its own.
   * @throws {ViewerError}
   */
  renegotiate(sdp: string): boolean;
  /** Hands UTF-8 text to the renderer's session. */
  message(data: string): void;
  /**
   * The signalling connection broke off without a word: the viewer lives on while its media does, and may be
   * taken up with {@link SessionDoor.resume}. The listener is not called any more.
   */
  detach(): void;
}

/** What signalling needs of the sessions. */
export interface SessionDoor {
  /**
   * Leases a place for a viewer and answers its offer. A further offer of a connected viewer's RTCPeerConnection takes
   * that viewer up again instead, as {@link resume} does.
   * @throws {ViewerError}
   */
  join(
    request: JoinRequest,
    listener: ViewerListener,
    options?: JoinOptions,
  ): Promise<ViewerHandle>;
  /**
   * Takes a living viewer up again; a former signalling connection of it is let go without a word to its listener.
   * @throws {ViewerError} `no_such_viewer`
   */
  resume(sessionId: string, viewerId: string, listener: ViewerListener): ViewerHandle;
  /** A living viewer, which stays with the signalling connection that it has; `undefined` when there is none. */
  find(sessionId: string, viewerId: string): ViewerControl | undefined;
  /** Whether the session has a viewer, or one that is joining. */
  isWatched(sessionId: string): boolean;
}
