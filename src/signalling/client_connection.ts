/** How a WebSocket ended, as in RFC 6455 §7.1.5. */
export interface WebSocketEnd {
  /** 1005: closed without a code. 1006: the connection broke. */
  readonly code: number;
}

/** Events of a WebSocket. */
export interface WebSocketListener {
  /** A complete message: text, or `undefined` for a binary one. */
  message(text: string | undefined): void;
  /** The connection has ended. Called once, as the last event. */
  closed(end: WebSocketEnd): void;
}

/** An open WebSocket. No method throws in any state. */
export interface OpenWebSocket {
  /** Bytes that are queued for sending. */
  bufferedBytes(): number;
  send(text: string): void;
  /**
   * Starts the closing handshake. The client has some seconds to answer.
   * @param reason At most 123 bytes of UTF-8.
   */
  close(code: number, reason: string): void;
}

/** Options of a WebSocket upgrade. */
export interface WebSocketUpgrade {
  /** The selected subprotocol; missing for none. */
  readonly subprotocol?: string;
  /** Seconds of silence after which the connection counts as broken; a ping is sent after half of it. 0: never. */
  readonly idleS: number;
  /** Receives the events; the socket is already open. */
  readonly listener: WebSocketListener;
}

/** The connection of a request. */
export interface ClientConnection {
  /**
   * Answers the request with 101. The handler's return value is then ignored.
   * @throws {TypeError} When the request is not a valid handshake (RFC 6455 §4.2.1).
   */
  upgrade(options: WebSocketUpgrade): OpenWebSocket;
}
