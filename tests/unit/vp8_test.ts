import { isVp8Keyframe } from "../support/media/keyframes.ts";
import assert from "assert";
import { packetizeVp8 } from "../../src/media/vp8.ts";
import { depacketizeVp8 } from "../support/media/depacketize.ts";
import { Random } from "../support/random.ts";

Deno.test("packetizeVp8: descriptor with X, I, S and a 15-bit picture id", () => {
  const frame = Uint8Array.of(10, 20, 30, 40, 50);
  assert.deepEqual(packetizeVp8(frame, { payloadBytesMax: 7, pictureId: 0x1234 }), [
    Uint8Array.of(0x90, 0x80, 0x92, 0x34, 10, 20),
    Uint8Array.of(0x80, 0x80, 0x92, 0x34, 30, 40, 50),
  ]);
});

Deno.test("packetizeVp8: a frame at the limit takes one payload, one byte more takes two halves", () => {
  const sizesOf = (bytes: number) =>
    packetizeVp8(new Uint8Array(bytes), { payloadBytesMax: 1188, pictureId: 0 })
      .map(({ length }) => length);
  assert.deepEqual(sizesOf(1184), [1188]);
  assert.deepEqual(sizesOf(1185), [596, 597]);
  assert.deepEqual(sizesOf(0), []);
});

Deno.test("packetizeVp8: the picture id wraps at 15 bits and always takes two bytes", () => {
  for (const [pictureId, sent] of [[0, 0], [5, 5], [0x7fff, 0x7fff], [0x8000, 0], [0x1_8005, 5]]) {
    assert.ok(pictureId !== undefined);
    const [payload] = packetizeVp8(Uint8Array.of(1), { payloadBytesMax: 50, pictureId });
    assert.ok(payload);
    assert.equal(payload.length, 5);
    assert.equal(depacketizeVp8([payload]).pictureId, sent);
  }
});

Deno.test("packetizeVp8: any frame comes back whole, in payloads of even size", () => {
  const random = new Random(4);
  for (let round = 0; round < 3_000; round++) {
    const payloadBytesMax = random.pick([5, 6, 20, 300, 1184, 1188]);
    const frame = random.bytes(random.below(payloadBytesMax < 20 ? 300 : 8000));
    const pictureId = random.below(0x8000);
    const payloads = packetizeVp8(frame, { payloadBytesMax, pictureId });
    const sizes = payloads.map(({ length }) => length);
    if (frame.length > 0) {
      assert.deepEqual(depacketizeVp8(payloads), { frame, pictureId });
      assert.ok(Math.max(...sizes) <= payloadBytesMax);
      assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
      assert.equal(payloads.length, Math.ceil(frame.length / (payloadBytesMax - 4)));
    }
  }
});

Deno.test("packetizeVp8: limits that leave no room are refused", () => {
  for (const payloadBytesMax of [4, 0, -1, NaN]) {
    assert.throws(
      () => packetizeVp8(Uint8Array.of(1), { payloadBytesMax, pictureId: 0 }),
      RangeError,
    );
  }
});

Deno.test("isVp8Keyframe: reads the inverse key frame bit of the frame tag", () => {
  assert.ok(isVp8Keyframe(Uint8Array.of(0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a)));
  assert.ok(!isVp8Keyframe(Uint8Array.of(0x31, 0x02, 0x00)));
  assert.ok(!isVp8Keyframe(new Uint8Array(0)));
});
