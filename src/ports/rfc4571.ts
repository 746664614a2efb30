/** Bytes of the length before each packet (RFC 4571 §2). */
const LENGTH_BYTES = 2;

/** Bytes that a packet has on a stream. */
export function framedBytes(packet: Uint8Array): number {
  return LENGTH_BYTES + packet.length;
}

/**
 * Packets as they follow each other on a stream, each behind its length in 16 bits (RFC 4571 §2).
 * @param packets Shorter than 65536 bytes each.
 */
export function formatFrames(packets: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = packets.reduce((sum, packet) => sum + framedBytes(packet), 0);
  const stream = new Uint8Array(bytes);
  const view = new DataView(stream.buffer);
  let at = 0;
  for (const packet of packets) {
    view.setUint16(at, packet.length);
    stream.set(packet, at + LENGTH_BYTES);
    at += framedBytes(packet);
  }
  return stream;
}

/** Cuts a stream into its packets again, however it was split on the way. */
export class FrameReader {
  readonly #packetBytesMax: number;
  /** What came of the current frame. */
  readonly #frame: Uint8Array;
  #frameBytes = 0;
  #broken = false;

  /** @param packetBytesMax Longest packet that is taken; memory for one is held. */
  constructor(packetBytesMax: number) {
    this.#packetBytesMax = packetBytesMax;
    this.#frame = new Uint8Array(LENGTH_BYTES + packetBytesMax);
  }

  /**
   * Reads on. Null packets, which RFC 4571 §2 allows, are passed over.
   * @param take Called with each packet that is whole; the packet is only valid until the call returns.
   * @returns False when a packet is longer than it may be: nothing behind it can be read any more.
   */
  push(chunk: Uint8Array, take: (packet: Uint8Array) => void): boolean {
    let at = 0;
    while (at < chunk.length && !this.#broken) {
      const wanted = this.#frameBytes < LENGTH_BYTES
        ? LENGTH_BYTES
        : LENGTH_BYTES + this.#packetBytes;
      const part = chunk.subarray(at, at + wanted - this.#frameBytes);
      this.#frame.set(part, this.#frameBytes);
      this.#frameBytes += part.length;
      at += part.length;
      if (this.#frameBytes >= LENGTH_BYTES) this.#giveIfWhole(take);
    }
    return !this.#broken;
  }

  /** As the current frame's length says. */
  get #packetBytes(): number {
    const [high = 0, low = 0] = this.#frame;
    return (high << 8) | low;
  }

  #giveIfWhole(take: (packet: Uint8Array) => void): void {
    const bytes = this.#packetBytes;
    this.#broken = bytes > this.#packetBytesMax;
    if (this.#broken || this.#frameBytes < LENGTH_BYTES + bytes) return;
    this.#frameBytes = 0;
    if (bytes > 0) take(this.#frame.subarray(LENGTH_BYTES, LENGTH_BYTES + bytes));
  }
}
