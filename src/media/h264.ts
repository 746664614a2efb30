/** NAL unit types (ITU-T H.264 table 7-1) and payload structures (RFC 6184 §5.2). */
const TYPE_SLICE = 1;
const TYPE_IDR = 5;
const TYPE_SPS = 7;
const TYPE_PPS = 8;
const TYPE_DELIMITER = 9;
const TYPE_FILLER = 12;
const TYPE_STAP_A = 24;
const TYPE_FU_A = 28;

const TYPE_MASK = 0x1f;
const FORBIDDEN_BIT = 0x80;
const IMPORTANCE_MASK = 0x60;

const START_CODE_BYTES = 3;
const STAP_A_HEADER_BYTES = 1;
const STAP_A_LENGTH_BYTES = 2;
const FU_A_HEADER_BYTES = 2;
const FU_A_START = 0x80;
const FU_A_END = 0x40;
/** The limit of STAP-A's 16-bit lengths. */
const PAYLOAD_BYTES_LIMIT = 65_535;

function nalType(nal: Uint8Array): number {
  return (nal[0] ?? 0) & TYPE_MASK;
}

/** Index of the first `00 00 01` at or after `from`, or the length of `data`. Each byte of a stream passes here. */
function startCodeIndex(data: Uint8Array, from: number): number {
  const end = data.length;
  // The third byte allows a skip: unless it is 0, no start code begins at it or at the two bytes before.
  let third = from + 2;
  while (third < end) {
    const value = data[third] ?? 0;
    if (value > 1) third += 3;
    else if (value === 0) third += 1;
    else if (data[third - 1] === 0 && data[third - 2] === 0) return third - 2;
    else third += 3;
  }
  return end;
}

/** The NAL unit that begins at `begin`, before the next start code or the end. */
function nalUnit(data: Uint8Array, begin: number, next: number): Uint8Array {
  let end = next;
  // A NAL unit never ends in a zero byte: such bytes are padding, or the first byte of a longer start code.
  while (end > begin && data[end - 1] === 0) end -= 1;
  return data.subarray(begin, end);
}

function* nalUnits(accessUnit: Uint8Array): Generator<Uint8Array, void> {
  let start = startCodeIndex(accessUnit, 0);
  while (start < accessUnit.length) {
    const begin = start + START_CODE_BYTES;
    start = startCodeIndex(accessUnit, begin);
    const nal = nalUnit(accessUnit, begin, start);
    if (nal.length > 0) yield nal;
  }
}

/**
 * Finds the NAL units of an H.264 byte stream (ITU-T H.264 Annex B), with start codes of three or four bytes.
 *
 * @returns Views into `accessUnit`, without start codes and trailing zero bytes. Empty units and bytes before the
 * first start code are omitted.
 */
export function splitAnnexB(accessUnit: Uint8Array): Uint8Array[] {
  return [...nalUnits(accessUnit)];
}

/** Options of {@link packetizeH264}. */
export interface PacketizeH264Options {
  /**
   * Maximum bytes of one RTP payload, an integer: the packet limit minus the RTP header and its extensions. The caller
   * also subtracts what SRTP appends.
   */
  readonly payloadBytesMax: number;
}

/**
 * Splits one access unit into RTP payloads (RFC 6184, packetization-mode 1).
 *
 * Small NAL units share a STAP-A (§5.7.1), which usually combines parameter sets with the next unit. A unit that fits
 * alone is sent unchanged (§5.6). A larger one becomes FU-A fragments (§5.8) whose sizes differ by one byte at most,
 * so that no packet carries a small rest. Access unit delimiters and filler are redundant in RTP, and types 0 and
 * 24–31 have another meaning there; none of them is sent. The packet of the last payload carries the marker bit.
 *
 * @param accessUnit Annex B, one picture.
 * @returns Payloads in sending order. Some are views into `accessUnit`, so it must stay unchanged while they are used.
 * @throws {RangeError} When `payloadBytesMax` is not between 3 and 65535.
 */
export function packetizeH264(accessUnit: Uint8Array, options: PacketizeH264Options): Uint8Array[] {
  const { payloadBytesMax } = options;
  if (!(payloadBytesMax > FU_A_HEADER_BYTES && payloadBytesMax <= PAYLOAD_BYTES_LIMIT)) {
    throw new RangeError(
      `Cannot packetize H.264 with payloadBytesMax ${payloadBytesMax}: it must be between 3 and 65535`,
    );
  }
  const payloads: Uint8Array[] = [];
  let group: Uint8Array[] = [];
  let groupBytes = STAP_A_HEADER_BYTES;
  const flush = () => {
    const [only] = group;
    if (only === undefined) return;
    payloads.push(group.length === 1 ? only : aggregate(group, groupBytes));
    group = [];
    groupBytes = STAP_A_HEADER_BYTES;
  };
  for (const nal of nalUnits(accessUnit)) {
    if (!isSent(nalType(nal))) continue;
    const bytes = STAP_A_LENGTH_BYTES + nal.length;
    if (groupBytes + bytes > payloadBytesMax) flush();
    if (nal.length > payloadBytesMax) {
      pushFragments(payloads, { nal, payloadBytesMax });
    } else {
      group.push(nal);
      groupBytes += bytes;
    }
  }
  flush();
  return payloads;
}

function isSent(type: number): boolean {
  return type > 0 && type < TYPE_STAP_A && type !== TYPE_DELIMITER && type !== TYPE_FILLER;
}

/** Makes one STAP-A of `bytes` bytes. Its header has the highest NRI and F bits of its units (§5.3, §5.7.1). */
function aggregate(nals: readonly Uint8Array[], bytes: number): Uint8Array {
  const payload = new Uint8Array(bytes);
  let forbidden = 0;
  let importance = 0;
  let at = STAP_A_HEADER_BYTES;
  for (const nal of nals) {
    const header = nal[0] ?? 0;
    forbidden |= header & FORBIDDEN_BIT;
    importance = Math.max(importance, header & IMPORTANCE_MASK);
    payload[at] = nal.length >>> 8;
    payload[at + 1] = nal.length & 0xff;
    payload.set(nal, at + STAP_A_LENGTH_BYTES);
    at += STAP_A_LENGTH_BYTES + nal.length;
  }
  payload[0] = forbidden | importance | TYPE_STAP_A;
  return payload;
}

/** Appends the FU-A fragments of one NAL unit, in one buffer. Their headers contain the unit's header byte. */
function pushFragments(
  payloads: Uint8Array[],
  { nal, payloadBytesMax }: { nal: Uint8Array; payloadBytesMax: number },
): void {
  const header = nal[0] ?? 0;
  const body = nal.subarray(1);
  const count = Math.ceil(body.length / (payloadBytesMax - FU_A_HEADER_BYTES));
  const buffer = new Uint8Array(body.length + count * FU_A_HEADER_BYTES);
  for (let index = 0, from = 0, at = 0; index < count; index++) {
    const to = Math.floor(((index + 1) * body.length) / count);
    const end = at + FU_A_HEADER_BYTES + to - from;
    const edge = index === 0 ? FU_A_START : index === count - 1 ? FU_A_END : 0;
    buffer[at] = (header & ~TYPE_MASK) | TYPE_FU_A;
    buffer[at + 1] = edge | (header & TYPE_MASK);
    buffer.set(body.subarray(from, to), at + FU_A_HEADER_BYTES);
    payloads.push(buffer.subarray(at, end));
    from = to;
    at = end;
  }
}

/**
 * Makes each keyframe of a stream decodable by itself: an encoder may send its parameter sets only once, but viewers
 * join later. Keeps the sets of the stream and inserts them before an IDR picture that has none.
 */
export class ParameterSetCache {
  /** By parameter set id: keeps the newest of each, and the ids limit their number. */
  readonly #sps = new Map<number, Uint8Array>();
  readonly #pps = new Map<number, Uint8Array>();

  /**
   * Processes the next access unit of the stream (Annex B), which is parsed up to its first slice and not kept.
   *
   * @returns `accessUnit` itself; or, for an IDR picture without SPS or PPS, a copy with all kept sets before its
   * first unit that is not an access unit delimiter.
   */
  complete(accessUnit: Uint8Array): Uint8Array {
    let insertAt: number | undefined;
    let hasSps = false;
    let hasPps = false;
    let start = startCodeIndex(accessUnit, 0);
    while (start < accessUnit.length) {
      const begin = start + START_CODE_BYTES;
      const type = (accessUnit[begin] ?? 0) & TYPE_MASK;
      if (type !== TYPE_DELIMITER) insertAt ??= start;
      // Its end is not needed: a slice is most of the access unit.
      if (type >= TYPE_SLICE && type <= TYPE_IDR) {
        return type === TYPE_IDR && !(hasSps && hasPps)
          ? this.#insert(accessUnit, insertAt ?? start)
          : accessUnit;
      }
      start = startCodeIndex(accessUnit, begin);
      const nal = nalUnit(accessUnit, begin, start);
      if (type === TYPE_SPS) {
        hasSps = true;
        // After the header, profile, constraints and level: seq_parameter_set_id (ITU-T H.264 §7.3.2.1.1).
        remember(this.#sps, { nal, idIndex: 4 });
      } else if (type === TYPE_PPS) {
        hasPps = true;
        // After the header: pic_parameter_set_id (§7.3.2.2).
        remember(this.#pps, { nal, idIndex: 1 });
      }
    }
    return accessUnit;
  }

  #insert(accessUnit: Uint8Array, insertAt: number): Uint8Array {
    const sets = [...this.#sps.values(), ...this.#pps.values()];
    const setBytes = sets.reduce((sum, set) => sum + START_CODE_BYTES + 1 + set.length, 0);
    const completed = new Uint8Array(accessUnit.length + setBytes);
    completed.set(accessUnit.subarray(0, insertAt));
    let at = insertAt;
    for (const set of sets) {
      completed[at + START_CODE_BYTES] = 1;
      completed.set(set, at + START_CODE_BYTES + 1);
      at += START_CODE_BYTES + 1 + set.length;
    }
    completed.set(accessUnit.subarray(insertAt), at);
    return completed;
  }
}

function remember(
  sets: Map<number, Uint8Array>,
  { nal, idIndex }: { nal: Uint8Array; idIndex: number },
): void {
  const id = readExpGolomb(nal, idIndex);
  if (id !== undefined) sets.set(id, nal.slice());
}

/** An unsigned Exp-Golomb code (ITU-T H.264 §9.1) that starts at a byte; undefined if above any parameter set's id. */
function readExpGolomb(data: Uint8Array, index: number): number | undefined {
  const bits = ((data[index] ?? 0) << 24) | ((data[index + 1] ?? 0) << 16) |
    ((data[index + 2] ?? 0) << 8);
  const leadingZeros = Math.clz32(bits);
  return leadingZeros > 8 ? undefined : (bits >>> (31 - 2 * leadingZeros)) - 1;
}
