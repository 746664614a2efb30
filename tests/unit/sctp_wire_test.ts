import { sequenceDelta } from "../../src/base/sequence_numbers.ts";
import assert from "assert";
import type { Chunk, InitTerms } from "../../src/transport/sctp/chunks.ts";
import { packetChecksum } from "../../src/transport/sctp/crc32c.ts";
import {
  formatAbort,
  formatForwardTsn,
  formatInit,
  formatOutgoingReset,
  formatPacket,
  formatResetResponses,
  formatSack,
  PacketBuilder,
} from "../../src/transport/sctp/format.ts";
import { parsePacket } from "../../src/transport/sctp/parse_packet.ts";
import { isTsnAfter, tsnDistance, tsnPlus } from "../../src/transport/sctp/serial.ts";
import { chunk, data, init, packet } from "../support/attacks/sctp_attacker.ts";

const ADDRESS = { sourcePort: 5000, destinationPort: 5001 };

const TERMS: InitTerms = {
  tag: 0xdead_beef,
  windowBytes: 131_072,
  outgoingStreams: 1_024,
  incomingStreams: 65_535,
  initialTsn: 0xffff_fff0,
  forwardTsn: true,
  reconfig: true,
};

/** The chunks of a packet that can be read. */
function read(bytes: Uint8Array): readonly Chunk[] {
  const parsed = parsePacket(bytes);
  assert.ok(!("fault" in parsed), JSON.stringify(parsed));
  return parsed.chunks;
}

/** A chunk after a way through a packet. */
function roundTrip(bytes: Uint8Array): Chunk {
  return read(formatPacket(ADDRESS, 1, bytes))[0] ?? assert.fail();
}

/** CRC32c bit by bit, the checksum's own place as zero. */
function slowChecksum(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  bytes.forEach((byte, at) => {
    crc ^= at >= 8 && at < 12 ? 0 : byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f6_3b78 : 0);
  });
  return ~crc >>> 0;
}

Deno.test("packetChecksum: is the CRC32c of RFC 9260, for every length", () => {
  // RFC 3720 §B.4: 32 bytes of zeroes.
  assert.equal(packetChecksum(new Uint8Array(32)), 0x8a91_36aa);
  for (let length = 12; length < 80; length++) {
    const bytes = Uint8Array.from({ length }, (_, at) => (at * 37 + length) & 0xff);
    assert.equal(packetChecksum(bytes), slowChecksum(bytes), `${length} bytes`);
  }
});

Deno.test("parsePacket: unknown parameters are passed over, reported, or end the list", () => {
  const known = [0xc0, 0, 0, 4];
  const terms = (parameters: readonly number[]) => {
    const [first] = read(packet(0, init({ parameters })));
    assert.ok(first?.kind === "init");
    return [first.terms.forwardTsn, first.unrecognized.length];
  };
  assert.deepEqual(terms([0x80, 0x99, 0, 4, ...known]), [true, 0], "10: passed over");
  assert.deepEqual(terms([0xc0, 0x99, 0, 5, 1, 0, 0, 0, ...known]), [true, 1], "11: and reported");
  assert.deepEqual(terms([0x00, 0x99, 0, 4, ...known]), [false, 0], "00: ends the list");
  assert.deepEqual(terms([0x40, 0x99, 0, 4, ...known]), [false, 1], "01: and is reported");
  assert.deepEqual(terms([0, 12, 0, 6, 0, 5, 0, 0, ...known]), [true, 0], "known, and of no use");
});

Deno.test("formatInit: reports unknown parameters as far as there is room", () => {
  const unrecognized = Array.from({ length: 60 }, () => new Uint8Array(60).fill(0xc1));
  const bytes = formatInit(TERMS, { cookie: new Uint8Array(16), unrecognized });
  assert.ok(bytes.length > 1_000 && bytes.length <= 1_176, `${bytes.length} bytes`);
  const first = roundTrip(bytes);
  assert.ok(first.kind === "init_ack");
  assert.deepEqual(first.terms, TERMS);
  assert.equal(first.cookie?.length, 16);
});

Deno.test("format: what is written is read as the same", () => {
  const gaps = [[2, 2], [5, 900], [902, 65_535]] as const;
  assert.deepEqual(roundTrip(formatSack({ cumulativeTsn: 0xffff_ffff, windowBytes: 9, gaps })), {
    kind: "sack",
    cumulativeTsn: 0xffff_ffff,
    windowBytes: 9,
    gaps,
  });
  const streams = [{ stream: 65_535, ssn: 65_535 }, { stream: 0, ssn: 1 }];
  assert.deepEqual(roundTrip(formatForwardTsn({ cumulativeTsn: 2 ** 31, streams })), {
    kind: "forward_tsn",
    cumulativeTsn: 2 ** 31,
    streams,
  });
  const reset = { request: 0xffff_ffff, answers: 1, lastTsn: 2 ** 31 + 1, streams: [1, 65_534, 3] };
  assert.deepEqual(roundTrip(formatOutgoingReset(reset)), {
    kind: "reconfig",
    parameters: [{
      kind: "outgoing_reset",
      request: 0xffff_ffff,
      lastTsn: 2 ** 31 + 1,
      streams: [1, 65_534, 3],
    }],
  });
  const responses = [{ request: 5, result: 1 }, { request: 6, result: 2 }];
  assert.deepEqual(roundTrip(formatResetResponses(responses)), {
    kind: "reconfig",
    parameters: responses.map((each) => ({ kind: "response", ...each })),
  });
  assert.deepEqual(roundTrip(formatAbort("protocolViolation")), {
    kind: "abort",
    tagReflected: false,
  });
});

Deno.test("PacketBuilder: data of any length is padded, and a full packet has 1188 bytes", () => {
  for (const bytes of [1, 2, 3, 4, 1_160]) {
    const builder = new PacketBuilder(ADDRESS, 7);
    const payload = new Uint8Array(bytes).fill(9);
    const piece = {
      ...{ tsn: 0xffff_ffff, stream: 65_535, ssn: 65_535, ppid: 2 ** 32 - 1, payload },
      ...{ unordered: true, begins: true, ends: false },
    };
    builder.addData(piece, { immediate: true });
    const built = builder.build();
    assert.equal(built.length % 4, 0);
    assert.deepEqual(read(built), [{ kind: "data", ...piece, immediate: true }]);
    if (bytes === 1_160) assert.equal(built.length, 1_188);
  }
});

Deno.test("parsePacket: every cut of a packet is refused, and every changed bit", () => {
  const whole = packet(7, data({ tsn: 1, payload: [1, 2, 3, 4, 5] }), chunk(4, [0, 1, 0, 4]));
  for (let length = 0; length < whole.length; length++) {
    assert.ok("fault" in parsePacket(whole.subarray(0, length)), `${length} bytes`);
  }
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const changed = whole.slice();
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.deepEqual(parsePacket(changed), { fault: "checksum" }, `bit ${bit}`);
  }
});

Deno.test("serial numbers: wrap around", () => {
  assert.ok(isTsnAfter(0, 0xffff_ffff) && !isTsnAfter(0xffff_ffff, 0) && !isTsnAfter(5, 5));
  assert.ok(!isTsnAfter(2 ** 31, 0) && !isTsnAfter(0, 2 ** 31), "2^31 apart there is no order");
  assert.equal(tsnPlus(0xffff_ffff, 2), 1);
  assert.equal(tsnPlus(0, -1), 0xffff_ffff);
  assert.equal(tsnDistance(1, 0xffff_ffff), 2);
  assert.equal(sequenceDelta(1, 65_535), 2);
  assert.equal(sequenceDelta(65_535, 1), -2);
});
