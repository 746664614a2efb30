/** Bytes before the first partition: the frame tag, and of a keyframe its start code and size (RFC 6386 §9.1). */
const TAG_BYTES = 3;
const KEYFRAME_HEADER_BYTES = 10;

const SEGMENTS = 4;
const SEGMENT_TREE_NODES = 3;
const LOOP_FILTER_DELTAS = 8;

/** Decodes bits of even probability from the boolean coder (RFC 6386 §7.3); reads zeros beyond the end. */
class LiteralReader {
  readonly #data: Uint8Array;
  #at: number;
  #value = 0;
  #range = 255;
  #shifts = 0;

  constructor(data: Uint8Array, from: number) {
    this.#data = data;
    this.#at = from;
    this.#value = this.#byte() << 8 | this.#byte();
  }

  flag(): boolean {
    const split = 1 + ((this.#range - 1) >> 1);
    const isSet = this.#value >= split << 8;
    this.#range = isSet ? this.#range - split : split;
    if (isSet) this.#value -= split << 8;
    while (this.#range < 128) {
      this.#range <<= 1;
      this.#value <<= 1;
      if (++this.#shifts % 8 === 0) this.#value |= this.#byte();
    }
    return isSet;
  }

  literal(bits: number): number {
    let value = 0;
    for (let bit = 0; bit < bits; bit++) value = value << 1 | Number(this.flag());
    return value;
  }

  /** Skips values that are each preceded by a flag. */
  skipOptional(count: number, bits: number): void {
    for (let index = 0; index < count; index++) if (this.flag()) this.literal(bits);
  }

  #byte(): number {
    return this.#data[this.#at++] ?? 0;
  }
}

/**
 * The base quantizer index of a VP8 frame, 0 (finest) to 127 (RFC 6386 §9.3 to §9.6 and §19.2).
 * @param frame One encoded frame.
 */
export function readVp8Quantizer(frame: Uint8Array): number {
  const isKeyframe = ((frame[0] ?? 0) & 1) === 0;
  const header = new LiteralReader(frame, isKeyframe ? KEYFRAME_HEADER_BYTES : TAG_BYTES);
  // Colour space and clamping.
  if (isKeyframe) header.literal(2);
  if (header.flag()) skipSegmentation(header);
  // Filter type, level and sharpness.
  header.literal(1 + 6 + 3);
  // Sign and six bits each, if there are deltas and they change.
  if (header.flag() && header.flag()) header.skipOptional(LOOP_FILTER_DELTAS, 7);
  // Number of partitions.
  header.literal(2);
  return header.literal(7);
}

function skipSegmentation(header: LiteralReader): void {
  const [changesMap, changesData] = [header.flag(), header.flag()];
  if (changesData) {
    header.flag();
    header.skipOptional(SEGMENTS, 8);
    header.skipOptional(SEGMENTS, 7);
  }
  if (changesMap) header.skipOptional(SEGMENT_TREE_NODES, 8);
}
