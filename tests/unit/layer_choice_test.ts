import assert from "assert";
import { type Layer, type LayerCandidate, LayerChoice } from "../../src/rate/layer_choice.ts";

/** Viewers by name: what their paths take, and where they are. */
type Viewers = Record<string, readonly [targetKbps: number, layer: Layer]>;

/** What some of them limit themselves to, in kbit/s. */
type Limits = Record<string, number>;

function candidatesOf(viewers: Viewers, limits: Limits = {}): LayerCandidate<string>[] {
  return Object.entries(viewers).map(([viewer, [targetKbps, layer]]) => ({
    viewer,
    targetKbps,
    limitKbps: limits[viewer] ?? Number.POSITIVE_INFINITY,
    layer,
  }));
}

/** Who is told to change over, by the second, as long as nothing else changes. */
function changes(
  choice: LayerChoice<string>,
  viewers: Viewers,
  fromMs: number,
  untilMs: number,
  limits: Limits = {},
) {
  const candidates = candidatesOf(viewers, limits);
  for (let nowMs = fromMs; nowMs <= untilMs; nowMs += 500) {
    const changed = choice.update(candidates, nowMs);
    if (changed.length > 0) return { nowMs, changed };
  }
  return undefined;
}

Deno.test("LayerChoice: a viewer that holds the others back goes down after three seconds", () => {
  const viewers: Viewers = { a: [2500, "main"], b: [2400, "main"], c: [600, "main"] };
  const change = changes(new LayerChoice(), viewers, 0, 10_000);
  assert.deepEqual(change, { nowMs: 3_000, changed: ["c"] });
});

Deno.test("LayerChoice: those beyond the widest gap go down, and no more", () => {
  const viewers: Viewers = {
    a: [2500, "main"],
    b: [1500, "main"],
    c: [400, "main"],
    d: [300, "main"],
  };
  assert.deepEqual(changes(new LayerChoice(), viewers, 0, 10_000)?.changed, ["c", "d"]);
});

Deno.test("LayerChoice: viewers that are alike, and a viewer alone, stay together", () => {
  const choice = new LayerChoice<string>();
  const alike: Viewers = { a: [1000, "main"], b: [800, "main"], c: [640, "main"] };
  assert.equal(changes(choice, alike, 0, 60_000), undefined);
  assert.equal(changes(choice, { a: [150, "main"] }, 0, 60_000), undefined);
  assert.equal(changes(choice, {}, 0, 60_000), undefined);
});

Deno.test("LayerChoice: a path that is drained for two seconds is no reason", () => {
  const choice = new LayerChoice<string>();
  const draining: Viewers = { a: [2500, "main"], b: [800, "main"] };
  const usual: Viewers = { a: [2500, "main"], b: [2200, "main"] };
  for (let atMs = 0; atMs < 60_000; atMs += 4_000) {
    assert.equal(changes(choice, draining, atMs, atMs + 2_500), undefined);
    assert.equal(changes(choice, usual, atMs + 3_000, atMs + 3_500), undefined);
  }
});

Deno.test("LayerChoice: who is down comes up when the paths have become alike, not before", () => {
  const choice = new LayerChoice<string>();
  const apart: Viewers = { a: [2500, "main"], b: [1900, "low"] };
  assert.equal(changes(choice, apart, 0, 60_000), undefined);
  const alike: Viewers = { a: [2500, "main"], b: [2100, "low"] };
  assert.deepEqual(changes(choice, alike, 60_500, 90_000), { nowMs: 64_500, changed: ["b"] });
});

Deno.test("LayerChoice: who is left alone in the low layer comes up", () => {
  const viewers: Viewers = { a: [300, "low"], b: [310, "low"] };
  const change = changes(new LayerChoice(), viewers, 0, 10_000);
  assert.deepEqual(change, { nowMs: 4_000, changed: ["a", "b"] });
});

Deno.test("LayerChoice: who left and came back is judged anew", () => {
  const choice = new LayerChoice<string>();
  const viewers: Viewers = { a: [2500, "main"], b: [600, "main"] };
  assert.equal(changes(choice, viewers, 0, 2_500), undefined);
  choice.forget("b");
  assert.equal(changes(choice, viewers, 3_000, 5_500), undefined);
  assert.deepEqual(changes(choice, viewers, 6_000, 6_000)?.changed, ["b"]);
});

Deno.test("LayerChoice: who limits itself to much less than the others have goes down at once, and nobody else", () => {
  const choice = new LayerChoice<string>();
  const cases: [viewers: Viewers, limits: Limits, limited: string[]][] = [
    [{ a: [2500, "main"], b: [500, "main"] }, { b: 500 }, ["b"]],
    // Nothing is known of the new viewer's path yet.
    [{ a: [2500, "main"], b: [1250, "main"] }, { b: 1900 }, ["b"]],
    [{ a: [2500, "main"], b: [500, "main"], c: [400, "main"] }, { b: 500 }, ["b"]],
    [{ a: [2500, "main"], b: [500, "low"] }, { b: 500 }, []],
    [{ a: [2500, "main"], b: [500, "main"] }, {}, []],
    // Not worth an encoding of its own.
    [{ a: [2500, "main"], b: [2100, "main"] }, { b: 2100 }, []],
    // Alone, and with those who have no more.
    [{ b: [500, "main"] }, { b: 500 }, []],
    [{ a: [480, "main"], b: [500, "main"] }, { b: 500 }, []],
    // A high limit makes nobody else slow.
    [{ a: [2500, "main"], b: [2400, "main"], c: [2500, "main"] }, { a: 9000, b: 2400 }, []],
  ];
  for (const [viewers, limits, limited] of cases) {
    const found = choice.limited(candidatesOf(viewers, limits));
    assert.deepEqual(found, limited, JSON.stringify({ viewers, limits }));
  }
});

Deno.test("LayerChoice: who is down by its own limit stays there until the others have no more", () => {
  const choice = new LayerChoice<string>();
  const apart: Viewers = { a: [2500, "main"], b: [2200, "low"] };
  assert.equal(changes(choice, apart, 0, 60_000, { b: 2200 }), undefined);
  const alike: Viewers = { a: [2300, "main"], b: [2200, "low"] };
  const change = changes(choice, alike, 60_500, 90_000, { b: 2200 });
  assert.deepEqual(change, { nowMs: 64_500, changed: ["b"] });
});
