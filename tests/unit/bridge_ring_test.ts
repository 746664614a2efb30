import assert from "assert";
import { BridgeViolation } from "../../src/renderer/bridge/bridge_error.ts";
import { Libc, LINUX } from "../../src/renderer/bridge/libc.ts";
import { Ring } from "../../src/renderer/bridge/ring.ts";
import { RingRate } from "../../src/renderer/bridge/ring_plan.ts";
import { cString } from "../../src/renderer/library_calls.ts";

const LAYOUT = { generation: 1, slotBytes: 4096, slotCount: 2, slotsOffset: 4096 } as const;
const PART = [{ offset: 0, byteLength: 4096 }] as const;

/** A ring of a file that is a test's. */
async function withRing(
  use: (set: {
    readonly ring: Ring;
    /** Fills the whole file, as its writer. */
    readonly fill: (value: number) => void;
    readonly cut: () => void;
    readonly short: () => number;
  }) => void,
): Promise<void> {
  const path = await Deno.makeTempFile();
  const libc = new Libc();
  try {
    const fill = (value: number) => Deno.writeFileSync(path, new Uint8Array(3 * 4096).fill(value));
    fill(0);
    const fd = libc.symbols.open(cString(path), LINUX.O_RDWR | LINUX.O_CLOEXEC);
    let short = 0;
    const events = { onReleased: () => {}, onShort: () => void short++ };
    const ring = new Ring({ libc, fd, layout: LAYOUT, ...events });
    use({ ring, fill, cut: () => Deno.truncateSync(path, 100), short: () => short });
    ring.retire();
  } finally {
    await libc.closed();
    libc.close();
    await Deno.remove(path);
  }
}

Deno.test("Ring: a picture is read when it is shown, not when it comes", async () => {
  await withRing(({ ring, fill }) => {
    const unseen = ring.take(0, PART);
    const shown = ring.take(1, PART);
    unseen.release();
    fill(7);
    const [data] = shown.read() ?? [];
    assert.ok(data?.every((value) => value === 7));
    fill(8);
    assert.ok(data?.every((value) => value === 7));
    shown.release();
  });
});

Deno.test("Ring: pictures that wait in a ring that is replaced are kept", async () => {
  await withRing(({ ring, fill, short }) => {
    fill(7);
    const waiting = ring.take(0, PART);
    ring.retire();
    fill(8);
    assert.ok(waiting.read()?.[0]?.every((value) => value === 7));
    waiting.release();
    assert.throws(() => ring.take(1, PART), BridgeViolation);
    assert.equal(short(), 0);
  });
});

Deno.test("Ring: a truncated file is reported, and yields no picture", async () => {
  await withRing(({ ring, cut, short }) => {
    const shown = ring.take(0, PART);
    const waiting = ring.take(1, PART);
    cut();
    assert.equal(shown.read(), undefined);
    assert.equal(short(), 1);
    ring.retire();
    assert.equal(waiting.read(), undefined);
    assert.equal(short(), 2);
  });
});

Deno.test("RingRate: a window that grows has a ring for each frame, and large rings count more", () => {
  const rate = new RingRate();
  // Three pictures of 1920×1080 in RGBA, 60 times a second, for ten seconds.
  for (let at = 0; at < 600; at++) rate.take(3 * 1920 * 1080 * 4, at * 1000 / 60);
  const large = new RingRate();
  const take = (nowMs: number) => large.take(1024 * 1024 * 1024, nowMs);
  for (let count = 0; count < 15; count++) take(0);
  assert.throws(() => take(0), BridgeViolation);
  assert.throws(() => take(300), BridgeViolation);
  take(1000);
});
