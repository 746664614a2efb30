import { CLIENT_MESSAGE } from "./client_messages.ts";
import type { DtlsRecord } from "./dtls_records.ts";
import { formatMessage, type HandshakeMessage, MESSAGE_HEADER_BYTES } from "./handshake_message.ts";

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

/** What can be processed now: first the messages, then the records, each in order. */
export interface ReadyHandshake {
  /** Copies, not views. */
  readonly messages: readonly HandshakeMessage[];
  /** Encrypted records. */
  readonly encrypted: readonly DtlsRecord[];
}

const NOTHING_READY: ReadyHandshake = { messages: [], encrypted: [] };

/**
 * Reassembles and orders a client's handshake messages: complete and in order (RFC 6347 §4.2.2, §4.2.3),
 * and each once except for a repeated hello. On real networks datagrams arrive twice, late, or again because of a
 * retransmission, and each must be answered once. Pure: it owns no socket and no clock.
 */
export class HandshakeGate {
  #nextSequence = 0;
  readonly #partial = new Map<number, Partial>();
  /** Complete messages that wait for earlier ones. */
  readonly #waiting = new Map<number, HandshakeMessage>();
  /** Encrypted records, which cannot be decrypted before the last plaintext message. */
  #encrypted: DtlsRecord[] = [];
  #keysReady = false;

  /** Processes one handshake record, which is copied if it has to wait. */
  pass(record: DtlsRecord): ReadyHandshake {
    if (record.epoch > 0) return this.#passEncrypted(record);
    const messages: HandshakeMessage[] = [];
    for (let rest = record.fragment; rest.length > 0;) {
      const fragment = parseFragment(rest);
      if (fragment === undefined) break;
      rest = rest.subarray(MESSAGE_HEADER_BYTES + fragment.bytes.length);
      messages.push(...this.#takeFragment(fragment));
    }
    const encrypted = this.#keysReady ? this.#encrypted.splice(0) : [];
    return { messages, encrypted };
  }

  #passEncrypted(record: DtlsRecord): ReadyHandshake {
    if (this.#keysReady) return { messages: [], encrypted: [record] };
    if (this.#encrypted.length < WAITING_MAX) this.#encrypted.push(copyRecord(record));
    return NOTHING_READY;
  }

  #takeFragment(fragment: Fragment): HandshakeMessage[] {
    const { type, sequence } = fragment;
    // A client that repeats its hello has not received the answer, and the repetition triggers it again.
    const again = type === CLIENT_MESSAGE.clientHello && sequence === this.#nextSequence - 1;
    if (sequence < this.#nextSequence && !again) return [];
    if (sequence >= this.#nextSequence + WAITING_MAX) return [];
    const body = this.#assemble(fragment);
    if (body === undefined) return [];
    const message = { type, sequence, bytes: formatMessage({ type, sequence, body }) };
    if (again) return [message];
    this.#waiting.set(sequence, message);
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

  #release(): HandshakeMessage[] {
    const ready: HandshakeMessage[] = [];
    for (let next = this.#waiting.get(this.#nextSequence); next !== undefined;) {
      this.#waiting.delete(this.#nextSequence);
      // Drop fragments of a message that also arrived whole: each would hold 32 KiB for 25 bytes.
      this.#partial.delete(this.#nextSequence);
      this.#partial.delete(this.#nextSequence - 1);
      this.#nextSequence++;
      ready.push(next);
      this.#keysReady ||= next.type === CLIENT_MESSAGE.certificateVerify;
      next = this.#waiting.get(this.#nextSequence);
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

function copyRecord(record: DtlsRecord): DtlsRecord {
  const bytes = record.bytes.slice();
  return { ...record, bytes, fragment: bytes.subarray(bytes.length - record.fragment.length) };
}
