import assert from "assert";
import { drawIdleCard } from "../../src/media/idle/card.ts";

Deno.test("drawIdleCard: a bright point on a dark ground, in exactly the planes of its size", async () => {
  for (const size of [{ width: 16, height: 16 }, { width: 640, height: 360 }]) {
    const { format, width, height, planes: [y, u, v] } = await drawIdleCard(size);
    assert.deepEqual({ format, width, height }, { format: "i420", ...size });
    assert.equal(y?.data.length, width * height);
    assert.equal(u?.data.length, width * height / 4);
    assert.equal(v?.data.length, width * height / 4);
    assert.deepEqual(
      [y, u, v].map((plane) => plane?.strideBytes),
      [width, width / 2, width / 2],
    );
  }
  const { planes: [y] } = await drawIdleCard({ width: 640, height: 360 });
  assert.ok((y?.data[180 * 640 + 320] ?? 0) > 200);
  assert.ok((y?.data[0] ?? 255) < 40);
});

Deno.test("drawIdleCard: stays inside of the limited range", async () => {
  const { planes: [y, ...chroma] } = await drawIdleCard({ width: 1280, height: 720 });
  for (const luma of y?.data ?? []) assert.ok(luma >= 16 && luma <= 235);
  for (const { data } of chroma) for (const each of data) assert.ok(each >= 16 && each <= 240);
});

Deno.test("drawIdleCard: is the same each time, and symmetric but for its dither", async () => {
  const size = { width: 320, height: 180 };
  const first = (await drawIdleCard(size)).planes[0]?.data ?? new Uint8Array();
  assert.deepEqual((await drawIdleCard(size)).planes[0]?.data, first);
  for (let x = 0; x < 160; x++) {
    const left = first[90 * 320 + x] ?? 0;
    const right = first[90 * 320 + 319 - x] ?? 0;
    assert.ok(Math.abs(left - right) <= 1, `${x}: ${left} ${right}`);
  }
});

Deno.test("drawIdleCard: its gradient is dithered, so that it has no bands", async () => {
  const { planes: [y] } = await drawIdleCard({ width: 1280, height: 720 });
  let mixed = 0;
  for (let row = 0; row < 720; row++) {
    if (new Set(y?.data.subarray(row * 1280, row * 1280 + 16)).size > 1) mixed += 1;
  }
  assert.ok(mixed > 300, `${mixed} of 720 rows hold more than one level`);
});
