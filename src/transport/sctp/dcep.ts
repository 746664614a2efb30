/** Payload protocol identifiers of data channels (RFC 8831 §8). */
export const PPID = {
  dcep: 50,
  text: 51,
  binary: 53,
  emptyText: 56,
  emptyBinary: 57,
} as const;

const OPEN = 3;
const ACK = 2;
const OPEN_HEADER_BYTES = 12;

/** Maximum label and protocol, in bytes. */
const NAME_BYTES_MAX = 1024;

/** A request to open a channel (RFC 8832 §5.1). */
export interface ChannelRequest {
  readonly label: string;
  readonly protocol: string;
  readonly unordered: boolean;
  /** Maximum retransmissions; undefined: until it arrives. */
  readonly retransmissionsMax: number | undefined;
  /** Lifetime of a message in milliseconds; undefined: unlimited. */
  readonly lifetimeMs: number | undefined;
}

/** Parses a DCEP message (RFC 8832 §5); `undefined` if it is invalid. */
export function parseDcep(
  bytes: Uint8Array,
): { kind: "open"; request: ChannelRequest } | { kind: "ack" } | undefined {
  if (bytes[0] === ACK) return bytes.length === 1 ? { kind: "ack" } : undefined;
  if (bytes[0] !== OPEN || bytes.length < OPEN_HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const type = view.getUint8(1);
  const reliability = view.getUint32(4);
  const labelBytes = view.getUint16(8);
  const protocolBytes = view.getUint16(10);
  if (bytes.length !== OPEN_HEADER_BYTES + labelBytes + protocolBytes) return undefined;
  if (labelBytes > NAME_BYTES_MAX || protocolBytes > NAME_BYTES_MAX) return undefined;
  // The highest bit means unordered, and may be combined with the others.
  if ((type & 0x7f) > 2) return undefined;
  const protocolAt = OPEN_HEADER_BYTES + labelBytes;
  return {
    kind: "open",
    request: {
      label: decodeText(bytes.subarray(OPEN_HEADER_BYTES, protocolAt)),
      protocol: decodeText(bytes.subarray(protocolAt)),
      unordered: (type & 0x80) !== 0,
      retransmissionsMax: (type & 0x7f) === 1 ? reliability : undefined,
      lifetimeMs: (type & 0x7f) === 2 ? reliability : undefined,
    },
  };
}

/** Formats the response to an open request (RFC 8832 §5.2). */
export function formatDcepAck(): Uint8Array {
  return Uint8Array.of(ACK);
}

/** Formats a request to open a channel. */
export function formatDcepOpen(request: ChannelRequest): Uint8Array {
  const encoder = new TextEncoder();
  const [label, protocol] = [encoder.encode(request.label), encoder.encode(request.protocol)];
  const { retransmissionsMax, lifetimeMs } = request;
  const bytes = new Uint8Array(OPEN_HEADER_BYTES + label.length + protocol.length);
  const view = new DataView(bytes.buffer);
  const type = retransmissionsMax !== undefined ? 1 : lifetimeMs !== undefined ? 2 : 0;
  view.setUint8(0, OPEN);
  view.setUint8(1, type | (request.unordered ? 0x80 : 0));
  view.setUint32(4, retransmissionsMax ?? lifetimeMs ?? 0);
  view.setUint16(8, label.length);
  view.setUint16(10, protocol.length);
  bytes.set(label, OPEN_HEADER_BYTES);
  bytes.set(protocol, OPEN_HEADER_BYTES + label.length);
  return bytes;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Decodes text; invalid UTF-8 becomes U+FFFD. */
export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
