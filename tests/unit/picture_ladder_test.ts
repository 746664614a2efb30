import assert from "assert";
import { PictureLadder } from "../../src/rate/picture_ladder.ts";
import { Random } from "../support/random.ts";

const HD = { width: 1280, height: 720, fps: 30 } as const;
const COARSE = 0.9;
const FINE = 0.4;
const TWO_THIRDS = 2 / 3;

/** A ladder and a clock that goes on by one picture at a time. */
class Stream {
  readonly ladder: PictureLadder;
  readonly #intervalUs: number;
  #nowUs = 0;
  /** How often the size changed. */
  changes = 0;
  #last = 1;

  constructor(
    picture: { width: number; height: number; fps: number; adaptiveSize?: boolean } = HD,
  ) {
    this.ladder = new PictureLadder(picture);
    this.#intervalUs = 1_000_000 / picture.fps;
  }

  /** Goes on for some seconds, and returns the last size. */
  run(seconds: number, options: { kbps: number; coarseness: number }): number {
    const endUs = this.#nowUs + seconds * 1_000_000;
    while (this.#nowUs < endUs) this.step(options);
    return this.#last;
  }

  step({ kbps, coarseness }: { kbps: number; coarseness: number }): number {
    const scale = this.ladder.scaleAt({ nowUs: this.#nowUs, kbps });
    if (scale !== this.#last) this.changes++;
    this.#last = scale;
    this.ladder.note(coarseness);
    this.#nowUs += this.#intervalUs;
    return scale;
  }
}

Deno.test("PictureLadder: a picture is whole to begin with, and while bits are enough", () => {
  assert.equal(new Stream().run(10, { kbps: 900, coarseness: COARSE }), 1);
});

Deno.test("PictureLadder: a picture that is easy to compress stays whole at any rate", () => {
  assert.equal(new Stream().run(10, { kbps: 100, coarseness: FINE }), 1);
});

Deno.test("PictureLadder: a picture that may not be made smaller stays whole", () => {
  const stream = new Stream({ ...HD, adaptiveSize: false });
  assert.equal(stream.run(10, { kbps: 100, coarseness: COARSE }), 1);
});

Deno.test("PictureLadder: it goes down after a second of too little, and not sooner", () => {
  const stream = new Stream();
  assert.equal(stream.run(0.9, { kbps: 500, coarseness: COARSE }), 1);
  assert.equal(stream.run(1.1, { kbps: 500, coarseness: COARSE }), TWO_THIRDS);
});

Deno.test("PictureLadder: a dip that is shorter than a second changes nothing", () => {
  const stream = new Stream();
  stream.run(5, { kbps: 1_000, coarseness: COARSE });
  for (let dip = 0; dip < 10; dip++) {
    stream.run(0.8, { kbps: 300, coarseness: COARSE });
    stream.run(0.2, { kbps: 1_000, coarseness: COARSE });
  }
  assert.equal(stream.changes, 0);
});

Deno.test("PictureLadder: it goes right to the size that the rate is enough for", () => {
  const stream = new Stream();
  assert.equal(stream.run(3, { kbps: 200, coarseness: COARSE }), 1 / 2);
  assert.equal(stream.changes, 1);
});

Deno.test("PictureLadder: it goes up after five seconds of enough, and not sooner", () => {
  const stream = new Stream();
  stream.run(3, { kbps: 200, coarseness: COARSE });
  assert.equal(stream.run(4.8, { kbps: 2_500, coarseness: FINE }), 1 / 2);
  assert.equal(stream.run(0.4, { kbps: 2_500, coarseness: FINE }), 1);
});

Deno.test("PictureLadder: a rate at which it went down is not enough to go up again", () => {
  const stream = new Stream();
  stream.run(3, { kbps: 690, coarseness: COARSE });
  assert.equal(stream.run(60, { kbps: 820, coarseness: FINE }), TWO_THIRDS);
  assert.equal(stream.changes, 1);
});

Deno.test("PictureLadder: a rate that swings by a tenth never changes the size more than once", () => {
  const random = new Random(5);
  for (const middle of [150, 300, 307, 369, 550, 691, 760, 829, 1_200]) {
    const stream = new Stream();
    for (let at = 0; at < 30 * 60; at++) {
      const kbps = middle * random.between(90, 110) / 100;
      stream.step({ kbps, coarseness: COARSE });
    }
    assert.ok(stream.changes <= 1, `${stream.changes} changes around ${middle} kbit/s`);
  }
});

Deno.test("PictureLadder: small pictures are not made smaller than 160 pixels", () => {
  const small = { width: 320, height: 180, fps: 30 };
  assert.equal(new Stream(small).run(10, { kbps: 10, coarseness: 1 }), 1);
  const middle = { width: 640, height: 360, fps: 30 };
  assert.equal(new Stream(middle).run(10, { kbps: 10, coarseness: 1 }), 1 / 2);
});
