import assert from "assert";
import { formatRecord, RecordReader } from "../../src/cli/json_records.ts";

/** What a reader makes of the bytes of texts that come one after another. */
function read(...chunks: readonly (string | Uint8Array)[]) {
  const records: unknown[] = [];
  let other = "";
  const decoder = new TextDecoder();
  const reader = new RecordReader({
    onRecord: (value) => records.push(value),
    onOther: (bytes) => other += decoder.decode(bytes),
  });
  for (const chunk of chunks) {
    reader.take(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk);
  }
  const early = other;
  reader.end();
  return { records, other, early };
}

const RECORD = new TextDecoder().decode(formatRecord({ one: "a\nb" }));

Deno.test("RecordReader: records are told apart from whatever stands before and behind them", () => {
  const { records, other } = read(`CUDA is up\nhalf a l${RECORD}${RECORD}ine\n`);
  assert.deepEqual(records, [{ one: "a\nb" }, { one: "a\nb" }]);
  assert.equal(other, "CUDA is up\nhalf a line\n");
});

Deno.test("RecordReader: a record may come in any pieces, and other bytes do not wait for more", () => {
  for (let at = 1; at < RECORD.length; at++) {
    const { records, other } = read(`x${RECORD.slice(0, at)}`, `${RECORD.slice(at)}y`);
    assert.deepEqual([records, other], [[{ one: "a\nb" }], "xy"], `cut at ${at}`);
  }
  assert.equal(read("no line end").early, "no line end");
});

Deno.test("RecordReader: what only begins as a record is passed on whole", () => {
  const long = `\x1e${"x".repeat(5000)}`;
  for (const text of ["\x1e", "\x1enot JSON\n", "\x1e{", long, `${long}\n${long}`]) {
    const { records, other } = read(text);
    assert.deepEqual([records, other], [[], text]);
  }
  assert.equal(read(long).early, long, "it is not held for ever");
});
