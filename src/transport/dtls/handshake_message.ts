/** Header of a handshake message, or of a fragment of one (RFC 6347 §4.2.2). */
export const MESSAGE_HEADER_BYTES = 12;

/** A complete handshake message. */
export interface HandshakeMessage {
  readonly type: number;
  readonly sequence: number;
  /** Header and body, as one fragment: what Finished covers (RFC 6347 §4.2.6). */
  readonly bytes: Uint8Array;
}

/** Formats a handshake message as one fragment. */
export function formatMessage(
  { type, sequence, body }: { type: number; sequence: number; body: Uint8Array },
): Uint8Array {
  const message = new Uint8Array(MESSAGE_HEADER_BYTES + body.length);
  const view = new DataView(message.buffer);
  // The length of the message, with the type in its first byte.
  view.setUint32(0, body.length);
  view.setUint8(0, type);
  view.setUint16(4, sequence);
  // The offset of the fragment, which is 0, and its length.
  view.setUint32(8, body.length);
  message.set(body, MESSAGE_HEADER_BYTES);
  return message;
}
