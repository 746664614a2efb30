import { CAUSE, CHUNK, type ForwardTsnChunk, type InitTerms, PARAMETER } from "./chunks.ts";
import { CHECKSUM_IS_LITTLE_ENDIAN, packetChecksum } from "./crc32c.ts";
import { PACKET_BYTES_MAX } from "./limits.ts";

const HEADER_BYTES = 12;

/** Header of a DATA chunk (RFC 9260 §3.3.1). */
export const DATA_HEADER_BYTES = 16;

/** Ports of packets. */
export interface PacketAddress {
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** A fragment of a message to send. */
export interface OutgoingPiece {
  readonly tsn: number;
  readonly stream: number;
  readonly ssn: number;
  readonly ppid: number;
  readonly unordered: boolean;
  readonly begins: boolean;
  readonly ends: boolean;
  readonly payload: Uint8Array;
}

/** Builds one packet of at most {@link PACKET_BYTES_MAX} from chunks. */
export class PacketBuilder {
  readonly #bytes = new Uint8Array(PACKET_BYTES_MAX);
  readonly #view = new DataView(this.#bytes.buffer);
  #length = HEADER_BYTES;

  /** @param tag The receiver's verification tag. */
  constructor({ sourcePort, destinationPort }: PacketAddress, tag: number) {
    this.#view.setUint16(0, sourcePort);
    this.#view.setUint16(2, destinationPort);
    this.#view.setUint32(4, tag);
  }

  /** Whether it has no chunks. */
  get isEmpty(): boolean {
    return this.#length === HEADER_BYTES;
  }

  /** Bytes that still fit. */
  get roomBytes(): number {
    return PACKET_BYTES_MAX - this.#length;
  }

  /** Appends a chunk, which must fit. */
  add(chunk: Uint8Array): void {
    this.#bytes.set(chunk, this.#length);
    this.#length = padded(this.#length + chunk.length);
  }

  /** Appends data, which must fit. `immediate` requests an immediate SACK. */
  addData(piece: OutgoingPiece, { immediate }: { immediate: boolean }): void {
    const view = this.#view;
    const at = this.#length;
    const { payload } = piece;
    view.setUint8(at, CHUNK.data);
    view.setUint8(
      at + 1,
      (immediate ? 8 : 0) | (piece.unordered ? 4 : 0) | (piece.begins ? 2 : 0) |
        (piece.ends ? 1 : 0),
    );
    view.setUint16(at + 2, DATA_HEADER_BYTES + payload.length);
    view.setUint32(at + 4, piece.tsn);
    view.setUint16(at + 8, piece.stream);
    view.setUint16(at + 10, piece.ssn);
    view.setUint32(at + 12, piece.ppid);
    this.#bytes.set(payload, at + DATA_HEADER_BYTES);
    this.#length = padded(at + DATA_HEADER_BYTES + payload.length);
  }

  /** Returns the packet with its checksum. Call last. */
  build(): Uint8Array {
    const packet = this.#bytes.subarray(0, this.#length);
    this.#view.setUint32(8, packetChecksum(packet), CHECKSUM_IS_LITTLE_ENDIAN);
    return packet;
  }
}

/** Formats a packet of one chunk. */
export function formatPacket(address: PacketAddress, tag: number, chunk: Uint8Array): Uint8Array {
  const builder = new PacketBuilder(address, tag);
  builder.add(chunk);
  return builder.build();
}

function padded(length: number): number {
  return (length + 3) & ~3;
}

/** Formats a chunk of any type (RFC 9260 §3.2). */
export function formatChunk(
  type: number,
  { flags = 0, body = new Uint8Array(0) }: { flags?: number; body?: Uint8Array } = {},
): Uint8Array {
  return formatItem((type << 8) | flags, body);
}

/** Formats a parameter or a cause (RFC 9260 §3.2.1); a chunk has the same form. */
function formatItem(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + value.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, type);
  view.setUint16(2, bytes.length);
  bytes.set(value, 4);
  return bytes;
}

/** Concatenates items, all but the last padded. */
function join(...items: readonly Uint8Array[]): Uint8Array {
  const lengths = items.map(({ length }, index) =>
    index < items.length - 1 ? padded(length) : length
  );
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  items.forEach((item, index) => {
    bytes.set(item, at);
    at += lengths[index] ?? 0;
  });
  return bytes;
}

/** Formats 32-bit numbers. */
function words(...values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, index) => view.setUint32(4 * index, value));
  return new Uint8Array(view.buffer);
}

/** Formats INIT, or INIT-ACK if there is a cookie. Reports as many unknown parameters as fit. */
export function formatInit(
  terms: InitTerms,
  { cookie, unrecognized = [] }: {
    cookie?: Uint8Array;
    unrecognized?: readonly Uint8Array[];
  } = {},
): Uint8Array {
  const streams = ((terms.outgoingStreams << 16) | terms.incomingStreams) >>> 0;
  const extensions = Uint8Array.of(CHUNK.reconfig, CHUNK.forwardTsn);
  const items = [
    words(terms.tag, terms.windowBytes, streams, terms.initialTsn),
    formatItem(PARAMETER.forwardTsn, new Uint8Array(0)),
    formatItem(PARAMETER.supportedExtensions, extensions),
  ];
  if (cookie !== undefined) items.push(formatItem(PARAMETER.stateCookie, cookie));
  let roomBytes = PACKET_BYTES_MAX - HEADER_BYTES - 4 - join(...items).length - 4;
  for (const parameter of unrecognized) {
    roomBytes -= 4 + padded(parameter.length);
    if (roomBytes < 0) break;
    items.push(formatItem(PARAMETER.unrecognized, parameter));
  }
  return formatChunk(cookie === undefined ? CHUNK.init : CHUNK.initAck, { body: join(...items) });
}

/** Formats a SACK without duplicates, which senders do not use. */
export function formatSack(
  { cumulativeTsn, windowBytes, gaps }: {
    readonly cumulativeTsn: number;
    readonly windowBytes: number;
    readonly gaps: readonly (readonly [start: number, end: number])[];
  },
): Uint8Array {
  const blocks = gaps.map(([start, end]) => ((start << 16) | end) >>> 0);
  return formatChunk(CHUNK.sack, {
    body: words(cumulativeTsn, windowBytes, (gaps.length << 16) >>> 0, ...blocks),
  });
}

/** Formats FORWARD-TSN (RFC 3758 §3.2). */
export function formatForwardTsn(chunk: Omit<ForwardTsnChunk, "kind">): Uint8Array {
  const streams = chunk.streams.map(({ stream, ssn }) => ((stream << 16) | ssn) >>> 0);
  return formatChunk(CHUNK.forwardTsn, { body: words(chunk.cumulativeTsn, ...streams) });
}

/** Formats a RE-CONFIG that requests the reset of our outgoing streams (RFC 6525 §4.1). */
export function formatOutgoingReset(
  { request, answers, lastTsn, streams }: {
    readonly request: number;
    /** The latest request of the peer. */
    readonly answers: number;
    readonly lastTsn: number;
    readonly streams: readonly number[];
  },
): Uint8Array {
  const list = new DataView(new ArrayBuffer(2 * streams.length));
  streams.forEach((stream, index) => list.setUint16(2 * index, stream));
  const value = join(words(request, answers, lastTsn), new Uint8Array(list.buffer));
  return formatChunk(CHUNK.reconfig, { body: formatItem(PARAMETER.outgoingReset, value) });
}

/** Formats a RE-CONFIG with responses to requests (RFC 6525 §4.4), at most two. */
export function formatResetResponses(
  responses: readonly { readonly request: number; readonly result: number }[],
): Uint8Array {
  const items = responses.map(({ request, result }) =>
    formatItem(PARAMETER.resetResponse, words(request, result))
  );
  return formatChunk(CHUNK.reconfig, { body: join(...items) });
}

/** ABORT. */
export function formatAbort(cause: keyof typeof CAUSE): Uint8Array {
  return formatChunk(CHUNK.abort, { body: formatItem(CAUSE[cause], new Uint8Array(0)) });
}

/** Formats an ERROR with a chunk of unknown type, truncated if long. */
export function formatUnknownChunk(chunk: Uint8Array): Uint8Array {
  const beginning = chunk.subarray(0, 64);
  return formatChunk(CHUNK.error, { body: formatItem(CAUSE.unrecognizedChunk, beginning) });
}

/** Formats an ERROR with the number of a missing stream (RFC 9260 §3.3.10.1). */
export function formatInvalidStream(stream: number): Uint8Array {
  return formatChunk(CHUNK.error, {
    body: formatItem(CAUSE.invalidStream, words((stream << 16) >>> 0)),
  });
}
