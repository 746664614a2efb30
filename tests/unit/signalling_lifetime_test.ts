import assert from "assert";
import { ViewerError } from "../../src/session/session_api.ts";
import {
  BUFFERED_BYTES_MAX,
  CLOSE_LINGER_MS,
  FIRST_MESSAGE_WAIT_MS,
} from "../../src/signalling/limits.ts";
import {
  holdOffers,
  settle,
  setUpConnection,
  setUpJoined,
} from "../support/parts/signalling_set_up.ts";

Deno.test("ViewerConnection: bye and a clean close end the viewer, a broken socket lets go of it", async () => {
  const byBye = await setUpJoined();
  byBye.say({ type: "bye" });
  assert.equal(byBye.viewer.fate, "bye");
  assert.equal(byBye.closeCode(), 1000);

  const clean = await setUpJoined();
  clean.connection.disconnected("clean");
  assert.equal(clean.viewer.fate, "bye");

  const broken = await setUpJoined();
  broken.connection.disconnected("broken");
  assert.equal(broken.viewer.fate, "detached");
  broken.connection.disconnected("clean");
  assert.equal(broken.viewer.fate, "detached");
});

Deno.test("ViewerConnection: a socket that goes while its offer is pending frees the viewer", async () => {
  for (const [departure, fate] of [["clean", "bye"], ["broken", "detached"]] as const) {
    const { sessions, connection, say, socket } = setUpConnection();
    const release = holdOffers(sessions);
    say({ type: "offer", sdp: "" });
    connection.disconnected(departure);
    await release();
    assert.equal(sessions.latest.fate, fate);
    assert.deepEqual(socket.sent, []);
  }
});

Deno.test("ViewerConnection: a bye while the offer is pending frees the viewer", async () => {
  const { sessions, say, socket } = setUpConnection();
  const release = holdOffers(sessions);
  say({ type: "offer", sdp: "" });
  say({ type: "bye" });
  assert.equal(socket.closedWith?.code, 1000);
  await release();
  assert.equal(sessions.latest.fate, "bye");
  assert.deepEqual(socket.sent, []);
});

Deno.test("ViewerConnection: a second offer ends the former viewer before it asks for a new one", async () => {
  const { sessions, socket, say, viewer } = await setUpJoined();
  sessions.gate = () => {
    assert.equal(viewer.fate, "bye");
    return Promise.resolve();
  };
  say({ type: "offer", sdp: "again" });
  await settle();
  assert.notEqual(sessions.latest, viewer);
  assert.deepEqual(socket.types(), ["answer", "candidate", "state"]);
  viewer.become("failed");
  assert.deepEqual(socket.types(), [], "the former viewer is heard no more");
  say({ type: "message", data: "hello" });
  assert.deepEqual([viewer.heard, sessions.latest.heard], [[], ["hello"]]);
});

Deno.test("ViewerConnection: a broken rule ends the viewer and closes with 4400", async () => {
  for (const data of ["{", new ArrayBuffer(3), '{"type":"nonsense"}']) {
    const { socket, connection, viewer, closeCode } = await setUpJoined();
    connection.receive(data);
    assert.equal(socket.sent[0]?.code, "bad_message");
    assert.equal(closeCode(), 4400);
    assert.equal(viewer.fate, "bye");
    connection.receive('{"type":"offer","sdp":""}');
    await settle();
    assert.equal(socket.sent.length, 1, "nothing is heard afterwards");
  }
});

Deno.test("ViewerConnection: the client has time to read an error before the socket closes", async () => {
  const { socket, say, clock } = setUpConnection();
  say({ type: "nonsense" });
  assert.equal(socket.sent[0]?.type, "error");
  clock.advance(CLOSE_LINGER_MS - 1);
  for (let i = 0; i < 100; i++) say({ type: "candidate", candidate: null });
  assert.equal(socket.closedWith, undefined);
  clock.advance(1);
  assert.equal(socket.closedWith?.code, 4400);

  const gone = await setUpJoined();
  gone.say({ type: "nonsense" });
  gone.connection.disconnected("clean");
  assert.equal(gone.clock.pending, 0, "a client that closes first is not waited for");
});

Deno.test("ViewerConnection: a viewer that ends by an error takes the connection with it", async () => {
  const { socket, viewer, closeCode } = await setUpJoined();
  viewer.end(new ViewerError("renderer_failed", "The renderer failed"));
  assert.deepEqual(socket.sent, [
    { type: "error", code: "renderer_failed", message: "The renderer failed" },
  ]);
  assert.equal(closeCode(), 4500);
});

Deno.test("ViewerConnection: a viewer that ends without one leaves room for another offer", async () => {
  const { socket, say, viewer, sessions, closeCode } = await setUpJoined();
  viewer.end();
  assert.deepEqual(socket.sent.splice(0), [{ type: "state", state: "closed" }]);
  say({ type: "message", data: "into the void" });
  say({ type: "offer", sdp: "" });
  await settle();
  assert.deepEqual(socket.types(), ["answer", "candidate", "state"]);
  assert.notEqual(sessions.latest, viewer);

  sessions.latest.become("failed");
  sessions.latest.end();
  assert.deepEqual(socket.sent, [{ type: "state", state: "failed" }], "the last word was said");
  assert.equal(closeCode(), undefined);
});

Deno.test("ViewerConnection: a viewer that ends before its answer is told as ended", async () => {
  const { sessions, socket, say, closeCode } = setUpConnection();
  const release = holdOffers(sessions);
  say({ type: "offer", sdp: "" });
  sessions.latest.end(new ViewerError("renderer_failed", "Gone already"));
  await release();
  assert.deepEqual(socket.types(), ["error"]);
  assert.equal(closeCode(), 4500);
});

Deno.test("ViewerConnection: resume takes a viewer up on a new socket, and the former one has no say", async () => {
  const { sessions, connection: former, socket, viewer } = await setUpJoined();
  const next = setUpConnection({ sessions });
  viewer.state = "connected";
  next.say({ type: "resume", viewer: viewer.id });
  assert.deepEqual(next.socket.sent, [
    { type: "resumed" },
    { type: "state", state: "connected" },
  ]);
  former.disconnected("clean");
  assert.equal(viewer.fate, "attached");
  viewer.become("disconnected");
  assert.deepEqual(next.socket.sent.at(-1), { type: "state", state: "disconnected" });
  assert.deepEqual(socket.sent, []);
});

Deno.test("ViewerConnection: resume of the viewer that the connection has keeps it", async () => {
  const { socket, say, viewer } = await setUpJoined();
  say({ type: "resume", viewer: viewer.id });
  assert.deepEqual(socket.types(), ["resumed", "state"]);
  assert.equal(viewer.fate, "attached");
});

Deno.test("ViewerConnection: resume is refused for an ended, unknown or other session's viewer", async () => {
  const { sessions, viewer } = await setUpJoined();
  const refusedWith = (sessionId: string, id: unknown) => {
    const { socket, say, closeCode } = setUpConnection({ sessions, sessionId });
    say({ type: "resume", viewer: id });
    return [socket.sent[0]?.code, closeCode()];
  };
  assert.deepEqual(refusedWith("other", viewer.id), ["no_such_viewer", 4404]);
  assert.deepEqual(refusedWith("main", "guess"), ["no_such_viewer", 4404]);
  assert.equal(viewer.fate, "attached");
  viewer.end();
  assert.deepEqual(refusedWith("main", viewer.id), ["no_such_viewer", 4404]);
});

Deno.test("ViewerConnection: a client that says nothing is closed, one that spoke is not", () => {
  const silent = setUpConnection();
  silent.clock.advance(FIRST_MESSAGE_WAIT_MS - 1);
  assert.equal(silent.closeCode(), undefined);
  silent.clock.advance(1);
  assert.equal(silent.socket.sent[0]?.code, "bad_message");
  assert.equal(silent.closeCode(), 4400);

  const spoke = setUpConnection();
  spoke.say({ type: "candidate", candidate: null });
  spoke.clock.advance(FIRST_MESSAGE_WAIT_MS);
  assert.equal(spoke.closeCode(), undefined);

  const gone = setUpConnection();
  gone.connection.disconnected("broken");
  assert.equal(gone.clock.pending, 0);
});

Deno.test("ViewerConnection: a client that does not read is let go of with its viewer alive", async () => {
  const { socket, viewer } = await setUpJoined();
  socket.waitingBytes = BUFFERED_BYTES_MAX;
  viewer.become("connected");
  assert.deepEqual(socket.types(), ["state"]);
  socket.waitingBytes = BUFFERED_BYTES_MAX + 1;
  viewer.become("disconnected");
  assert.deepEqual(socket.types(), []);
  assert.equal(socket.closedWith?.code, 4500);
  assert.equal(viewer.fate, "detached");
});

Deno.test("ViewerConnection: sessions that throw where they should not cost one connection, no more", async () => {
  const { sessions, say, connection, socket } = await setUpJoined();
  sessions.resume = () => {
    throw new TypeError("bug");
  };
  say({ type: "resume", viewer: "x" });
  assert.equal(socket.sent[0]?.code, "internal");
  connection.disconnected("clean");
});
