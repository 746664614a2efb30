import assert from "assert";
import {
  judgeServerEnd,
  judgeSessionRenderer,
  readSessionRenderer,
  type SessionRenderer,
} from "../../src/doctor/session_renderer.ts";

const LIBRARY = { what: "/opt/a.so", kind: "library", isIsolated: true } as const;

function judge(changes: Partial<SessionRenderer>, kind: "library" | "bridge" = "library") {
  const found = {
    state: "frames",
    lastFrameAgeS: undefined,
    failuresInARow: 0,
    error: undefined,
    ...changes,
  };
  return judgeSessionRenderer(found, { ...LIBRARY, kind });
}

Deno.test("judgeSessionRenderer: the idle picture in the place of frames is a failure, nothing to show is none", () => {
  assert.equal(judge({ lastFrameAgeS: 0 }).status, "ok");
  assert.equal(judge({ state: "idle" }).status, "ok");
  for (const state of ["failing", "stalled", "ended", "no_writer"]) {
    const { status, text } = judge({ state });
    assert.equal(status, "failed", state);
    assert.match(text, /no frame came, and viewers see the idle picture/);
  }
  const failing = judge({
    state: "failing",
    failuresInARow: 3,
    error: "no model",
    lastFrameAgeS: 7.5,
  });
  assert.match(failing.text, /3 calls in a row failed: no model; its last frame is 7\.5 s old/);
  assert.match(judge({ state: "no_writer" }, "bridge").text, /no writer is connected/);
  assert.match(judge({ state: "no_writer" }).fix ?? "", /renderer-test \/opt\/a\.so/);
  assert.equal(judge({ state: "opening" }).status, "warning");
  assert.equal(judge({ state: "silent_writer" }, "bridge").status, "warning");
  assert.equal(judgeSessionRenderer("gone", LIBRARY).status, "failed");
  assert.equal(judgeSessionRenderer({ problem: "it is late" }, LIBRARY).status, "skipped");
});

Deno.test("judgeServerEnd: blames a library of the server's own process, and no other", () => {
  const text = (isIsolated: boolean) => judgeServerEnd({ ...LIBRARY, isIsolated });
  const own = false;
  assert.match(text(own).fix ?? "", /renderer\.isolation/);
  assert.match(text(!own).fix ?? "", /server's log/);
});

Deno.test("readSessionRenderer: reads one session of several, and takes an older server as such", () => {
  const renderer = { state: "frames", last_frame_age_s: 0.1, failures_in_a_row: 0, error: null };
  const reply = (sessions: unknown) => ({ status: 200, body: JSON.stringify(sessions) });
  const list = [{ id: "b" }, { id: "a", renderer }];
  assert.deepEqual(readSessionRenderer(reply(list), "a"), {
    state: "frames",
    lastFrameAgeS: 0.1,
    failuresInARow: 0,
    error: undefined,
  });
  assert.equal(readSessionRenderer(reply(list), "c"), "gone");
  assert.ok("problem" in (readSessionRenderer(reply(list), "b") as object));
  assert.ok("problem" in (readSessionRenderer({ status: 401, body: "" }, "a") as object));
  assert.ok("problem" in (readSessionRenderer({ status: 200, body: "<" }, "a") as object));
});
