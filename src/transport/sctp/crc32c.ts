/** Castagnoli's polynomial, bits reversed (RFC 9260 appendix A). */
const POLYNOMIAL = 0x82f6_3b78;

/**
 * Eight consecutive tables of 256 entries (slicing-by-8): entry n of table k is the effect of byte n when k bytes
 * follow it. Processing eight bytes at a time makes a packet of 1200 bytes cost about 1 µs instead of 3.
 */
const TABLES = makeTables();

/** Offset of the checksum, which counts as zero. */
const CHECKSUM_AT = 8;
const CHECKSUM_END = 12;

/** Unlike all other fields, the checksum is little-endian (RFC 9260 appendix A). */
export const CHECKSUM_IS_LITTLE_ENDIAN = true;

/** CRC32c of an SCTP packet of at least 12 bytes, with its checksum field counted as zero (RFC 9260 §6.8). */
export function packetChecksum(packet: Uint8Array): number {
  let crc = update(0xffff_ffff, packet, 0, CHECKSUM_AT);
  for (let at = CHECKSUM_AT; at < CHECKSUM_END; at++) crc = (crc >>> 8) ^ entry(0, crc & 0xff);
  return ~update(crc, packet, CHECKSUM_END, packet.length) >>> 0;
}

function update(start: number, bytes: Uint8Array, from: number, end: number): number {
  let crc = start;
  let at = from;
  for (; at + 8 <= end; at += 8) {
    crc ^= byte(bytes, at) | (byte(bytes, at + 1) << 8) | (byte(bytes, at + 2) << 16) |
      (byte(bytes, at + 3) << 24);
    crc = entry(7, crc & 0xff) ^ entry(6, (crc >>> 8) & 0xff) ^ entry(5, (crc >>> 16) & 0xff) ^
      entry(4, crc >>> 24) ^ entry(3, byte(bytes, at + 4)) ^ entry(2, byte(bytes, at + 5)) ^
      entry(1, byte(bytes, at + 6)) ^ entry(0, byte(bytes, at + 7));
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ entry(0, (crc ^ byte(bytes, at)) & 0xff);
  return crc;
}

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}

function entry(table: number, index: number): number {
  return TABLES[table * 256 + index] ?? 0;
}

function makeTables(): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let index = 0; index < 256; index++) {
    let crc = index;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
    tables[index] = crc;
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256] ?? 0;
    tables[at] = (before >>> 8) ^ (tables[before & 0xff] ?? 0);
  }
  return tables;
}
