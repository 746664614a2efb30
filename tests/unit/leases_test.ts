import assert from "assert";
import { PortLeases } from "../../src/ports/leases.ts";
import { Random } from "../support/random.ts";

Deno.test("PortLeases: with one place each, every port is leased once and then none", () => {
  const leases = new PortLeases([10111, 10112, 10113], { placesPerPort: 1 });
  assert.equal(leases.places, 3);
  const ports = [leases.lease(), leases.lease(), leases.lease()].map((lease) => lease?.port);
  assert.deepEqual(ports.sort(), [10111, 10112, 10113]);
  assert.equal(leases.lease(), undefined);
});

Deno.test("PortLeases: shared ports fill evenly, the emptiest first", () => {
  const leases = new PortLeases([1, 2], { placesPerPort: 3 });
  assert.equal(leases.places, 6);
  const held = Array.from({ length: 6 }, () => leases.lease());
  assert.deepEqual(held.map((lease) => lease?.port), [1, 2, 1, 2, 1, 2]);
  assert.equal(leases.lease(), undefined);
  held[1]?.release();
  held[3]?.release();
  held[0]?.release();
  assert.deepEqual(leases.use, [
    { port: 1, used: 2, places: 3 },
    { port: 2, used: 1, places: 3 },
  ]);
  assert.equal(leases.lease()?.port, 2);
});

Deno.test("PortLeases: among equals the port that has rested longest comes first", () => {
  const leases = new PortLeases([1, 2, 3], { placesPerPort: 1 });
  const [first, second, third] = [leases.lease(), leases.lease(), leases.lease()];
  second?.release();
  third?.release();
  first?.release();
  assert.deepEqual([leases.lease(), leases.lease(), leases.lease()].map((l) => l?.port), [2, 3, 1]);
});

Deno.test("PortLeases: a port that was never leased comes before one that was given back", () => {
  const leases = new PortLeases([1, 2], { placesPerPort: 1 });
  leases.lease()?.release();
  assert.equal(leases.lease()?.port, 2);
});

Deno.test("PortLeases: releasing twice gives one place back", () => {
  const leases = new PortLeases([1], { placesPerPort: 2 });
  const first = leases.lease();
  leases.lease();
  first?.release();
  first?.release();
  assert.deepEqual(leases.use, [{ port: 1, used: 1, places: 2 }]);
  assert.notEqual(leases.lease(), undefined);
  assert.equal(leases.lease(), undefined);
  // Its place belongs to another by now.
  first?.release();
  assert.equal(leases.lease(), undefined);
});

Deno.test("PortLeases: use lists the ports in the order of their numbers", () => {
  const leases = new PortLeases([30, 10, 20], { placesPerPort: 1 });
  leases.lease()?.release();
  assert.deepEqual(leases.use.map(({ port }) => port), [10, 20, 30]);
});

Deno.test("PortLeases: places per port below one are refused", () => {
  for (const placesPerPort of [0, -1, 1.5, Number.NaN]) {
    assert.throws(() => new PortLeases([1], { placesPerPort }), RangeError);
  }
});

Deno.test("PortLeases: no place is given twice or lost in thousands of leases and releases", () => {
  const random = new Random(11_2026);
  const leases = new PortLeases([1, 2, 3, 4, 5], { placesPerPort: 4 });
  const held = new Set<NonNullable<ReturnType<PortLeases["lease"]>>>();
  for (let step = 0; step < 5_000; step++) {
    if (random.oneIn(2)) {
      const lease = leases.lease();
      assert.equal(lease === undefined, held.size === leases.places);
      if (lease !== undefined) held.add(lease);
    } else if (held.size > 0) {
      const lease = random.pick([...held]);
      held.delete(lease);
      lease.release();
    }
    for (const { port, used } of leases.use) {
      assert.equal(used, [...held].filter((lease) => lease.port === port).length);
    }
  }
});
