/**
 * Reads numbers and vectors (RFC 5246 §4.3) from untrusted bytes. Beyond the end, numbers read as zero and vectors as
 * empty, and {@link ByteReader.isWhole} is false from then on, so one check at the end is enough.
 */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #isShort = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Whether any bytes are left. */
  get hasMore(): boolean {
    return this.#at < this.#bytes.length;
  }

  /** Whether exactly all bytes were read. */
  get isWhole(): boolean {
    return !this.#isShort && !this.hasMore;
  }

  /** Reads a big-endian number of so many bytes. */
  number(byteCount: 1 | 2 | 3): number {
    let value = 0;
    for (const byte of this.bytes(byteCount)) value = value * 256 + byte;
    return value;
  }

  /** Reads so many bytes, as a view; empty if there are fewer. */
  bytes(count: number): Uint8Array {
    const end = this.#at + count;
    if (end > this.#bytes.length) {
      this.#isShort = true;
      this.#at = this.#bytes.length;
      return this.#bytes.subarray(0, 0);
    }
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  /** Reads a vector preceded by its length in so many bytes, as a view. */
  vector(lengthBytes: 1 | 2 | 3): Uint8Array {
    return this.bytes(this.number(lengthBytes));
  }
}

/** Reads a vector of 16-bit numbers; `undefined` if a byte is left over. */
export function readUint16s(vector: Uint8Array): number[] | undefined {
  const reader = new ByteReader(vector);
  const numbers: number[] = [];
  while (reader.hasMore) numbers.push(reader.number(2));
  return reader.isWhole ? numbers : undefined;
}
