import type { Random } from "../random.ts";
import { chunk, data, dcepOpen, init, packet, sack, words } from "./sctp_attacker.ts";

/** What an attacker knows of an association, so that what they make up fits it now and then. */
export interface Knowledge {
  /** The server's tag. */
  readonly tag: number;
  readonly cookie: Uint8Array;
  /** Our next TSN, and the server's last one. */
  readonly tsn: number;
  readonly sentTsn: number;
}

/** A number at, near or far from one that fits. */
function near(random: Random, fitting: number): number {
  switch (random.below(8)) {
    case 0:
      return random.uint32();
    case 1:
      return (fitting + random.pick([2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1])) >>> 0;
    case 2:
      return (fitting - random.between(1, 5)) >>> 0;
    case 3:
      return (fitting + random.between(1, 12_000)) >>> 0;
    default:
      return (fitting + random.below(4)) >>> 0;
  }
}

function hostileData(random: Random, { tsn }: Knowledge): Uint8Array {
  const flags = random.pick(["BE", "BE", "B", "E", "", "BEU", "BU", "EU", "U", "BEI"]);
  const ppid = random.pick([50, 50, 51, 53, 56, 57, 52, 0, random.uint32()]);
  // No payload ends the association.
  const length = random.oneIn(100)
    ? 0
    : random.oneIn(4)
    ? random.below(1_100)
    : random.between(1, 9);
  const payload = ppid === 50 && !random.oneIn(3)
    ? random.mutate(Uint8Array.from(dcepOpen("pinhole", random.pick([0, 1, 2, 0x80, 0x82]))))
    : random.bytes(length);
  return data({
    ...{ tsn: near(random, tsn), flags, ppid, payload },
    stream: random.pick([0, 0, 0, 1, 2, 99, 100, 65_535]),
    ssn: random.pick([0, 1, 2, 3, 32_768, 65_535]),
  });
}

function hostileSack(random: Random, { sentTsn }: Knowledge): Uint8Array {
  // One of what was never sent ends the association: that comes now and then, and mostly what may be.
  const isWild = random.oneIn(25);
  const behind = random.pick([0, 0, 1, 2, 5]);
  const gaps: [number, number][] = [];
  let at = random.between(2, 4);
  for (let count = random.pick([0, 0, 1, 2, 40]); count > 0; count--) {
    const end = at + random.below(3);
    if (!isWild && end > behind) break;
    gaps.push(
      isWild && random.oneIn(30) ? [random.below(65_536), random.below(65_536)] : [at, end],
    );
    at = end + random.between(1, 4);
  }
  const acknowledged = (sentTsn - behind) >>> 0;
  return sack(isWild ? near(random, acknowledged) : acknowledged, {
    window: random.pick([0, 1, 1_500, 0x10_0000, 0xffff_ffff]),
    gaps,
    duplicates: Array.from({ length: random.pick([0, 0, 3, 100]) }, () => random.uint32()),
  });
}

function hostileReconfig(random: Random, { tsn, sentTsn }: Knowledge): Uint8Array {
  const streams = Array.from({ length: random.below(4) }, () => random.pick([0, 1, 65_535]));
  const bytes = streams.flatMap((stream) => [stream >> 8, stream & 0xff]);
  const request = near(random, random.pick([1, 2, 3, tsn]));
  const outgoing = [
    ...[0, 13, 0, 16 + bytes.length, ...words(request, 0, near(random, (tsn - 1) >>> 0))],
    ...bytes,
  ];
  const response = [0, 16, 0, 12, ...words(near(random, sentTsn), random.below(8))];
  const other = [0, random.pick([14, 15, 17, 18, 99]), 0, 12, ...words(request, random.uint32())];
  const body = random.pick([outgoing, outgoing, response, other, [...response, ...response]]);
  return chunk(130, random.oneIn(10) ? random.mutate(Uint8Array.from(body)) : body);
}

function hostileInit(random: Random): Uint8Array {
  const parameters = Array.from({ length: random.below(5) }, () => {
    const value = random.bytes(4 * random.below(6));
    return [random.below(256), random.below(256), 0, 4 + value.length, ...value];
  });
  return init({
    tag: random.pick([0, 7, 7, 8, random.uint32()]),
    window: random.pick([0, 1_500, 0x10_0000, 0xffff_ffff]),
    out: random.pick([0, 1, 100, 65_535]),
    into: random.pick([0, 1, 100, 65_535]),
    tsn: random.pick([1, 0xffff_ffff, random.uint32()]),
    parameters: parameters.flat(),
  });
}

function hostileChunk(random: Random, known: Knowledge): Uint8Array {
  switch (random.below(12)) {
    case 0:
    case 1:
    case 2:
      return hostileData(random, known);
    case 3:
    case 4:
      return hostileSack(random, known);
    case 5:
      return hostileReconfig(random, known);
    case 6: {
      const streams = Array.from({ length: random.pick([0, 1, 60]) }, () => random.uint32());
      // Far beyond what was sent ends it too.
      const tsn = random.oneIn(6) ? near(random, known.tsn) : (known.tsn + random.below(3)) >>> 0;
      return chunk(192, words(tsn, ...streams));
    }
    case 7:
      return chunk(10, random.oneIn(2) ? known.cookie : random.bytes(random.below(40)));
    case 8:
      return chunk(4, random.bytes(random.pick([0, 8, 40, 900])));
    case 9:
      return random.oneIn(10)
        ? chunk(random.pick([6, 7, 14]), words(known.sentTsn))
        : chunk(random.pick([2, 5, 8, 9, 11]), random.bytes(random.below(40)));
    case 10:
      return chunk(random.below(256), random.bytes(random.below(60)), { flags: random.below(256) });
    default: {
      const bytes = random.bytes(random.below(60));
      return chunk(random.below(15), bytes, {
        length: random.pick([0, 1, 3, bytes.length, 65_535]),
      });
    }
  }
}

/** A packet that fits an association more or less: mostly with the right tag and checksum. */
export function hostilePacket(random: Random, known: Knowledge): Uint8Array {
  if (random.oneIn(12)) return packet(random.oneIn(4) ? known.tag : 0, hostileInit(random));
  const count = random.pick([1, 1, 1, 2, 3, 8]);
  const chunks = Array.from({ length: count }, () => hostileChunk(random, known));
  const tag = random.oneIn(30) ? random.pick([0, 7, random.uint32()]) : known.tag;
  const bytes = packet(tag, ...chunks);
  if (random.oneIn(20)) return random.mutate(bytes);
  return random.oneIn(30) ? bytes.subarray(0, random.below(bytes.length)) : bytes;
}
