import assert from "assert";
import { fitInside } from "../../src/media/fit.ts";

const HD = { width: 1280, height: 720 };

Deno.test("fitInside: a square lies between bars left and right", () => {
  assert.deepEqual(fitInside({ width: 512, height: 512 }, HD), {
    x: 280,
    y: 0,
    width: 720,
    height: 720,
  });
});

Deno.test("fitInside: a wide picture lies between bars above and below", () => {
  assert.deepEqual(fitInside({ width: 2000, height: 500 }, HD), {
    x: 0,
    y: 200,
    width: 1280,
    height: 320,
  });
});

Deno.test("fitInside: the same aspect fills the frame, larger or smaller", () => {
  const whole = { x: 0, y: 0, ...HD };
  assert.deepEqual(fitInside({ width: 3840, height: 2160 }, HD), whole);
  assert.deepEqual(fitInside({ width: 16, height: 9 }, HD), whole);
});

Deno.test("fitInside: an aspect that differs by a pixel leaves no bar", () => {
  assert.deepEqual(fitInside({ width: 1366, height: 768 }, HD), { x: 0, y: 0, ...HD });
});

Deno.test("fitInside: every number is even and inside of the frame, whatever the picture", () => {
  for (const [width, height] of [[1, 10_000], [10_000, 1], [333, 777], [1919, 1081], [0.5, 3]]) {
    const area = fitInside({ width: width ?? 0, height: height ?? 0 }, HD);
    for (const number of Object.values(area)) assert.equal(number % 2, 0);
    assert.ok(area.width >= 2 && area.height >= 2 && area.x >= 0 && area.y >= 0);
    assert.ok(area.x + area.width <= 1280 && area.y + area.height <= 720);
  }
});
