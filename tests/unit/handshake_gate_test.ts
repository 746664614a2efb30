import assert from "assert";
import { splitDtlsRecords } from "../../src/transport/dtls/dtls_records.ts";
import { HandshakeGate } from "../../src/transport/dtls/handshake_gate.ts";
import type { HandshakeMessage } from "../../src/transport/dtls/handshake_message.ts";
import { heldBytes } from "../support/machine/memory.ts";
import { Random } from "../support/random.ts";

const CLIENT_HELLO = 1;
/** A client's messages in order: two hellos, certificate, key exchange, certificate verify. */
const FLIGHTS = [CLIENT_HELLO, CLIENT_HELLO, 11, 16, 15] as const;

interface Piece {
  readonly type: number;
  readonly sequence: number;
  readonly body: Uint8Array;
  readonly offset?: number;
  readonly length?: number;
}

/** A handshake message, or a piece of one, with its 12 bytes of header. */
function message({ type, sequence, body, offset = 0, length = body.length }: Piece): number[] {
  const uint24 = (value: number) => [value >>> 16, (value >>> 8) & 0xff, value & 0xff];
  return [type, ...uint24(length), 0, sequence, ...uint24(offset), ...uint24(body.length), ...body];
}

/** A datagram of one handshake record. */
function datagram(fragment: readonly number[], epoch = 0): Uint8Array {
  const { length } = fragment;
  return Uint8Array.from(
    [22, 254, 253, 0, epoch, 0, 0, 0, 0, 0, 7, length >>> 8, length & 0xff, ...fragment],
  );
}

/** Types and bodies of what a gate lets through, encrypted records as "encrypted". */
function through(gate: HandshakeGate, datagrams: readonly Uint8Array[]): string[] {
  return datagrams.flatMap((each) => splitDtlsRecords(each.slice()) ?? [])
    .flatMap((record) => {
      const { messages, encrypted } = gate.pass(record);
      const names = [
        ...messages.map(nameMessage),
        ...encrypted.map(({ fragment }) =>
          fragment.every((byte) => byte === 9) ? "encrypted" : "?"
        ),
      ];
      // A datagram's memory is used again for the next one.
      record.bytes.fill(0);
      return names;
    });
}

function nameMessage({ type, sequence, bytes }: HandshakeMessage): string {
  const body = bytes.subarray(12);
  assert.deepEqual([...bytes], message({ type, sequence, body }), "it is in one piece");
  return `${type}/${sequence}:${new TextDecoder().decode(body)}`;
}

const body = (sequence: number) => new TextEncoder().encode(`body ${sequence}`);
const whole = FLIGHTS.map((type, sequence) =>
  datagram(message({ type, sequence, body: body(sequence) }))
);
const finished = datagram(Array.from({ length: 40 }, () => 9), 1);
const expected = [
  ...FLIGHTS.map((type, sequence) => `${type}/${sequence}:body ${sequence}`),
  "encrypted",
];

Deno.test("HandshakeGate: what comes once and in order goes through as it is", () => {
  assert.deepEqual(through(new HandshakeGate(), [...whole, finished]), expected);
});

Deno.test("HandshakeGate: duplicates do not go through, but a hello until its answer has come", () => {
  const [first, second, ...rest] = whole;
  assert.ok(first && second);
  const gate = new HandshakeGate();
  assert.deepEqual(through(gate, [first, first]), [expected[0], expected[0]]);
  assert.deepEqual(through(gate, [second, second, first]), [expected[1], expected[1]]);
  const doubled = rest.flatMap((each) => [each, each, first, second]);
  assert.deepEqual(through(gate, [...doubled, finished]), expected.slice(2));
  assert.deepEqual(through(gate, [finished]), ["encrypted"], "a repeated Finished asks for ours");
});

Deno.test("HandshakeGate: any order of a flight comes out in order, each message once", () => {
  const [first, second, ...flight] = [...whole, finished];
  assert.ok(first && second);
  const random = new Random(7);
  for (let round = 0; round < 500; round++) {
    const gate = new HandshakeGate();
    const shuffled = [...flight, ...flight].filter((each) => each !== finished);
    shuffled.push(finished);
    shuffled.sort(() => random.below(3) - 1);
    assert.deepEqual(through(gate, [first, second, ...shuffled]), expected);
  }
});

Deno.test("HandshakeGate: pieces are put together, and several messages may share a record", () => {
  const long = new TextEncoder().encode("a certificate in three pieces");
  const piece = (from: number, to: number) =>
    datagram(
      message({
        type: 11,
        sequence: 2,
        body: long.subarray(from, to),
        offset: from,
        length: long.length,
      }),
    );
  const gate = new HandshakeGate();
  assert.deepEqual(through(gate, whole.slice(0, 2)), expected.slice(0, 2));
  const rest = [3, 4].flatMap((sequence) =>
    message({ type: FLIGHTS[sequence] ?? 0, sequence, body: body(sequence) })
  );
  const pieces = [piece(20, 29), piece(0, 12), datagram(rest), piece(10, 22), piece(0, 12)];
  assert.deepEqual(through(gate, pieces), [
    "11/2:a certificate in three pieces",
    ...expected.slice(3, 5),
  ]);
});

Deno.test("HandshakeGate: what contradicts itself or is far ahead is dropped and held by nobody", () => {
  const gate = new HandshakeGate();
  const wrong = [
    datagram([1, 0, 0]),
    datagram(message({ type: 1, sequence: 0, body: body(0), length: 3 })),
    datagram(message({ type: 1, sequence: 0, body: body(0), offset: 9, length: 10 })),
    datagram(message({ type: 1, sequence: 0, body: body(0), length: 1 << 20 })),
    datagram(message({ type: 1, sequence: 200, body: body(0) })),
  ];
  assert.deepEqual(through(gate, wrong), []);
  const flood = Array.from({ length: 1000 }, () => finished);
  assert.deepEqual(through(gate, flood), []);
  assert.equal(through(gate, whole).length, FLIGHTS.length + 8, "eight encrypted records wait");
});

Deno.test("HandshakeGate: random and mutated records never throw", () => {
  const random = new Random(11);
  for (let round = 0; round < 20_000; round++) {
    const gate = new HandshakeGate();
    through(
      gate,
      whole.map((each) => random.mutate(each)).filter((each) => splitDtlsRecords(each)),
    );
  }
});

Deno.test("HandshakeGate: pieces of a message that comes whole as well are not kept", () => {
  const gate = new HandshakeGate();
  const before = heldBytes();
  const count = 255;
  for (let sequence = 0; sequence < count; sequence++) {
    const piece = { type: 11, sequence, body: Uint8Array.of(1), length: 16_384 };
    const whole = { type: 11, sequence, body: Uint8Array.of(2) };
    assert.equal(through(gate, [datagram([...message(piece), ...message(whole)])]).length, 1);
  }
  const keptBytes = heldBytes() - before;
  assert.ok(keptBytes < 1_000_000, `${keptBytes} bytes are kept`);
  assert.deepEqual(
    through(gate, [datagram(message({ type: 1, sequence: count, body: body(0) }))]),
    [
      `1/${count}:body 0`,
    ],
  );
});
