import { DTLS_CONTENT, type DtlsRecord } from "./dtls_records.ts";

const RECORD_HEADER_BYTES = 13;
const MESSAGE_HEADER_BYTES = 12;

const CLIENT_HELLO = 1;
const CERTIFICATE_VERIFY = 15;

/** Maximum reassembled message; certificate chains of browsers have one kilobyte. */
const MESSAGE_BYTES_MAX = 16 * 1024;

/** Maximum queued messages ahead of the next one, and queued encrypted records: a whole flight of the client. */
const WAITING_MAX = 8;

/** A partly received message. */
interface Partial {
  readonly type: number;
  readonly body: Uint8Array;
  /** Which bytes have been received. */
  readonly got: Uint8Array;
}

/**
 * Reassembles and orders a client's handshake messages: complete and in order (RFC 6347 §4.2.2, §4.2.3),
 * and each once except for a repeated hello. On real networks datagrams arrive twice, late, or again because of a
 * retransmission, and each must be answered once. Pure: it owns no socket and no clock.
 */
export class HandshakeGate {
  #nextSequence = 0;
  readonly #partial = new Map<number, Partial>();
  /** Complete messages that wait for earlier ones. */
  readonly #waiting = new Map<number, { type: number; record: Uint8Array }>();
  /** Encrypted records, which cannot be decrypted before the last plaintext message. */
  #encrypted: Uint8Array[] = [];
  #keysReady = false;

  /** Processes one handshake record. @returns The records that are now ready, in order; copies, not views. */
  pass(record: DtlsRecord): Uint8Array[] {
    if (record.epoch > 0) return this.#passEncrypted(record);
    const ready: Uint8Array[] = [];
    for (let rest = record.fragment; rest.length > 0;) {
      const fragment = parseFragment(rest);
      if (fragment === undefined) break;
      rest = rest.subarray(MESSAGE_HEADER_BYTES + fragment.bytes.length);
      ready.push(...this.#takeFragment(fragment, record));
    }
    return ready;
  }

  #passEncrypted({ bytes }: DtlsRecord): Uint8Array[] {
    if (this.#keysReady) return [bytes.slice()];
    if (this.#encrypted.length < WAITING_MAX) this.#encrypted.push(bytes.slice());
    return [];
  }

  #takeFragment(fragment: Fragment, { version }: DtlsRecord): Uint8Array[] {
    const { type, sequence } = fragment;
    // A client that repeats its hello has not received the answer, and the repetition triggers it again.
    const again = type === CLIENT_HELLO && sequence === this.#nextSequence - 1;
    if (sequence < this.#nextSequence && !again) return [];
    if (sequence >= this.#nextSequence + WAITING_MAX) return [];
    const body = this.#assemble(fragment);
    if (body === undefined) return [];
    const record = formatRecord({ type, sequence, body }, version);
    if (again) return [record];
    this.#waiting.set(sequence, { type, record });
    return this.#release();
  }

  #assemble({ type, sequence, length, offset, bytes }: Fragment): Uint8Array | undefined {
    if (bytes.length === length) return bytes;
    let partial = this.#partial.get(sequence);
    if (partial === undefined) {
      partial = { type, body: new Uint8Array(length), got: new Uint8Array(length) };
      this.#partial.set(sequence, partial);
    }
    if (partial.type !== type || partial.body.length !== length) return undefined;
    partial.body.set(bytes, offset);
    partial.got.fill(1, offset, offset + bytes.length);
    if (partial.got.includes(0)) return undefined;
    this.#partial.delete(sequence);
    return partial.body;
  }

  #release(): Uint8Array[] {
    const ready: Uint8Array[] = [];
    for (let next = this.#waiting.get(this.#nextSequence); next !== undefined;) {
      this.#waiting.delete(this.#nextSequence);
      // Drop fragments of a message that also arrived whole: each would hold 32 KiB for 25 bytes.
      this.#partial.delete(this.#nextSequence);
      this.#partial.delete(this.#nextSequence - 1);
      this.#nextSequence++;
      ready.push(next.record);
      this.#keysReady ||= next.type === CERTIFICATE_VERIFY;
      next = this.#waiting.get(this.#nextSequence);
    }
    if (this.#keysReady) {
      ready.push(...this.#encrypted);
      this.#encrypted = [];
    }
    return ready;
  }
}

/** A handshake message, or a fragment of one (RFC 6347 §4.2.2). */
interface Fragment {
  readonly type: number;
  readonly sequence: number;
  /** Length of the whole message, and offset of this fragment. */
  readonly length: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

function parseFragment(data: Uint8Array): Fragment | undefined {
  if (data.length < MESSAGE_HEADER_BYTES) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const uint24 = (at: number) => (view.getUint8(at) << 16) | view.getUint16(at + 1);
  const length = uint24(1);
  const offset = uint24(6);
  const bytes = data.subarray(MESSAGE_HEADER_BYTES, MESSAGE_HEADER_BYTES + uint24(9));
  if (bytes.length < uint24(9) || length > MESSAGE_BYTES_MAX) return undefined;
  if (offset + bytes.length > length) return undefined;
  return { type: view.getUint8(0), sequence: view.getUint16(4), length, offset, bytes };
}

/**
 * Formats a record for a complete message. It reuses the message's sequence number, which is not checked in plaintext.
 */
function formatRecord(
  { type, sequence, body }: { type: number; sequence: number; body: Uint8Array },
  version: DtlsRecord["version"],
): Uint8Array {
  const record = new Uint8Array(RECORD_HEADER_BYTES + MESSAGE_HEADER_BYTES + body.length);
  const view = new DataView(record.buffer);
  view.setUint8(0, DTLS_CONTENT.handshake);
  view.setUint8(1, version.major);
  view.setUint8(2, version.minor);
  view.setUint32(7, sequence);
  view.setUint16(11, MESSAGE_HEADER_BYTES + body.length);
  // The length of the message, and that of its only fragment.
  view.setUint32(13, body.length);
  view.setUint8(13, type);
  view.setUint16(17, sequence);
  view.setUint8(22, body.length >>> 16);
  view.setUint16(23, body.length & 0xffff);
  record.set(body, RECORD_HEADER_BYTES + MESSAGE_HEADER_BYTES);
  return record;
}
