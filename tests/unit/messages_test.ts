import assert from "assert";
import {
  CANDIDATE_CHARS_MAX,
  CLIENT_MESSAGE_BYTES_MAX,
  IDLE_NAME_CHARS_MAX,
  PARAMS_BYTES_MAX,
  VIEWER_ID_CHARS_MAX,
} from "../../src/signalling/limits.ts";
import {
  type ClientMessage,
  NATIVE_PROTOCOL,
  type Parsed,
  parseEnvelope,
} from "../../src/signalling/messages.ts";

function read(data: unknown): Parsed<ClientMessage> {
  const { message, error } = parseEnvelope(data);
  return error === undefined ? NATIVE_PROTOCOL.read(message) : { error };
}

function readJson(value: unknown): Parsed<ClientMessage> {
  return read(JSON.stringify(value));
}

function assertRefused(parsed: Parsed<ClientMessage>, text: RegExp): void {
  assert.equal(parsed.error?.code, "bad_message");
  assert.match(parsed.error?.message ?? "", text);
}

Deno.test("NATIVE_PROTOCOL.read: takes every message of the reference", () => {
  const cases: [unknown, ClientMessage][] = [
    [{ type: "offer", sdp: "v=0" }, { type: "offer", sdp: "v=0", params: {} }],
    [
      { type: "offer", sdp: "v=0", idle: "smile", params: { voice: 3 } },
      { type: "offer", sdp: "v=0", idle: "smile", params: { voice: 3 } },
    ],
    [{ type: "candidate", candidate: null }, { type: "candidate" }],
    [{ type: "candidate", candidate: { candidate: "" } }, { type: "candidate" }],
    [
      {
        type: "candidate",
        candidate: {
          candidate: "gibberish",
          sdpMid: null,
          sdpMLineIndex: 0,
          usernameFragment: "a",
        },
      },
      { type: "candidate" },
    ],
    [{ type: "resume", viewer: "abc" }, { type: "resume", viewer: "abc" }],
    [{ type: "message", data: "" }, { type: "message", data: "" }],
    [{ type: "bye", more: "is ignored" }, { type: "bye" }],
  ];
  for (const [given, message] of cases) assert.deepEqual(readJson(given), { message });
});

Deno.test("parseEnvelope: refuses what is not a JSON object with a type", () => {
  assertRefused(read(new ArrayBuffer(4)), /not binary/);
  assertRefused(read(""), /not JSON/);
  assertRefused(read('{"type":"bye"'), /not JSON/);
  for (const text of ["null", "[]", "7", '"bye"']) assertRefused(read(text), /JSON object/);
  for (const value of [{}, { type: 1 }, { type: null }]) assertRefused(readJson(value), /"type"/);
});

Deno.test("parseEnvelope: counts bytes of UTF-8 against the limit", () => {
  const frame = JSON.stringify({ type: "message", data: "" }).length;
  const fits = (data: string) => readJson({ type: "message", data }).error === undefined;
  assert.ok(fits("a".repeat(CLIENT_MESSAGE_BYTES_MAX - frame)));
  assert.ok(!fits("a".repeat(CLIENT_MESSAGE_BYTES_MAX - frame + 1)));
  assert.ok(fits("é".repeat((CLIENT_MESSAGE_BYTES_MAX - frame) / 2 - 1)));
  assert.ok(!fits("é".repeat((CLIENT_MESSAGE_BYTES_MAX - frame) / 2 + 1)));
});

Deno.test("NATIVE_PROTOCOL.read: refuses fields of a wrong shape, and says which", () => {
  for (const sdp of [undefined, null, 5, { type: "offer", sdp: "v=0" }]) {
    assertRefused(readJson({ type: "offer", sdp }), /"sdp"/);
  }
  for (const idle of [null, 5, "", "x".repeat(IDLE_NAME_CHARS_MAX + 1)]) {
    assertRefused(readJson({ type: "offer", sdp: "", idle }), /"idle"/);
  }
  for (const params of [null, [], "{}"]) {
    assertRefused(readJson({ type: "offer", sdp: "", params }), /"params"/);
  }
  for (const viewer of [undefined, 7, "x".repeat(VIEWER_ID_CHARS_MAX + 1)]) {
    assertRefused(readJson({ type: "resume", viewer }), /"viewer"/);
  }
  assertRefused(readJson({ type: "message", data: { a: 1 } }), /"data"/);
  const candidates = [
    undefined,
    "candidate:1",
    [],
    {},
    { candidate: 1 },
    { candidate: "x".repeat(CANDIDATE_CHARS_MAX + 1) },
    { candidate: "", sdpMid: 0 },
    { candidate: "", sdpMid: "x".repeat(257) },
    { candidate: "", sdpMLineIndex: 0.5 },
    { candidate: "", usernameFragment: {} },
  ];
  for (const candidate of candidates) {
    assertRefused(readJson({ type: "candidate", candidate }), /"candidate"/);
  }
});

Deno.test("NATIVE_PROTOCOL.read: quotes an unknown type, cut short", () => {
  assertRefused(readJson({ type: "Offer" }), /"Offer".*offer, candidate, resume, message and bye/);
  const { error } = readJson({ type: "x".repeat(100_000) });
  assert.ok(error !== undefined && error.message.length < 200);
  assertRefused(readJson({ type: "\u202ereffo\x7f" }), /"\\u\{202e\}reffo\\u\{7f\}"/);
});

Deno.test("NATIVE_PROTOCOL.read: params may have 4 KiB of JSON and no more", () => {
  const frame = JSON.stringify({ text: "" }).length;
  const params = (bytes: number) => ({ text: "x".repeat(bytes - frame) });
  assert.equal(
    readJson({ type: "offer", sdp: "", params: params(PARAMS_BYTES_MAX) }).error,
    undefined,
  );
  assertRefused(
    readJson({ type: "offer", sdp: "", params: params(PARAMS_BYTES_MAX + 1) }),
    /4096 bytes/,
  );
});

Deno.test("NATIVE_PROTOCOL.read: nesting too deep to be written again is refused, not thrown", () => {
  // V8 writes arrays and most objects of any depth, objects with numbers for names only while its stack lasts.
  for (const [open, close] of [["[", "]"], ['{"1":', "}"]] as const) {
    const deep = `${open.repeat(40_000)}1${close.repeat(40_000)}`;
    assertRefused(read(`{"type":"offer","sdp":"","params":{"a":${deep}}}`), /4096 bytes/);
  }
});

Deno.test("NATIVE_PROTOCOL.read: a member named __proto__ stays a member", () => {
  const { message } = read('{"type":"offer","sdp":"","params":{"__proto__":{"admin":true}}}');
  assert.ok(message?.type === "offer");
  assert.equal(message.params.admin, undefined);
  assert.equal(JSON.stringify(message.params), '{"__proto__":{"admin":true}}');
});

Deno.test("NATIVE_PROTOCOL.format: writes the fields of the reference and no others", () => {
  const written = NATIVE_PROTOCOL.format(
    { type: "error", code: "no_free_port", message: "All taken", retry_after_ms: 1000 },
    0,
  );
  assert.deepEqual(JSON.parse(written ?? ""), {
    type: "error",
    code: "no_free_port",
    message: "All taken",
    retry_after_ms: 1000,
  });
});
