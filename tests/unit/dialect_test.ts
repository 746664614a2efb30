import assert from "assert";
import { PREFIXED_DIALECT, startsDialect } from "../../src/signalling/dialect.ts";
import { PARAMS_BYTES_MAX } from "../../src/signalling/limits.ts";
import {
  type ClientMessage,
  type Parsed,
  parseEnvelope,
  type ServerMessage,
} from "../../src/signalling/messages.ts";
import { FAKE_CANDIDATE } from "../support/parts/fake_sessions.ts";

function read(text: string): Parsed<ClientMessage> {
  const { message, error } = parseEnvelope(text);
  return error === undefined ? PREFIXED_DIALECT.read(message) : { error };
}

function readJson(value: unknown): Parsed<ClientMessage> {
  return read(JSON.stringify(value));
}

function format(message: ServerMessage): unknown {
  return JSON.parse(PREFIXED_DIALECT.format(message, 1_700_000_000_250) ?? "");
}

Deno.test("startsDialect: prefixed names start the dialect, others do not", () => {
  const starts = (type: string) => startsDialect({ type, fields: {}, text: "" });
  assert.ok(starts("webrtc_offer"));
  assert.ok(starts("webrtc_ice_candidate"));
  assert.ok(!starts("offer"));
  assert.ok(!starts("web"));
});

Deno.test("PREFIXED_DIALECT.read: an offer's other fields are the renderer's, avatar_id names the idle source", () => {
  assert.deepEqual(
    readJson({ type: "webrtc_offer", sdp: "v=0", user_id: "u1", avatar_id: "anna", x: [1] }),
    {
      message: {
        type: "offer",
        sdp: "v=0",
        idle: "anna",
        params: { user_id: "u1", avatar_id: "anna", x: [1] },
      },
    },
  );
});

Deno.test("PREFIXED_DIALECT.read: sdp may be a whole session description", () => {
  const { message } = readJson({ type: "webrtc_offer", sdp: { type: "offer", sdp: "v=0" } });
  assert.deepEqual(message, { type: "offer", sdp: "v=0", params: {} });
  for (const sdp of [undefined, null, 1, [], { type: "offer" }]) {
    assert.equal(readJson({ type: "webrtc_offer", sdp }).error?.code, "bad_message");
  }
});

Deno.test("PREFIXED_DIALECT.read: an avatar_id that is a number is a name, one that cannot be a name is left alone", () => {
  const idle = (avatar_id: unknown) => {
    const { message } = readJson({ type: "webrtc_offer", sdp: "", avatar_id });
    assert.ok(message?.type === "offer");
    assert.deepEqual(message.params, { avatar_id });
    return message.idle;
  };
  assert.equal(idle(7), "7");
  assert.equal(idle(""), undefined);
  assert.equal(idle(null), undefined);
  assert.equal(idle({ name: "anna" }), undefined);
  assert.equal(idle("x".repeat(1000)), undefined);
});

Deno.test("PREFIXED_DIALECT.read: parameters have the same limit", () => {
  const { error } = readJson({ type: "webrtc_offer", sdp: "", text: "x".repeat(PARAMS_BYTES_MAX) });
  assert.match(error?.message ?? "", /4096 bytes/);
});

Deno.test("PREFIXED_DIALECT.read: candidates are checked for shape; a missing one is the last", () => {
  const type = "webrtc_ice_candidate";
  const accepted = { message: { type: "candidate" } };
  assert.deepEqual(readJson({ type, candidate: FAKE_CANDIDATE }), accepted);
  assert.deepEqual(readJson({ type, candidate: null }), accepted);
  assert.deepEqual(readJson({ type }), accepted);
  assert.equal(readJson({ type, candidate: "candidate:1" }).error?.code, "bad_message");
});

Deno.test("PREFIXED_DIALECT.read: every other message is handed on as it came", () => {
  for (
    const text of [
      '{"type":"text_input", "text":"hi"}',
      '{"type":"offer","sdp":1}',
      '{"type":"bye"}',
    ]
  ) {
    assert.deepEqual(read(text), { message: { type: "message", data: text } });
  }
});

Deno.test("PREFIXED_DIALECT.format: names, content and timestamps in seconds", () => {
  const timestamp = 1_700_000_000.25;
  assert.deepEqual(format({ type: "answer", sdp: "v=0", viewer: "secret" }), {
    type: "webrtc_answer",
    sdp: "v=0",
    timestamp,
  });
  assert.deepEqual(format({ type: "candidate", candidate: FAKE_CANDIDATE }), {
    type: "webrtc_ice_candidate",
    candidate: FAKE_CANDIDATE,
  });
  assert.deepEqual(format({ type: "state", state: "connected" }), {
    type: "webrtc_state",
    state: "connected",
    timestamp,
  });
  assert.deepEqual(format({ type: "error", code: "bad_sdp", message: "No video" }), {
    type: "error",
    content: "No video",
    code: "bad_sdp",
    timestamp,
  });
  assert.deepEqual(
    format({
      type: "error",
      code: "no_free_port",
      message: "Full",
      retry_after_ms: 500,
      reason: "busy",
    }),
    {
      type: "error",
      content: "Full",
      code: "no_free_port",
      retry_after_ms: 500,
      reason: "busy",
      timestamp,
    },
  );
});

Deno.test("PREFIXED_DIALECT.format: the renderer's whole messages go out as they are, plain text is wrapped", () => {
  const whole = '{"type":"asr", "text":"hello"}';
  assert.equal(PREFIXED_DIALECT.format({ type: "message", data: whole }, 0), whole);
  for (const data of ["hello", "[1]", "null", '{"no":"type"}']) {
    assert.deepEqual(format({ type: "message", data }), { type: "message", data });
  }
});
