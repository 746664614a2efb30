import type {
  ViewerError,
  ViewerHandle,
  ViewerListener,
  ViewerNotice,
  ViewerState,
} from "../session/session_api.ts";
import { EARLY_MESSAGES_MAX } from "./limits.ts";
import type { ServerMessage } from "./messages.ts";

/** How a connection leaves its viewer: with a goodbye that ends it, or broken off, so that it lives on. */
export type Departure = "clean" | "broken";

/** Where a relay hands on what it hears. Neither function throws. */
export interface ViewerRelaySink {
  /** @returns False when the message was dropped, since too much waits already; only the renderer's ever are. */
  send(message: ServerMessage): boolean;
  /** The viewer is over, and the client has its last state. `error` is there when the server's side is the cause. */
  ended(error?: ViewerError): void;
}

/**
 * The tie between one connection and one viewer, made before the sessions have answered: keeps the order that clients
 * are promised (answer, candidate, state, the rest), and leaves a viewer behind that was granted too late. The sink
 * hears nothing after {@link leave} or the viewer's end.
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

  /** Whether the sessions have still to answer. */
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
   * Has the viewer answer a further offer of its RTCPeerConnection, and sends the answer and the state.
   * @returns False when the offer is not of this viewer, or there is none.
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

  /** Hands text to the renderer. */
  say(data: string): void {
    this.#handle?.message(data);
  }

  /** The connection goes, now or as soon as the viewer is granted. Idempotent. */
  leave(departure: Departure): void {
    if (this.#departure !== undefined) return;
    this.#departure = departure;
    this.#departing.abort();
    if (this.#handle !== undefined) leave(this.#handle, departure);
  }

  state(state: ViewerState, reason?: string): void {
    // Before the answer nothing is told: `open` tells the state that holds by then.
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
    // Before the answer nothing is told.
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

/** What a client is sent for its offer. */
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
