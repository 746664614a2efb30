import assert from "assert";
import { readOrientation } from "../../src/media/idle/orientation.ts";

const ONE = 65_536;

function matrixOf([a, b, c, d]: readonly [number, number, number, number]): Uint8Array {
  const numbers = [a, b, 0, c, d, 0, 0, 0, 1].map((number) => number * ONE);
  return new Uint8Array(Int32Array.from(numbers).buffer);
}

Deno.test("readOrientation: no matrix, a short one and the plain one change nothing", () => {
  const upright = { filters: [], transposed: false };
  assert.deepEqual(readOrientation(null), upright);
  assert.deepEqual(readOrientation(new Uint8Array(8)), upright);
  assert.deepEqual(readOrientation(matrixOf([1, 0, 0, 1])), upright);
});

Deno.test("readOrientation: a quarter turn transposes, then mirrors one axis", () => {
  // x' = -y, y' = x: clockwise.
  assert.deepEqual(readOrientation(matrixOf([0, 1, -1, 0])), {
    filters: ["transpose=cclock_flip", "hflip"],
    transposed: true,
  });
  assert.deepEqual(readOrientation(matrixOf([0, -1, 1, 0])), {
    filters: ["transpose=cclock_flip", "vflip"],
    transposed: true,
  });
});

Deno.test("readOrientation: half a turn mirrors both axes", () => {
  assert.deepEqual(readOrientation(matrixOf([-1, 0, 0, -1])), {
    filters: ["hflip", "vflip"],
    transposed: false,
  });
});
