import assert from "assert";
import { planRing, slotsThatFit } from "../../src/renderer/bridge/ring_plan.ts";

const MIB = 1024 * 1024;
/** A picture of 1280×720 in BGR. */
const HD = 2_764_800;

function layout(slotCount: number, slotBytes = HD) {
  return { generation: 1, slotsOffset: 4096, slotBytes, slotCount };
}

/** What becomes of a wish in Docker's 64 MiB. */
function plan(
  { sessions, slotCount, former, slotBytes = HD, memoryBytes = 64 * MIB }: {
    sessions: number;
    slotCount: number;
    former?: number;
    slotBytes?: number;
    memoryBytes?: number;
  },
) {
  const ring = former === undefined ? undefined : layout(former);
  return planRing({ slotBytes, slotCount, sessions, memoryBytes, former: ring });
}

Deno.test("planRing: a writer gets what it asks for where there is memory for it", () => {
  const plenty = { slotCount: 25, memoryBytes: Number.POSITIVE_INFINITY };
  const expected = { kind: "grant", slotCount: 25, sessions: 5 };
  assert.deepEqual(plan({ sessions: 5, former: 13, ...plenty }), expected);
  assert.deepEqual(plan({ sessions: 4, slotCount: 13 }), {
    kind: "grant",
    slotCount: 13,
    sessions: 4,
  });
});

Deno.test("planRing: fewer slots are granted where two for each session fit", () => {
  const expected = { kind: "grant", slotCount: 24, sessions: 5 };
  assert.deepEqual(plan({ sessions: 5, slotCount: 25, former: 13 }), expected);
  const most = { kind: "grant", slotCount: 24, sessions: 12 };
  assert.deepEqual(plan({ sessions: 12, slotCount: 49, former: 13 }), most);
  assert.deepEqual(plan({ sessions: 12, slotCount: 49, former: 24 }), { ...most, kind: "keep" });
});

Deno.test("planRing: sessions that have no two slots are left out, the others go on", () => {
  const expected = { kind: "keep", slotCount: 24, sessions: 12 };
  assert.deepEqual(plan({ sessions: 13, slotCount: 49, former: 24 }), expected);
  assert.deepEqual(plan({ sessions: 13, slotCount: 49 }), { ...expected, kind: "grant" });
});

Deno.test("planRing: one large picture does not take the ring of the others", () => {
  const large = { slotBytes: 33_177_600, slotCount: 7, sessions: 2 };
  assert.deepEqual(plan({ ...large, former: 7 }), { kind: "keep", slotCount: 7, sessions: 2 });
  assert.deepEqual(plan({ ...large, sessions: 1, former: 4 }), {
    kind: "grant",
    slotCount: 2,
    sessions: 1,
  });
});

Deno.test("planRing: without memory for a single slot there is no ring", () => {
  const none = { kind: "none", slotCount: 0, sessions: 0 };
  assert.deepEqual(plan({ sessions: 1, slotCount: 4, memoryBytes: MIB }), none);
  assert.equal(slotsThatFit({ slotBytes: HD, memoryBytes: 0 }), 0);
});
