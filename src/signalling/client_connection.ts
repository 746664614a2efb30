/** What became of a WebSocket, in the terms of RFC 6455 §7.1.5. */
export interface WebSocketEnd {
  /** 1005: it was closed without a code. 1006: it broke off. */
  readonly code: number;
}

/** Who is told what happens on a WebSocket. */
export interface WebSocketListener {
  /** A whole message: text, or `undefined` for a binary one. */
  message(text: string | undefined): void;
  /** The connection is gone. Called once; nothing is called after it. */
  closed(end: WebSocketEnd): void;
}

/** An open WebSocket. Nothing here throws, whatever state it is in. */
export interface OpenWebSocket {
  /** Bytes that were sent and have not left. */
  bufferedBytes(): number;
  send(text: string): void;
  /**
   * Begins to close. The client has some seconds to answer.
   * @param reason At most 123 bytes of UTF-8.
   */
  close(code: number, reason: string): void;
}

/** How a request becomes a WebSocket. */
export interface WebSocketUpgrade {
  /** The one of the client's subprotocols that is spoken; left out for none. */
  readonly subprotocol?: string;
  /** Seconds of silence after which the connection counts as broken; a ping goes out after half of it. 0 = never. */
  readonly idleS: number;
  /** Told from now on; the socket is open already. */
  readonly listener: WebSocketListener;
}

/** The connection that a request came by. */
export interface ClientConnection {
  /**
   * Answers the request with 101. What the handler returns for it is passed over then.
   * @throws {TypeError} When the request is no valid handshake (RFC 6455 §4.2.1).
   */
  upgrade(options: WebSocketUpgrade): OpenWebSocket;
}
