import {
  CHUNK,
  type Chunk,
  type DataChunk,
  type ForwardTsnChunk,
  type InitChunk,
  type Packet,
  PARAMETER,
  PASSED_OVER,
  type ReconfigParameter,
  type SackChunk,
} from "./chunks.ts";
import { CHECKSUM_IS_LITTLE_ENDIAN, packetChecksum } from "./crc32c.ts";
import { PACKET_CHUNKS_MAX, PARAMETERS_MAX } from "./limits.ts";

/** Why a packet could not be parsed. */
export type PacketFault = "short" | "checksum" | "malformed" | "too_many_chunks";

const HEADER_BYTES = 12;
const CHUNK_HEADER_BYTES = 4;
const PARAMETER_HEADER_BYTES = 4;

/** Parses a packet (RFC 9260 §3). Never throws. If one chunk is invalid, the whole packet is. */
export function parsePacket(bytes: Uint8Array): Packet | { readonly fault: PacketFault } {
  if (bytes.length < HEADER_BYTES + CHUNK_HEADER_BYTES) return { fault: "short" };
  const view = viewOf(bytes);
  if (view.getUint32(8, CHECKSUM_IS_LITTLE_ENDIAN) !== packetChecksum(bytes)) {
    return { fault: "checksum" };
  }
  const chunks: Chunk[] = [];
  for (let at = HEADER_BYTES; at < bytes.length;) {
    const end = endOfItem(view, at);
    if (end === undefined) return { fault: "malformed" };
    if (chunks.length === PACKET_CHUNKS_MAX) return { fault: "too_many_chunks" };
    const chunk = parseChunk(bytes.subarray(at, end));
    if (chunk === undefined) return { fault: "malformed" };
    chunks.push(chunk);
    at = padded(end);
    if (at > bytes.length) return { fault: "malformed" };
  }
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    tag: view.getUint32(4),
    chunks,
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function padded(length: number): number {
  return (length + 3) & ~3;
}

/** End of a chunk or parameter without padding; both have their length at the same offset. */
function endOfItem(view: DataView, at: number): number | undefined {
  if (at + CHUNK_HEADER_BYTES > view.byteLength) return undefined;
  const length = view.getUint16(at + 2);
  const end = at + length;
  return length < CHUNK_HEADER_BYTES || end > view.byteLength ? undefined : end;
}

/** Parses one chunk with its header; `undefined` if its body is invalid. */
function parseChunk(bytes: Uint8Array): Chunk | undefined {
  const flags = bytes[1] ?? 0;
  const body = bytes.subarray(CHUNK_HEADER_BYTES);
  switch (bytes[0]) {
    case CHUNK.data:
      return parseData(bytes, flags);
    case CHUNK.init:
      return parseInit(bytes, "init");
    case CHUNK.initAck:
      return parseInit(bytes, "init_ack");
    case CHUNK.sack:
      return parseSack(body);
    case CHUNK.heartbeat:
      return { kind: "heartbeat", body };
    case CHUNK.heartbeatAck:
      return { kind: "heartbeat_ack" };
    case CHUNK.abort:
      return { kind: "abort", tagReflected: (flags & 1) !== 0 };
    case CHUNK.shutdown:
      return body.length === 4
        ? { kind: "shutdown", cumulativeTsn: viewOf(body).getUint32(0) }
        : undefined;
    case CHUNK.shutdownAck:
      return { kind: "shutdown_ack" };
    case CHUNK.error:
      return { kind: "error" };
    case CHUNK.cookieEcho:
      return { kind: "cookie_echo", cookie: body };
    case CHUNK.cookieAck:
      return { kind: "cookie_ack" };
    case CHUNK.shutdownComplete:
      return { kind: "shutdown_complete", tagReflected: (flags & 1) !== 0 };
    case CHUNK.reconfig:
      return parseReconfig(body);
    case CHUNK.forwardTsn:
      return parseForwardTsn(body);
    default:
      return { kind: "unknown", type: bytes[0] ?? 0, bytes };
  }
}

function parseData(bytes: Uint8Array, flags: number): DataChunk | undefined {
  if (bytes.length < 16) return undefined;
  const view = viewOf(bytes);
  return {
    kind: "data",
    tsn: view.getUint32(4),
    stream: view.getUint16(8),
    ssn: view.getUint16(10),
    ppid: view.getUint32(12),
    unordered: (flags & 4) !== 0,
    begins: (flags & 2) !== 0,
    ends: (flags & 1) !== 0,
    immediate: (flags & 8) !== 0,
    payload: bytes.subarray(16),
  };
}

function parseInit(bytes: Uint8Array, kind: "init" | "init_ack"): InitChunk | undefined {
  if (bytes.length < 20) return undefined;
  const view = viewOf(bytes);
  const parameters = parseParameters(bytes.subarray(20));
  if (parameters === undefined) return undefined;
  let [cookie, forwardTsn, reconfig]: [Uint8Array | undefined, boolean, boolean] = [
    undefined,
    false,
    false,
  ];
  const unrecognized: Uint8Array[] = [];
  for (const { type, value, whole } of parameters) {
    if (type === PARAMETER.stateCookie) cookie = value;
    else if (type === PARAMETER.forwardTsn) forwardTsn = true;
    else if (type === PARAMETER.supportedExtensions) {
      reconfig = value.includes(CHUNK.reconfig);
      forwardTsn ||= value.includes(CHUNK.forwardTsn);
    } else if (!PASSED_OVER.has(type) && type !== PARAMETER.unrecognized) {
      // The two high bits: whether to continue, and whether to report (RFC 9260 §3.2.1).
      if ((type & 0x4000) !== 0) unrecognized.push(whole);
      if ((type & 0x8000) === 0) break;
    }
  }
  const terms = {
    tag: view.getUint32(4),
    windowBytes: view.getUint32(8),
    outgoingStreams: view.getUint16(12),
    incomingStreams: view.getUint16(14),
    initialTsn: view.getUint32(16),
    forwardTsn,
    reconfig,
  };
  return { kind, terms, cookie, unrecognized };
}

function parseSack(body: Uint8Array): SackChunk | undefined {
  if (body.length < 12) return undefined;
  const view = viewOf(body);
  const count = view.getUint16(8);
  if (body.length !== 12 + 4 * (count + view.getUint16(10))) return undefined;
  const gaps: [number, number][] = [];
  let before = 0;
  for (let index = 0; index < count; index++) {
    const start = view.getUint16(12 + 4 * index);
    const end = view.getUint16(14 + 4 * index);
    // A block directly after the cumulative TSN would be part of it. Adjacent blocks are unusual, but valid.
    if (start <= before || end < start || start < 2) return undefined;
    gaps.push([start, end]);
    before = end;
  }
  return {
    kind: "sack",
    cumulativeTsn: view.getUint32(0),
    windowBytes: view.getUint32(4),
    gaps,
  };
}

function parseForwardTsn(body: Uint8Array): ForwardTsnChunk | undefined {
  if (body.length < 4 || body.length % 4 !== 0) return undefined;
  const view = viewOf(body);
  const streams: { stream: number; ssn: number }[] = [];
  for (let at = 4; at < body.length; at += 4) {
    streams.push({ stream: view.getUint16(at), ssn: view.getUint16(at + 2) });
  }
  return { kind: "forward_tsn", cumulativeTsn: view.getUint32(0), streams };
}

function parseReconfig(body: Uint8Array): Chunk | undefined {
  const raw = parseParameters(body);
  // One parameter, or two (RFC 6525 §3.1).
  if (raw === undefined || raw.length < 1 || raw.length > 2) return undefined;
  const parameters: ReconfigParameter[] = [];
  for (const { type, value } of raw) {
    const parameter = parseReconfigParameter(type, value);
    if (parameter === undefined) return undefined;
    parameters.push(parameter);
  }
  return { kind: "reconfig", parameters };
}

function parseReconfigParameter(type: number, value: Uint8Array): ReconfigParameter | undefined {
  if (value.length < 4) return undefined;
  const view = viewOf(value);
  const request = view.getUint32(0);
  if (type === PARAMETER.resetResponse) {
    return value.length < 8 ? undefined : { kind: "response", request, result: view.getUint32(4) };
  }
  if (type !== PARAMETER.outgoingReset) return { kind: "other", request };
  if (value.length < 12 || value.length % 2 !== 0) return undefined;
  const streams: number[] = [];
  for (let at = 12; at < value.length; at += 2) streams.push(view.getUint16(at));
  return { kind: "outgoing_reset", request, lastTsn: view.getUint32(8), streams };
}

/** An unparsed parameter (RFC 9260 §3.2.1). */
interface Parameter {
  readonly type: number;
  readonly value: Uint8Array;
  readonly whole: Uint8Array;
}

/** The parameters in a body; `undefined` if one does not fit, or there are too many. */
function parseParameters(body: Uint8Array): Parameter[] | undefined {
  const view = viewOf(body);
  const parameters: Parameter[] = [];
  for (let at = 0; at < body.length;) {
    const end = endOfItem(view, at);
    if (end === undefined || parameters.length === PARAMETERS_MAX) return undefined;
    parameters.push({
      type: view.getUint16(at),
      value: body.subarray(at + PARAMETER_HEADER_BYTES, end),
      whole: body.subarray(at, end),
    });
    // The length of the chunk excludes the padding of its last parameter.
    at = padded(end);
  }
  return parameters;
}
