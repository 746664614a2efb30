import type { CancelTimer, Clock } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import { TokenBucket } from "../base/token_bucket.ts";
import { type SessionApi, ViewerError } from "../session/session_api.ts";
import { PREFIXED_DIALECT, startsDialect } from "./dialect.ts";
import { ERROR_TABLE, failureText, type Refusal, refusalOf } from "./refusals.ts";
import {
  BUFFERED_BYTES_MAX,
  CLOSE_LINGER_MS,
  CONNECTION_OFFERS,
  FIRST_MESSAGE_WAIT_MS,
  QUEUED_BYTES_MAX,
  QUEUED_MESSAGES_MAX,
  RENDERER_BUFFERED_BYTES_MAX,
} from "./limits.ts";
import {
  type ClientMessage,
  NATIVE_PROTOCOL,
  parseEnvelope,
  type Protocol,
  type ServerMessage,
  utf8Length,
} from "./messages.ts";
import type { SignallingMeter } from "./metrics.ts";
import { takeOffer } from "./offer_limit.ts";
import { answerOf, type Departure, ViewerRelay } from "./viewer_relay.ts";

/** The part of a WebSocket that a connection uses. No method throws in any state. */
export interface SignallingSocket {
  /** Bytes that are queued for sending. */
  bufferedBytes(): number;
  send(text: string): void;
  /** @param reason Text for people, of any length; truncated to fit into a close frame. */
  close(code: number, reason: string): void;
}

export interface ViewerConnectionOptions {
  readonly sessionId: string;
  /** Host name or IP address by which the client reached the server. */
  readonly reachedHost: string;
  /** The viewer may not send messages to the renderer. Default: false. */
  readonly viewerOnly?: boolean;
  readonly sessions: SessionApi;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: SignallingMeter;
}

/**
 * One open WebSocket, which carries one viewer at a time.
 *
 * What ends what: a `bye`, a clean close of the socket, an error and the offer of another RTCPeerConnection end the
 * viewer; a broken socket detaches it. A further offer of the same RTCPeerConnection changes it. A viewer that ends
 * with an error closes the connection. One that ends without an error (the page closed its peer connection, or its
 * media failed) does not: the page may send a new offer. Every error is sent to the client and then closes the
 * connection.
 */
export class ViewerConnection {
  readonly #socket: SignallingSocket;
  readonly #options: ViewerConnectionOptions;
  readonly #offers = new TokenBucket(CONNECTION_OFFERS);
  /** Timer for the first message, later for the delay of the close frame. */
  #cancelTimer: CancelTimer;
  /** Selected by the first message. */
  #protocol: Protocol | undefined;
  #relay: ViewerRelay | undefined;
  /** Messages that arrived while an offer was being answered, in order. */
  readonly #queue: { readonly message: ClientMessage; readonly bytes: number }[] = [];
  #queuedBytes = 0;
  #isOver = false;

  /** @param socket An open socket, owned by this connection. */
  constructor(socket: SignallingSocket, options: ViewerConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#cancelTimer = options.clock.after(FIRST_MESSAGE_WAIT_MS, () => {
      const message = `No message arrived within ${FIRST_MESSAGE_WAIT_MS / 1000} s`;
      this.refuse({ code: "bad_message", message });
    });
  }

  /** Whether it has a viewer, or an offer is being answered. */
  get hasViewer(): boolean {
    return this.#relay !== undefined;
  }

  /** Handles one message of the client. Never throws, whatever it contains. */
  receive(data: unknown): void {
    if (this.#isOver) return;
    this.#cancelTimer();
    const { message: envelope, error } = parseEnvelope(data);
    if (error !== undefined) return this.refuse(error);
    this.#protocol ??= startsDialect(envelope) ? PREFIXED_DIALECT : NATIVE_PROTOCOL;
    const parsed = this.#protocol.read(envelope);
    if (parsed.error !== undefined) return this.refuse(parsed.error);
    this.#take(parsed.message, envelope.text);
  }

  /** Sends the error, closes the connection and ends its viewer. Does nothing on a connection that has ended. */
  refuse(refusal: Refusal): void {
    if (this.#isOver) return;
    const { sessionId, meter, log } = this.#options;
    const { code, message } = refusal;
    meter.count("viewers_refused_total", { code });
    log.info("viewer_refused", { session: sessionId, code, reason: message });
    this.#closeWith(refusal);
  }

  /** The WebSocket has ended. Later calls do nothing. Never throws. */
  disconnected(departure: Departure): void {
    this.#cancelTimer();
    this.#end(departure);
  }

  /** Ends or detaches the viewer; no more messages are handled. */
  #end(departure: Departure): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelTimer();
    this.#queue.length = 0;
    try {
      this.#relay?.leave(departure);
    } catch (error) {
      this.#logFailure(error);
    }
  }

  #take(message: ClientMessage, text: string): void {
    if (message.type === "candidate") return;
    if (message.type === "bye") {
      this.#end("clean");
      return this.#socket.close(1000, "bye");
    }
    if (!this.#relay?.isPending) return this.#act(message);
    const bytes = utf8Length(text);
    this.#queue.push({ message, bytes });
    this.#queuedBytes += bytes;
    if (this.#queue.length > QUEUED_MESSAGES_MAX || this.#queuedBytes > QUEUED_BYTES_MAX) {
      this.refuse({ code: "bad_message", message: "Too many messages arrived before the answer" });
    }
  }

  #act(message: ClientMessage): void {
    try {
      if (message.type === "offer") {
        takeOffer([this.#offers], this.#options.clock.now());
        if (this.#relay?.renegotiate(message.sdp)) return;
        void this.#join(message);
      }
      if (message.type === "resume") this.#resume(message.viewer);
      // Without a viewer the message is dropped: a page may send messages before its offer or after its end.
      if (message.type === "message") this.#relay?.say(message.data);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Answers an offer, then handles queued messages. Never rejects. */
  async #join({ sdp, params, idle }: Extract<ClientMessage, { type: "offer" }>): Promise<void> {
    const { sessions, sessionId, reachedHost, viewerOnly } = this.#options;
    const former = this.#relay;
    const relay = this.#relay = this.#newRelay();
    try {
      former?.leave("clean");
      const shared = { sessionId, reachedHost, sdp, params };
      const offer = viewerOnly === undefined ? shared : { ...shared, viewerOnly };
      const request = idle === undefined ? offer : { ...offer, idle };
      const handle = await sessions.join(request, relay, { signal: relay.departed });
      relay.open(handle, answerOf(handle));
      this.#drain();
    } catch (error) {
      if (!relay.departed.aborted) this.#fail(error);
    }
  }

  #resume(viewerId: string): void {
    const { sessions, sessionId } = this.#options;
    const relay = this.#newRelay();
    const handle = sessions.resume(sessionId, viewerId, relay);
    // Not earlier, because the client may resume the very viewer that it has here; its old handle is void by now.
    this.#relay?.leave("clean");
    this.#relay = relay;
    relay.open(handle, [{ type: "resumed" }]);
  }

  #drain(): void {
    while (!this.#relay?.isPending) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      this.#queuedBytes -= next.bytes;
      this.#act(next.message);
    }
  }

  #newRelay(): ViewerRelay {
    return new ViewerRelay({
      send: (message) => this.#send(message),
      ended: (error) => this.#viewerEnded(error),
    });
  }

  #viewerEnded(error: ViewerError | undefined): void {
    if (error !== undefined) return this.#closeWith(refusalOf(error));
    this.#relay = undefined;
  }

  #fail(error: unknown): void {
    if (!(error instanceof ViewerError)) this.#logFailure(error);
    this.refuse(refusalOf(error));
  }

  #logFailure(error: unknown): void {
    const { sessionId, log } = this.#options;
    log.error("signalling_failed", { session: sessionId, error: failureText(error) });
  }

  #closeWith({ code, message, retryAfterMs, reason }: Refusal): void {
    this.#send({
      type: "error",
      code,
      message,
      ...(retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs }),
      ...(reason === undefined ? {} : { reason }),
    });
    // Sending closes the connection if the client is stalled.
    if (this.#isOver) return;
    this.#end("clean");
    this.#cancelTimer = this.#options.clock.after(
      CLOSE_LINGER_MS,
      () => this.#socket.close(ERROR_TABLE[code].closeCode, message),
    );
  }

  /** @returns False if the message was dropped. */
  #send(message: ServerMessage): boolean {
    if (this.#isOver) return false;
    const { sessionId, clock, log } = this.#options;
    const bufferedBytes = this.#socket.bufferedBytes();
    if (message.type === "message" && bufferedBytes > RENDERER_BUFFERED_BYTES_MAX) return false;
    if (bufferedBytes > BUFFERED_BYTES_MAX) {
      log.info("signalling_stalled", { session: sessionId });
      // The media may still work: the page can resume its viewer.
      this.#end("broken");
      this.#socket.close(ERROR_TABLE.internal.closeCode, "The client reads too slowly");
      return false;
    }
    const text = (this.#protocol ?? NATIVE_PROTOCOL).format(message, clock.wallMs());
    if (text !== undefined) this.#socket.send(text);
    return true;
  }
}
