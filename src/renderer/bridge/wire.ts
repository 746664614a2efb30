import { BridgeViolation } from "./bridge_error.ts";
import { LITTLE_ENDIAN } from "./libc.ts";
import { WIRE_PAYLOAD_BYTES_MAX } from "./limits.ts";

/** Bytes before each payload: its length (u32), its type (u16), and two bytes that are 0. */
const HEADER_BYTES = 8;

/** One message of the socket, of any type. */
export interface WireMessage {
  readonly type: number;
  /** Valid until more bytes are passed to the reader; copy it to keep it longer. */
  readonly payload: Uint8Array;
}

/** Formats a message whose payload is the concatenation of `parts`. */
export function formatWire(type: number, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = parts.reduce((sum, part) => sum + part.byteLength, 0);
  const bytes = new Uint8Array(HEADER_BYTES + length);
  const header = new DataView(bytes.buffer);
  header.setUint32(0, length, LITTLE_ENDIAN);
  header.setUint16(4, type, LITTLE_ENDIAN);
  let at = HEADER_BYTES;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}

/** Splits a stream of bytes into messages. */
export class WireReader {
  /** Starts with the received part of an incomplete message; grows as more arrives. */
  #buffer: Uint8Array = new Uint8Array(0);
  /** Length of that part. */
  #held = 0;

  /**
   * Adds bytes, and yields the messages that are then complete, in order.
   * @throws {BridgeViolation} When the bytes are not messages; the rest of the stream cannot be parsed.
   */
  *push(chunk: Uint8Array): Generator<WireMessage> {
    const bytes = this.#held === 0 ? chunk : this.#append(chunk);
    let at = 0;
    for (;;) {
      const message = readMessage(bytes.subarray(at));
      if (message === undefined) break;
      at += HEADER_BYTES + message.payload.byteLength;
      yield message;
    }
    this.#keep(bytes.subarray(at));
  }

  /** A message may arrive in single bytes, so it is not copied for each. */
  #append(chunk: Uint8Array): Uint8Array {
    const length = this.#held + chunk.byteLength;
    if (length > this.#buffer.byteLength) {
      const larger = new Uint8Array(2 * length);
      larger.set(this.#buffer.subarray(0, this.#held));
      this.#buffer = larger;
    }
    this.#buffer.set(chunk, this.#held);
    return this.#buffer.subarray(0, length);
  }

  #keep(rest: Uint8Array): void {
    this.#held = rest.byteLength;
    if (rest.buffer === this.#buffer.buffer && rest.byteOffset === 0) return;
    // Earlier messages are still views of the buffer.
    this.#buffer = rest.slice();
  }
}

function readMessage(bytes: Uint8Array): WireMessage | undefined {
  if (bytes.byteLength < HEADER_BYTES) return undefined;
  const header = viewOf(bytes);
  const length = header.getUint32(0, LITTLE_ENDIAN);
  const type = header.getUint16(4, LITTLE_ENDIAN);
  if (header.getUint16(6, LITTLE_ENDIAN) !== 0) {
    throw new BridgeViolation("it sent bytes that are not a message of the bridge");
  }
  if (length > WIRE_PAYLOAD_BYTES_MAX) {
    throw new BridgeViolation(
      `a message of type ${type} has ${length} bytes, more than ${WIRE_PAYLOAD_BYTES_MAX}`,
    );
  }
  if (bytes.byteLength < HEADER_BYTES + length) return undefined;
  return { type, payload: bytes.subarray(HEADER_BYTES, HEADER_BYTES + length) };
}

/** A DataView of a payload. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Formats a payload of numbers: each as u32, or a bigint as i64. */
export function numbers(...values: readonly (number | bigint)[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 8);
  const view = viewOf(bytes);
  let at = 0;
  for (const value of values) {
    if (typeof value === "bigint") {
      view.setBigInt64(at, value, LITTLE_ENDIAN);
      at += 8;
    } else {
      view.setUint32(at, value, LITTLE_ENDIAN);
      at += 4;
    }
  }
  return bytes.subarray(0, at);
}

/** Formats a payload of text. */
export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

/** Reads the fields of one payload in order, and checks its length. */
export class PayloadReader {
  readonly #what: string;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  /** @param what Name of the message in error messages. */
  constructor(what: string, payload: Uint8Array) {
    this.#what = what;
    this.#bytes = payload;
    this.#view = viewOf(payload);
  }

  u32(): number {
    this.#need(4);
    const value = this.#view.getUint32(this.#at, LITTLE_ENDIAN);
    this.#at += 4;
    return value;
  }

  /** Reads a signed number that a double can hold exactly. */
  i64(): number {
    this.#need(8);
    const value = Number(this.#view.getBigInt64(this.#at, LITTLE_ENDIAN));
    this.#at += 8;
    if (!Number.isSafeInteger(value)) this.fail(`carries the number ${value}`);
    return value;
  }

  /** Reads the rest as a view, not a copy. */
  rest(bytesMax: number): Uint8Array {
    const rest = this.#bytes.subarray(this.#at);
    if (rest.byteLength > bytesMax) {
      this.fail(`carries ${rest.byteLength} bytes, more than ${bytesMax}`);
    }
    this.#at = this.#bytes.byteLength;
    return rest;
  }

  /** Reads the rest as text; invalid UTF-8 is replaced. */
  text(bytesMax: number): string {
    return new TextDecoder().decode(this.rest(bytesMax));
  }

  /** Reads the rest as a JSON object. */
  json(bytesMax: number): Readonly<Record<string, unknown>> {
    let value: unknown;
    try {
      value = JSON.parse(this.text(bytesMax));
    } catch (error) {
      if (error instanceof BridgeViolation) throw error;
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      this.fail("is not a JSON object");
    }
    return value as Readonly<Record<string, unknown>>;
  }

  /** Checks that the whole payload was read. */
  end(): void {
    const more = this.#bytes.byteLength - this.#at;
    if (more > 0) this.fail(`has ${more} bytes too many`);
  }

  /** @throws {BridgeViolation} Always. */
  fail(why: string): never {
    throw new BridgeViolation(`${this.#what} ${why}`);
  }

  #need(bytes: number): void {
    if (this.#at + bytes > this.#bytes.byteLength) this.fail("is too short");
  }
}
