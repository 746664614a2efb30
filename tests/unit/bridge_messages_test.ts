import assert from "assert";
import { BridgeViolation } from "../../src/renderer/bridge/bridge_error.ts";
import {
  formatServerMessage,
  parseServerMessage,
  type ServerMessage,
} from "../../src/renderer/bridge/server_messages.ts";
import { formatWire, type WireMessage, WireReader } from "../../src/renderer/bridge/wire.ts";
import {
  formatWriterMessage,
  parseWriterMessage,
  type WriterMessage,
} from "../../src/renderer/bridge/writer_messages.ts";
import { greyFrame } from "../support/renderers/bridge.ts";
import { Random } from "../support/random.ts";

const WRITER_MESSAGES: readonly WriterMessage[] = [
  { type: "hello", version: 1, writer: "talk.py", clockUs: 123_456_789_012, pace: "writer" },
  { type: "ring", slotBytes: 786_432, slotCount: 4 },
  greyFrame({
    session: 7,
    generation: 2,
    slot: 3,
    timestampUs: -5,
    keyframe: true,
    byteSize: 9,
    planes: [1, 2, 3].map((n) => ({ offset: n, strideBytes: 10 * n })),
  }),
  {
    type: "audio",
    session: 1,
    sampleRate: 16_000,
    channels: 2,
    timestampUs: 2 ** 50,
    samples: new Uint8Array([1, 2, 3, 4]),
  },
  { type: "idle", session: 4_294_967_295 },
  { type: "end", session: 2 },
  { type: "error", session: 2, call: "audio", text: "Kein Gerät" },
  { type: "message", session: 2, data: new Uint8Array([0, 255]) },
  {
    type: "ready",
    session: 3,
    audio: true,
    takesMessages: false,
    givesMessages: true,
    encodes: false,
  },
  { type: "refused", session: 3, text: "No place" },
  { type: "failed", code: "open_failed", text: "No device" },
];

const SERVER_MESSAGES: readonly ServerMessage[] = [
  { type: "welcome", version: 1, sound_ms: 60_000 },
  { type: "bye", code: "taken", text: "Another writer" },
  { type: "ring", generation: 1, slotBytes: 4096, slotCount: 4, slotsOffset: 4096 },
  { type: "release", generation: 1, slot: 3 },
  { type: "open", session: 1, id: "a", width: 2, height: 4, fps: 29.97, params: { x: [1] } },
  { type: "close", session: 1 },
  { type: "keyframe", session: 1 },
  { type: "message", session: 1, data: new Uint8Array([7]) },
  { type: "want_frame", session: 1, timestampUs: 2 ** 45 },
  { type: "want_audio", session: 1, timestampUs: 0 },
  { type: "bitrate", session: 1, bitsPerSecond: 2_500_000 },
  { type: "dropped", session: 1, count: 6 },
];

/** Reads one message out of its bytes. */
function unwrap(bytes: Uint8Array): WireMessage {
  const [message, ...others] = new WireReader().push(bytes);
  assert(message !== undefined);
  assert.equal(others.length, 0);
  return message;
}

function violates(payload: Uint8Array | string, { type, words }: { type: number; words: RegExp }) {
  const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
  assert.throws(
    () => parseWriterMessage(unwrap(formatWire(type, bytes))),
    (error) => error instanceof BridgeViolation && words.test(error.message),
  );
}

Deno.test("parseWriterMessage: reads what formatWriterMessage wrote", () => {
  for (const message of WRITER_MESSAGES) {
    assert.deepEqual(parseWriterMessage(unwrap(formatWriterMessage(message))), message);
  }
});

Deno.test("parseServerMessage: reads what formatServerMessage wrote, and leaves unknown types out", () => {
  for (const message of SERVER_MESSAGES) {
    assert.deepEqual(parseServerMessage(unwrap(formatServerMessage(message))), message);
  }
  assert.equal(parseServerMessage(unwrap(formatWire(999, new Uint8Array(3)))), undefined);
});

Deno.test("parseWriterMessage: a payload that is too short or too long is named", () => {
  for (const message of WRITER_MESSAGES) {
    const { type, payload } = unwrap(formatWriterMessage(message));
    const isJson = message.type === "hello" || message.type === "failed";
    const shorter = payload.subarray(0, isJson ? payload.length - 1 : 3);
    const words = isJson ? /is not a JSON object/ : /is too short/;
    violates(shorter, { type, words: new RegExp(`"${message.type}" ${words.source}`) });
  }
  for (const type of [2, 3, 5, 6, 9]) {
    violates(new Uint8Array(72), { type, words: /has \d+ bytes too many/ });
  }
});

Deno.test("parseWriterMessage: sound is held to what can be sound", () => {
  const audio = (changes: Partial<Extract<WriterMessage, { type: "audio" }>>) => {
    const message = formatWriterMessage({ ...WRITER_MESSAGES[3], ...changes } as WriterMessage);
    return unwrap(message).payload;
  };
  violates(audio({ sampleRate: 7999 }), { type: 4, words: /7999 samples a second/ });
  violates(audio({ sampleRate: 48_001 }), { type: 4, words: /48001 samples a second/ });
  violates(audio({ channels: 3 as 2 }), { type: 4, words: /has 3 channels/ });
  violates(audio({ samples: new Uint8Array(6) }), { type: 4, words: /ends within a sample/ });
  violates(audio({ samples: new Uint8Array(64_004) }), { type: 4, words: /more than a second/ });
});

Deno.test("parseWriterMessage: text is one line of bounded length", () => {
  violates(new Uint8Array(2000), { type: 7, words: /carries \d+ bytes, more than 1024/ });
  violates(`{"version":1,"writer":"${"x".repeat(5000)}"}`, { type: 1, words: /more than 4096/ });
  const parse = (type: number, payload: Uint8Array) =>
    parseWriterMessage(unwrap(formatWire(type, payload)));
  const hello = parse(1, new TextEncoder().encode('{"version":1,"writer":"a\\u001b[31m\\nb"}'));
  assert.equal(hello.type === "hello" && hello.writer, "a [31m b");
  const error = parse(7, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0, 0xff, 10, 65]));
  assert.equal(error.type === "error" && error.text, "\ufffd A");
});

Deno.test("parseWriterMessage: a hello of another version is read as far as its version", () => {
  const bytes = new TextEncoder().encode('{"version":2,"clock_us":"now","pace":3}');
  assert.deepEqual(parseWriterMessage(unwrap(formatWire(1, bytes))), {
    type: "hello",
    version: 2,
    writer: "",
    clockUs: 0,
    pace: "writer",
  });
  violates("{}", { type: 1, words: /has no version/ });
  violates("[]", { type: 1, words: /is not a JSON object/ });
});

Deno.test("WireReader: messages come whole, wherever the stream is cut", () => {
  const stream = new Uint8Array(
    WRITER_MESSAGES.flatMap((message) => [...formatWriterMessage(message)]),
  );
  for (const step of [1, 2, 7, 8, 9, 64, stream.length]) {
    const reader = new WireReader();
    const read: WriterMessage[] = [];
    for (let at = 0; at < stream.length; at += step) {
      for (const wire of reader.push(stream.slice(at, at + step))) {
        const message = parseWriterMessage(wire);
        // Its bytes are only lent.
        read.push(structuredClone(message));
      }
    }
    assert.deepEqual(read, WRITER_MESSAGES, `step ${step}`);
  }
});

Deno.test("WireReader: refuses what is no message, or too long, before it is there", () => {
  const push = (bytes: number[]) => [...new WireReader().push(new Uint8Array(bytes))];
  assert.throws(() => push([...new TextEncoder().encode("GET / HTTP/1.1")]), BridgeViolation);
  assert.throws(() => push([1, 0, 4, 0, 3, 0, 0, 0]), /262145 bytes, more than 262144/);
  assert.deepEqual(push([0, 0, 4, 0, 3, 0, 0, 0]), []);
});

Deno.test("parseWriterMessage: no bytes make it fail but by a violation", () => {
  const random = new Random(1);
  let parsed = 0;
  for (let times = 0; times < 20_000; times++) {
    const bytes = new Uint8Array(random.below(80));
    for (let at = 0; at < bytes.length; at++) bytes[at] = random.oneIn(4) ? random.below(256) : 0;
    try {
      parseWriterMessage({ type: random.below(13), payload: bytes });
      parsed++;
    } catch (error) {
      assert(error instanceof BridgeViolation, String(error));
    }
  }
  assert.ok(parsed > 100, `Only ${parsed} messages were good`);
});
