import assert from "assert";
import {
  type JoinRequest,
  ViewerError,
  type ViewerErrorCode,
} from "../../src/session/session_api.ts";
import { ERROR_TABLE } from "../../src/signalling/refusals.ts";
import {
  CONNECTION_OFFERS,
  EARLY_MESSAGES_MAX,
  QUEUED_BYTES_MAX,
  QUEUED_MESSAGES_MAX,
  RENDERER_BUFFERED_BYTES_MAX,
} from "../../src/signalling/limits.ts";
import { FAKE_CANDIDATE } from "../support/parts/fake_sessions.ts";
import {
  holdOffers,
  settle,
  setUpConnection,
  setUpJoined,
} from "../support/parts/signalling_set_up.ts";

const { perSecond: PER_SECOND, burst: AT_ONCE = 0 } = CONNECTION_OFFERS;

Deno.test("ViewerConnection: answers an offer with answer, candidate and state, in that order", async () => {
  const { sessions, socket, say } = setUpConnection();
  say({ type: "offer", sdp: "v=0", idle: "smile", params: { voice: 2 } });
  await settle();
  assert.deepEqual(sessions.requests, [
    {
      sessionId: "main",
      reachedHost: "203.0.113.7",
      sdp: "v=0",
      idle: "smile",
      params: { voice: 2 },
    },
  ]);
  assert.deepEqual(socket.sent, [
    { type: "answer", sdp: "v=0\r\n", viewer: sessions.latest.id },
    { type: "candidate", candidate: FAKE_CANDIDATE },
    { type: "state", state: "connecting" },
  ]);
});

Deno.test("ViewerConnection: forwards states once each, and messages both ways", async () => {
  const { socket, say, viewer } = await setUpJoined();
  viewer.become("connected");
  viewer.become("connected");
  viewer.say("from the renderer");
  say({ type: "message", data: "to the renderer" });
  assert.deepEqual(socket.sent, [
    { type: "state", state: "connected" },
    { type: "message", data: "from the renderer" },
  ]);
  assert.deepEqual(viewer.heard, ["to the renderer"]);
});

Deno.test("ViewerConnection: candidates are taken at any time and answered by nothing", async () => {
  const { socket, say, sessions, closeCode } = setUpConnection();
  const release = holdOffers(sessions);
  say({ type: "candidate", candidate: null });
  say({ type: "offer", sdp: "" });
  for (let i = 0; i < 1000; i++) say({ type: "candidate", candidate: FAKE_CANDIDATE });
  await release();
  say({ type: "candidate", candidate: null });
  assert.deepEqual(socket.types(), ["answer", "candidate", "state"]);
  assert.equal(closeCode(), undefined);
});

Deno.test("ViewerConnection: what comes while the offer is pending is handled in order afterwards", async () => {
  const { sessions, socket, say } = setUpConnection();
  const release = holdOffers(sessions);
  say({ type: "offer", sdp: "first" });
  say({ type: "message", data: "1" });
  say({ type: "message", data: "2" });
  say({ type: "offer", sdp: "second" });
  say({ type: "message", data: "3" });
  await release();
  const [first, second] = sessions.viewers;
  assert.deepEqual([first?.heard, first?.fate], [["1", "2"], "bye"]);
  assert.deepEqual([second?.heard, second?.fate], [["3"], "attached"]);
  assert.equal(socket.types().filter((type) => type === "answer").length, 2);
});

Deno.test("ViewerConnection: a further offer of its viewer's is answered in the same order, and ends nobody", async () => {
  const { sessions, socket, say, viewer } = await setUpJoined();
  viewer.become("connected");
  socket.sent.length = 0;
  say({ type: "offer", sdp: "further" });
  assert.deepEqual(socket.sent, [
    { type: "answer", sdp: "answer to further", viewer: viewer.id },
    { type: "candidate", candidate: FAKE_CANDIDATE },
    { type: "state", state: "connected" },
  ]);
  assert.deepEqual([sessions.viewers.length, viewer.fate], [1, "attached"]);
  say({ type: "offer", sdp: "of another connection" });
  await settle();
  assert.deepEqual(sessions.viewers.map(({ fate }) => fate), ["bye", "attached"]);
});

Deno.test("ViewerConnection: further offers that come before the answer are answered one by one", async () => {
  const { sessions, socket, say } = setUpConnection();
  const release = holdOffers(sessions);
  say({ type: "offer", sdp: "first" });
  say({ type: "offer", sdp: "further 1" });
  say({ type: "offer", sdp: "further 2" });
  await release();
  const answers = socket.sent.filter(({ type }) => type === "answer").map(({ sdp }) => sdp);
  assert.deepEqual(answers, ["v=0\r\n", "answer to further 1", "answer to further 2"]);
  assert.equal(sessions.viewers.length, 1);
});

Deno.test("ViewerConnection: a further offer after a resume is its viewer's, and counts as an offer", async () => {
  const { sessions, socket, say, closeCode } = setUpConnection();
  const handle = await sessions.join({ sessionId: "main" } as JoinRequest, {
    state() {},
    notice() {},
    ended() {},
  });
  say({ type: "resume", viewer: handle.id });
  say({ type: "offer", sdp: "further" });
  assert.deepEqual(socket.types(), ["resumed", "state", "answer", "candidate", "state"]);
  for (let i = 0; i < AT_ONCE; i++) say({ type: "offer", sdp: "further" });
  assert.equal(socket.sent.at(-1)?.code, "too_many_offers");
  assert.equal(closeCode(), 4429);
});

Deno.test("ViewerConnection: a further offer that cannot be read is told, and closes", async () => {
  const { socket, say, viewer } = await setUpJoined();
  say({ type: "offer", sdp: "bad further" });
  assert.deepEqual(socket.sent, [{ type: "error", code: "bad_sdp", message: "No offer" }]);
  assert.equal(viewer.fate, "bye");
});

Deno.test("ViewerConnection: messages that wait have a limit in number and in bytes", async () => {
  const many = setUpConnection();
  holdOffers(many.sessions);
  many.say({ type: "offer", sdp: "" });
  for (let i = 0; i < QUEUED_MESSAGES_MAX; i++) many.say({ type: "message", data: "x" });
  assert.equal(many.closeCode(), undefined);
  many.say({ type: "message", data: "x" });
  assert.equal(many.closeCode(), 4400);

  const large = setUpConnection();
  holdOffers(large.sessions);
  large.say({ type: "offer", sdp: "" });
  large.say({ type: "message", data: "x".repeat(QUEUED_BYTES_MAX / 2) });
  assert.equal(large.closeCode(), undefined);
  large.say({ type: "message", data: "x".repeat(QUEUED_BYTES_MAX / 2) });
  assert.equal(large.closeCode(), 4400);
  await settle();
});

Deno.test("ViewerConnection: the room for messages that wait is there again after the answer", async () => {
  const { sessions, say, closeCode } = setUpConnection();
  for (let round = 0; round < 3; round++) {
    const release = holdOffers(sessions);
    say({ type: "offer", sdp: "" });
    for (let i = 0; i < 2; i++) say({ type: "message", data: "x".repeat(QUEUED_BYTES_MAX / 3) });
    await release();
  }
  assert.equal(closeCode(), undefined);
});

Deno.test("ViewerConnection: what the renderer says before the answer comes after it, up to a limit", async () => {
  const { sessions, socket, say } = setUpConnection();
  const release = holdOffers(sessions);
  say({ type: "offer", sdp: "" });
  sessions.latest.become("connected");
  for (let i = 0; i <= EARLY_MESSAGES_MAX; i++) sessions.latest.say(String(i));
  assert.deepEqual(socket.sent, []);
  await release();
  assert.deepEqual(socket.sent[2], { type: "state", state: "connected" });
  const early = socket.sent.slice(3).map(({ data }) => data);
  assert.deepEqual(early, Array.from({ length: EARLY_MESSAGES_MAX }, (_, i) => String(i)));
});

Deno.test("ViewerConnection: every refusal of the sessions is told and closes with its code", async () => {
  const codes: ViewerErrorCode[] = [
    "bad_sdp",
    "unsupported_codec",
    "no_such_viewer",
    "session_full",
    "no_free_port",
    "renderer_failed",
    "shutting_down",
    "internal",
  ];
  for (const code of codes) {
    const { sessions, socket, say, refused, closeCode } = setUpConnection();
    sessions.gate = () =>
      Promise.reject(new ViewerError(code, "Because", { retryAfterMs: 700, reason: "busy" }));
    say({ type: "offer", sdp: "" });
    await settle();
    assert.deepEqual(socket.sent, [
      { type: "error", code, message: "Because", retry_after_ms: 700, reason: "busy" },
    ]);
    assert.equal(closeCode(), ERROR_TABLE[code].closeCode);
    assert.deepEqual(socket.closedWith, {
      code: ERROR_TABLE[code].closeCode,
      reason: "Because",
    });
    assert.deepEqual(refused, [code]);
  }
});

Deno.test("ViewerConnection: one that offers on and on is refused, and the sessions hear no more of it", async () => {
  const { sessions, clock, socket, say, closeCode } = setUpConnection();
  const offer = async () => {
    say({ type: "offer", sdp: "v=0" });
    await settle();
    return socket.types()[0];
  };
  for (let turn = 0; turn < AT_ONCE; turn++) {
    assert.equal(await offer(), "answer");
  }
  clock.advance(1000 / PER_SECOND);
  assert.equal(await offer(), "answer");
  say({ type: "offer", sdp: "v=0" });
  const [refusal] = socket.sent.splice(0);
  assert.deepEqual(
    [refusal?.code, refusal?.retry_after_ms],
    ["too_many_offers", 1000 / PER_SECOND],
  );
  assert.equal(sessions.requests.length, AT_ONCE + 1);
  assert.equal(sessions.latest.fate, "bye");
  assert.equal(closeCode(), ERROR_TABLE.too_many_offers.closeCode);
});

Deno.test("ViewerConnection: the text of an unexpected failure stays in the log", async () => {
  const { sessions, socket, say, closeCode } = setUpConnection();
  sessions.gate = () => Promise.reject(new Error("secret path"));
  say({ type: "offer", sdp: "" });
  await settle();
  assert.equal(socket.sent[0]?.code, "internal");
  assert.equal(closeCode(), 4500);
  assert.doesNotMatch(JSON.stringify([socket.sent, socket.closedWith]), /secret/);
});

Deno.test("ViewerConnection: the first message decides the dialect for good", async () => {
  const { socket, connection, say, sessions } = setUpConnection();
  say({ type: "webrtc_offer", sdp: { type: "offer", sdp: "v=0" }, user_id: "u", avatar_id: "a" });
  await settle();
  assert.deepEqual(sessions.requests[0], {
    sessionId: "main",
    reachedHost: "203.0.113.7",
    sdp: "v=0",
    idle: "a",
    params: { user_id: "u", avatar_id: "a" },
  });
  assert.deepEqual(socket.types(), ["webrtc_answer", "webrtc_ice_candidate", "webrtc_state"]);
  connection.receive('{"type":"bye", "to":"the renderer"}');
  assert.deepEqual(sessions.latest.heard, ['{"type":"bye", "to":"the renderer"}']);
  connection.receive("garbage");
  assert.deepEqual(Object.keys(socket.sent[0] ?? {}), ["type", "content", "code", "timestamp"]);

  const native = setUpConnection();
  native.say({ type: "candidate", candidate: null });
  native.say({ type: "webrtc_offer", sdp: "" });
  assert.deepEqual(Object.keys(native.socket.sent[0] ?? {}), ["type", "code", "message"]);
});

Deno.test("ViewerConnection: a notice is told and ends nothing", async () => {
  const { socket, viewer, closeCode, say } = await setUpJoined();
  const notice = { code: "messages_dropped", message: "Too much", count: 3 } as const;
  viewer.notify(notice);
  assert.deepEqual(socket.sent, [{ type: "notice", ...notice }]);
  assert.equal(closeCode(), undefined);
  say({ type: "message", data: "still here" });
  assert.deepEqual(viewer.heard, ["still here"]);
});

Deno.test("ViewerConnection: pages of the older dialect are sent no notices, as they would not know them", async () => {
  const { sessions, socket, say } = setUpConnection();
  say({ type: "webrtc_offer", sdp: "v=0" });
  await settle();
  socket.types();
  sessions.latest.notify({ code: "messages_missed", message: "Too much", count: 3 });
  assert.deepEqual(socket.types(), []);
  assert.ok(sessions.latest.say("{}"));
});

Deno.test("ViewerConnection: a page that does not read misses messages of the renderer before it is given up", async () => {
  const { socket, viewer, closeCode } = await setUpJoined();
  socket.waitingBytes = RENDERER_BUFFERED_BYTES_MAX;
  assert.ok(viewer.say("one"));
  socket.waitingBytes++;
  assert.ok(!viewer.say("two"));
  viewer.become("connected");
  assert.deepEqual(socket.types(), ["message", "state"]);
  assert.equal(closeCode(), undefined);
});

Deno.test("ViewerConnection: of what the renderer says before the answer a limited number waits", async () => {
  const { sessions, socket, say } = setUpConnection();
  const release = holdOffers(sessions);
  say({ type: "offer", sdp: "" });
  await settle();
  const taken = Array.from({ length: EARLY_MESSAGES_MAX + 1 }, () => sessions.latest.say("early"));
  assert.equal(taken.filter((isTaken) => isTaken).length, EARLY_MESSAGES_MAX);
  await release();
  const messages = socket.types().filter((type) => type === "message");
  assert.equal(messages.length, EARLY_MESSAGES_MAX);
});
