/**
 * Reads numbers and vectors (RFC 5246 §4.3) off the front of bytes that are not trusted. What would reach behind the end
 * reads as zero or nothing, and {@link ByteReader.isWhole} is false from then on: one check at the end is enough.
 */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #isShort = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Whether anything is left. */
  get hasMore(): boolean {
    return this.#at < this.#bytes.length;
  }

  /** Whether all bytes were read, and not one more. */
  get isWhole(): boolean {
    return !this.#isShort && !this.hasMore;
  }

  /** A big-endian number of so many bytes. */
  number(byteCount: 1 | 2 | 3): number {
    let value = 0;
    for (const byte of this.bytes(byteCount)) value = value * 256 + byte;
    return value;
  }

  /** So many bytes, as a view; none when there are fewer. */
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

  /** A vector whose length stands in front of it, in so many bytes; a view. */
  vector(lengthBytes: 1 | 2 | 3): Uint8Array {
    return this.bytes(this.number(lengthBytes));
  }
}

/** The 16-bit numbers that fill a vector; `undefined` when a byte is left over. */
export function readUint16s(vector: Uint8Array): number[] | undefined {
  const reader = new ByteReader(vector);
  const numbers: number[] = [];
  while (reader.hasMore) numbers.push(reader.number(2));
  return reader.isWhole ? numbers : undefined;
}
