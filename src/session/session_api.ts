import type { ErrorCode, RefusalReason } from "../base/codes.ts";
import { AppError } from "../base/errors.ts";

/** Why an offer or a resume was refused, or the server ended a viewer. */
export type ViewerErrorCode = Exclude<
  ErrorCode,
  "bad_message" | "unauthorized" | "origin_not_allowed"
>;

/** A refusal that is reported to the viewer. `message` is for people. */
export class ViewerError extends AppError<ViewerErrorCode> {
  /** How long to wait before the next try, in milliseconds; only for temporary refusals. */
  readonly retryAfterMs: number | undefined;
  /** Which of the causes of `no_free_port` it is: the places are free, but the server has no time for a viewer. */
  readonly reason: RefusalReason | undefined;

  constructor(
    code: ViewerErrorCode,
    message: string,
    options?: ErrorOptions & { retryAfterMs?: number; reason?: RefusalReason },
  ) {
    super(code, message, options);
    this.retryAfterMs = options?.retryAfterMs;
    this.reason = options?.reason;
  }
}

/** State of a viewer's connection, as in RTCPeerConnection.connectionState. */
export type ViewerState = "connecting" | "connected" | "disconnected" | "failed" | "closed";

/** The public address in the form of RTCIceCandidateInit. */
export interface AnnouncedCandidate {
  /** `candidate:… typ host`. */
  readonly candidate: string;
  readonly sdpMid: string;
  readonly sdpMLineIndex: number;
}

/** An offer with its parameters. */
export interface JoinRequest {
  /** 1–64 of `A-Z a-z 0-9 _ -`. */
  readonly sessionId: string;
  /** The browser's offer; not yet parsed. */
  readonly sdp: string;
  /** Name of an idle source. */
  readonly idle?: string;
  /** The viewer may not send the renderer anything over any channel; its `params` are ignored too. Default: false. */
  readonly viewerOnly?: boolean;
  /** JSON object for the renderer's session. */
  readonly params: Readonly<Record<string, unknown>>;
  /** Host name or IP address (no port, no brackets) by which this viewer reached the server. */
  readonly reachedHost: string;
}

export interface JoinOptions {
  /** Aborts when the client left before the answer: its place is free at once, and the join fails. */
  readonly signal?: AbortSignal;
}

/** Information for a viewer that does not end anything. */
export interface ViewerNotice {
  /**
   * `messages_dropped`: messages from this viewer to the renderer. `messages_missed`: messages from the renderer to
   * this viewer. `shutting_down`: the server will stop.
   */
  readonly code: "messages_dropped" | "messages_missed" | "shutting_down";
  /** For people: why the latest message was dropped, or how long the viewer may stay. */
  readonly message: string;
  /** How many messages were dropped since the last notice of this code. */
  readonly count?: number;
  /** How long the viewer may stay at most; only with `shutting_down`. */
  readonly seconds?: number;
}

/** Events of a viewer for its signalling connection. No method is called after `ended`. */
export interface ViewerListener {
  /** The connection's state changed. `reason` describes why it failed, if known. */
  state(state: ViewerState, reason?: string): void;
  /**
   * The renderer sent the viewers a message. Missing if the signalling protocol has no such message.
   * @returns False if it was dropped because too much is queued for this viewer.
   */
  message?(data: string): boolean;
  /** Called at most once a second for each code. */
  notice(notice: ViewerNotice): void;
  /** The viewer has ended and its place is free. `error` is the reason, unless the viewer itself left. */
  ended(error?: ViewerError): void;
}

/** Control over one viewer for a caller that knows its id but is not its signalling connection. */
export interface ViewerControl {
  readonly answerSdp: string;
  /** The username fragment that the server last sent to the viewer; changes with each ICE restart. */
  readonly iceUfrag: string;
  /**
   * Applies the viewer's ICE credentials; new ones restart ICE (RFC 8839 §4.4.1.1.1).
   * @returns The server's new credentials, the same again until the viewer has used them; `undefined` if nothing
   * restarts.
   */
  restartIce(
    remote: { readonly ufrag: string; readonly pwd: string },
  ): { readonly ufrag: string; readonly pwd: string } | undefined;
  /** Ends the viewer and frees its place at once. Idempotent. */
  bye(): void;
}

/** Control over one viewer for its signalling connection. */
export interface ViewerHandle extends ViewerControl {
  /** Unguessable secret of this viewer (at least 128 random bits) that allows resuming it. */
  readonly id: string;
  readonly sessionId: string;
  readonly candidate: AnnouncedCandidate;
  readonly state: ViewerState;
  /**
   * Answers a further offer of this viewer's RTCPeerConnection (same certificate and session). The viewer continues,
   * and `answerSdp` and `candidate` are those of the new answer.
   * @returns False for any other offer, which needs a new viewer.
   * @throws {ViewerError}
   */
  renegotiate(sdp: string): boolean;
  /** Sends UTF-8 text to the renderer's session. */
  message(data: string): void;
  /**
   * The signalling connection broke: the viewer continues as long as its media does, and {@link SessionApi.resume}
   * can resume it. The listener is no longer called.
   */
  detach(): void;
}

/** The interface of sessions for signalling. */
export interface SessionApi {
  /**
   * Leases a place for a viewer and answers its offer. A further offer of a connected viewer's RTCPeerConnection
   * resumes that viewer instead, like {@link resume}.
   * @throws {ViewerError}
   */
  join(
    request: JoinRequest,
    listener: ViewerListener,
    options?: JoinOptions,
  ): Promise<ViewerHandle>;
  /**
   * Resumes a viewer that has not ended; the listener of its previous signalling connection is no longer called.
   * @throws {ViewerError} `no_such_viewer`
   */
  resume(sessionId: string, viewerId: string, listener: ViewerListener): ViewerHandle;
  /**
   * Finds a viewer that has not ended; it stays attached to its signalling connection. `undefined` if there is none.
   */
  find(sessionId: string, viewerId: string): ViewerControl | undefined;
  /** Whether the session has a viewer or one that is joining. */
  isWatched(sessionId: string): boolean;
}
