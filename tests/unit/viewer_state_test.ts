import assert from "assert";
import type { EndReason } from "../../src/base/codes.ts";
import {
  advanceViewer,
  DISCONNECTED_AFTER_MS,
  newViewerStatus,
  RECLAIM_AFTER_MS,
  reclaimableInMs,
  shownState,
  type ViewerEvent,
  type ViewerStatus,
} from "../../src/session/viewer_state.ts";
import { Random } from "../support/random.ts";

const deadlines = { connectTimeoutMs: 10_000, idleTimeoutMs: 30_000 };

/** Applies events, each at its time. */
function after(...events: readonly (readonly [nowMs: number, event: ViewerEvent])[]): ViewerStatus {
  return events.reduce(
    (status, [nowMs, event]) => advanceViewer(status, event, { nowMs, deadlines }),
    newViewerStatus(0),
  );
}

const tick = (heardAtMs = 0): ViewerEvent => ({ type: "tick", heardAtMs });
const wanted = (heardAtMs = 0): ViewerEvent => ({ type: "place_wanted", heardAtMs });
const secured: ViewerEvent = { type: "secured" };
const detached: ViewerEvent = { type: "detached" };
const attached: ViewerEvent = { type: "attached" };

Deno.test("advanceViewer: a viewer that does not connect ends at the connect timeout, not before", () => {
  assert.equal(after([9_999, tick()]).phase, "connecting");
  const ended = after([10_000, tick()]);
  assert.deepEqual([ended.phase, ended.endReason], ["ended", "connect_timeout"]);
});

Deno.test("advanceViewer: checks without DTLS do not put the connect timeout off", () => {
  assert.equal(after([10_000, tick(9_999)]).endReason, "connect_timeout");
});

Deno.test("advanceViewer: a viewer that is heard stays connected beyond every timeout", () => {
  let status = after([500, secured]);
  for (let nowMs = 1_000; nowMs <= 120_000; nowMs += 500) {
    status = advanceViewer(status, tick(nowMs - 2_500), { nowMs, deadlines });
    assert.equal(status.phase, "connected");
  }
});

Deno.test("advanceViewer: silence shows as disconnected, a packet as connected again", () => {
  assert.equal(after([500, secured], [500 + DISCONNECTED_AFTER_MS - 1, tick()]).phase, "connected");
  const silent = after([500, secured], [500 + DISCONNECTED_AFTER_MS, tick()]);
  assert.equal(silent.phase, "disconnected");
  const back = advanceViewer(silent, tick(6_900), { nowMs: 7_000, deadlines });
  assert.equal(back.phase, "connected");
});

Deno.test("advanceViewer: silence ends a viewer at the idle timeout, counted from the last packet", () => {
  const quiet = after([500, secured], [3_000, tick(2_000)]);
  assert.equal(
    advanceViewer(quiet, tick(2_000), { nowMs: 31_999, deadlines }).phase,
    "disconnected",
  );
  const ended = advanceViewer(quiet, tick(2_000), { nowMs: 32_000, deadlines });
  assert.deepEqual([ended.phase, ended.endReason], ["ended", "idle_timeout"]);
});

Deno.test("advanceViewer: an idle timeout below the time for disconnected ends without showing it", () => {
  const short = { ...deadlines, idleTimeoutMs: 1_000 };
  const status = advanceViewer(newViewerStatus(0), secured, { nowMs: 0, deadlines: short });
  const ended = advanceViewer(status, tick(), { nowMs: 1_000, deadlines: short });
  assert.equal(ended.endReason, "idle_timeout");
});

Deno.test("advanceViewer: a place is given up only without signalling and after five silent seconds", () => {
  const connected = after([500, secured]);
  const cases: readonly [ViewerStatus, ViewerEvent, number, boolean][] = [
    [connected, wanted(500), 60_000, false],
    [after([500, secured], [600, detached]), wanted(500), 500 + RECLAIM_AFTER_MS - 1, false],
    [after([500, secured], [600, detached]), wanted(500), 500 + RECLAIM_AFTER_MS, true],
    [after([500, secured], [600, detached]), wanted(9_000), 10_000, false],
    [after([500, secured], [600, detached], [700, attached]), wanted(500), 29_000, false],
    [after([600, detached]), wanted(), RECLAIM_AFTER_MS, true],
  ];
  for (const [status, event, nowMs, isGivenUp] of cases) {
    const next = advanceViewer(status, event, { nowMs, deadlines });
    assert.equal(next.phase === "ended", isGivenUp);
    if (isGivenUp) assert.equal(next.endReason, "place_reclaimed");
  }
});

Deno.test("advanceViewer: without signalling a living viewer lives on, a silent one has the idle timeout", () => {
  const detachedViewer = after([500, secured], [600, detached]);
  const living = advanceViewer(detachedViewer, tick(99_000), { nowMs: 100_000, deadlines });
  assert.equal(living.phase, "connected");
  const silent = advanceViewer(detachedViewer, tick(), { nowMs: 30_500, deadlines });
  assert.equal(silent.endReason, "idle_timeout");
});

Deno.test("advanceViewer: nothing changes a viewer that ended", () => {
  const ended = after([500, secured], [600, { type: "ended", reason: "bye" }]);
  for (
    const event of [tick(), wanted(), secured, detached, attached, {
      type: "ended",
      reason: "peer_closed",
    }] satisfies ViewerEvent[]
  ) {
    assert.equal(advanceViewer(ended, event, { nowMs: 99_000, deadlines }), ended);
  }
});

Deno.test("reclaimableInMs: counts down from the last packet, and only without signalling", () => {
  assert.equal(reclaimableInMs(after([500, secured]), 600), undefined);
  const gone = after([500, secured], [600, detached]);
  assert.equal(reclaimableInMs(gone, 600), 4_900);
  assert.equal(reclaimableInMs(gone, 5_500), 0);
  assert.equal(reclaimableInMs(gone, 50_000), 0);
});

Deno.test("shownState: ends that the viewer did not want show as failed, others as closed", () => {
  const shown = (reason: EndReason) => shownState(after([1, { type: "ended", reason }]));
  for (const reason of ["connect_timeout", "idle_timeout", "dtls_failed"] as const) {
    assert.equal(shown(reason), "failed");
  }
  const closing: EndReason[] = ["bye", "peer_closed", "place_reclaimed", "renderer_failed"];
  for (
    const reason of [
      ...closing,
      "encoder_failed",
      "session_over",
      "internal_error",
      "shutting_down",
    ] as const
  ) {
    assert.equal(shown(reason), "closed");
  }
  assert.equal(shownState(after()), "connecting");
  assert.equal(shownState(after([1, secured])), "connected");
});

Deno.test("advanceViewer: in any order of events time never goes back and an end stays", () => {
  const random = new Random(26);
  for (let run = 0; run < 500; run++) {
    let status = newViewerStatus(0);
    let nowMs = 0;
    for (let step = 0; step < 40; step++) {
      nowMs += random.below(4_000);
      const heardAtMs = random.below(nowMs + 1);
      const event = random.pick<ViewerEvent>([
        tick(heardAtMs),
        tick(heardAtMs),
        wanted(heardAtMs),
        secured,
        detached,
        attached,
      ]);
      const next = advanceViewer(status, event, { nowMs, deadlines });
      assert.ok(next.heardAtMs >= status.heardAtMs);
      if (status.phase === "ended") assert.equal(next, status);
      if (next.phase === "ended") assert.notEqual(next.endReason, undefined);
      if (status.phase !== "connecting") assert.notEqual(next.phase, "connecting");
      status = next;
    }
  }
});
