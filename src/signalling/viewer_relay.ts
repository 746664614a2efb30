import type {
  ViewerError,
  ViewerHandle,
  ViewerListener,
  ViewerNotice,
  ViewerState,
} from "../session/session_api.ts";
import { EARLY_MESSAGES_MAX } from "./limits.ts";
import type { ServerMessage } from "./messages.ts";

/** How a connection leaves its viewer: `clean` ends the viewer; `broken` lets it continue. */
export type Departure = "clean" | "broken";

/** Receives a relay's output. Neither function throws. */
export interface ViewerRelaySink {
  /**
   * @returns False if the message was dropped because too much is queued; only messages of the renderer are dropped.
   */
  send(message: ServerMessage): boolean;
  /** The viewer has ended, and its last state was sent. `error` is set if the server ended it. */
  ended(error?: ViewerError): void;
}

/**
 * Relays between one connection and one viewer, from before the offer is answered. Guarantees the order of messages
 * (answer, candidate, state, the rest), and releases a viewer that is admitted too late. The sink is not called after
 * {@link leave} or the viewer's end.
 */
export class ViewerRelay implements ViewerListener {
  readonly #sink: ViewerRelaySink;
  #handle: ViewerHandle | undefined;
  #departure: Departure | undefined;
  readonly #departing = new AbortController();
  #end: { readonly error: ViewerError | undefined } | undefined;
  readonly #early: string[] = [];
  #toldState: ViewerState | undefined;

  constructor(sink: ViewerRelaySink) {
    this.#sink = sink;
  }

  /** Whether the offer has not been answered yet. */
  get isPending(): boolean {
    return this.#handle === undefined;
  }

  /** Aborts when the connection leaves. */
  get departed(): AbortSignal {
    return this.#departing.signal;
  }

  /**
   * The sessions have granted the viewer. Sends `messages`, the viewer's state, and what the renderer said meanwhile.
   * Called once.
   */
  open(handle: ViewerHandle, messages: readonly ServerMessage[]): void {
    this.#handle = handle;
    if (this.#departure !== undefined) return leave(handle, this.#departure);
    if (this.#end !== undefined) return this.#tellEnd(this.#end.error);
    for (const message of messages) this.#sink.send(message);
    this.state(handle.state);
    for (const data of this.#early.splice(0)) this.message(data);
  }

  /**
   * Answers a further offer of the viewer's RTCPeerConnection, and sends the answer and the state.
   * @returns False if the offer is not of this viewer, or there is no viewer.
   * @throws {ViewerError}
   */
  renegotiate(sdp: string): boolean {
    const handle = this.#handle;
    if (handle === undefined || this.#isOver || !handle.renegotiate(sdp)) return false;
    for (const message of answerOf(handle)) this.#sink.send(message);
    this.#toldState = undefined;
    this.state(handle.state);
    return true;
  }

  /** Sends text to the renderer. */
  say(data: string): void {
    this.#handle?.message(data);
  }

  /** Leaves the viewer, now or as soon as it is admitted. Idempotent. */
  leave(departure: Departure): void {
    if (this.#departure !== undefined) return;
    this.#departure = departure;
    this.#departing.abort();
    if (this.#handle !== undefined) leave(this.#handle, departure);
  }

  state(state: ViewerState, reason?: string): void {
    // Nothing is sent before the answer: `open` sends the state at that time.
    if (this.#isOver || this.#handle === undefined || state === this.#toldState) return;
    this.#toldState = state;
    this.#sink.send({ type: "state", state, ...(reason === undefined ? {} : { reason }) });
  }

  message(data: string): boolean {
    if (this.#isOver) return false;
    if (this.#handle !== undefined) return this.#sink.send({ type: "message", data });
    return this.#early.length < EARLY_MESSAGES_MAX && this.#early.push(data) > 0;
  }

  notice(notice: ViewerNotice): void {
    // Nothing is sent before the answer.
    if (!this.#isOver && this.#handle !== undefined) this.#sink.send({ type: "notice", ...notice });
  }

  ended(error?: ViewerError): void {
    if (this.#isOver) return;
    this.#end = { error };
    if (this.#handle !== undefined) this.#tellEnd(error);
  }

  #tellEnd(error: ViewerError | undefined): void {
    const isTold = this.#toldState === "closed" || this.#toldState === "failed";
    if (error === undefined && !isTold) this.#sink.send({ type: "state", state: "closed" });
    this.#sink.ended(error);
  }

  get #isOver(): boolean {
    return this.#departure !== undefined || this.#end !== undefined;
  }
}

/** The messages that answer an offer. */
export function answerOf(handle: ViewerHandle): readonly ServerMessage[] {
  return [
    { type: "answer", sdp: handle.answerSdp, viewer: handle.id },
    { type: "candidate", candidate: handle.candidate },
  ];
}

function leave(handle: ViewerHandle, departure: Departure): void {
  if (departure === "clean") handle.bye();
  else handle.detach();
}
