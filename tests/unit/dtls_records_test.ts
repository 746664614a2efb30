import assert from "assert";
import { splitDtlsRecords } from "../../src/transport/dtls/dtls_records.ts";
import { Random } from "../support/random.ts";

/** One record with a header that says what it carries. */
function record(
  contentType: number,
  { epoch = 0, bytes = 3 }: { epoch?: number; bytes?: number } = {},
): number[] {
  const header = [contentType, 254, 253, epoch >> 8, epoch & 255, 0, 1, 0, 0, 0, 2];
  return [...header, bytes >> 8, bytes & 255, ...new Array(bytes).fill(7)];
}

Deno.test("splitDtlsRecords: one datagram, several records", () => {
  const datagram = Uint8Array.from([
    ...record(22),
    ...record(20, { bytes: 1 }),
    ...record(22, { epoch: 1, bytes: 40 }),
  ]);
  const records = splitDtlsRecords(datagram) ?? [];
  assert.deepEqual(
    records.map(({ contentType, epoch, fragment }) => [contentType, epoch, fragment.length]),
    [[22, 0, 3], [20, 0, 1], [22, 1, 40]],
  );
  assert.equal(records[0]?.sequenceNumber, 2 ** 32 + 2);
  assert.deepEqual(records.flatMap(({ bytes }) => [...bytes]), [...datagram]);
});

Deno.test("splitDtlsRecords: a datagram with a record that is cut off is none", () => {
  const whole = Uint8Array.from([...record(22), ...record(22, { bytes: 20 })]);
  for (let end = 17; end < whole.length; end++) {
    assert.equal(splitDtlsRecords(whole.subarray(0, end)), undefined, `cut at ${end}`);
  }
  assert.equal(splitDtlsRecords(whole.subarray(0, 16))?.length, 1);
});

Deno.test("splitDtlsRecords: an encrypted record has room for nonce and tag", () => {
  assert.equal(splitDtlsRecords(Uint8Array.from(record(21, { epoch: 1, bytes: 23 }))), undefined);
  assert.equal(splitDtlsRecords(Uint8Array.from(record(21, { epoch: 1, bytes: 24 })))?.length, 1);
});

Deno.test("splitDtlsRecords: anything is either records that fill it, or nothing", () => {
  const random = new Random(6347);
  const seed = Uint8Array.from([...record(22), ...record(21, { epoch: 1, bytes: 30 })]);
  for (let i = 0; i < 5_000; i++) {
    const datagram = random.mutate(seed);
    const bytes = splitDtlsRecords(datagram)?.reduce((sum, { bytes }) => sum + bytes.length, 0);
    assert.ok(bytes === undefined || bytes === datagram.length);
  }
});
