import type { RawFrame } from "../../../src/media/frame.ts";
import { drawBlockCode } from "../../../src/renderer/block_code.ts";
import { Random } from "../random.ts";

/** Sides of the squares that the texture is made of, in pixels, each finer one fainter. */
const SQUARES_PX = [32, 8, 2] as const;
const CONTRAST = 70;
/** How far the texture moves before it turns back. */
const WAY_PX = 128;
/** Levels of noise, and how far it lies elsewhere in each picture. */
const NOISE_LEVELS = 12;
const NOISE_STEP = 7_919;

/** What a {@link MovingScene} is. */
export interface SceneOptions {
  /** Pixels, even. */
  readonly width: number;
  /** Pixels, even. */
  readonly height: number;
  readonly fps: number;
}

/**
 * Pictures that take many bits, each about as many: a texture that moves to and fro under noise, with a block code that
 * counts from 0. The same each time.
 */
export class MovingScene {
  readonly #options: SceneOptions;
  readonly #texture: Uint8Array;
  readonly #noise: Uint8Array;
  #count = 0;

  constructor(options: SceneOptions) {
    this.#options = options;
    this.#texture = drawTexture(options);
    this.#noise = new Random(12).bytes(1 << 16).map((byte) => byte % NOISE_LEVELS);
  }

  /** How many pictures there were. */
  get count(): number {
    return this.#count;
  }

  /** The next picture, in memory of its own. */
  next(): RawFrame {
    const { width, height, fps } = this.#options;
    const frameNumber = this.#count++;
    const luma = new Uint8Array(width * height);
    const from = Math.abs(WAY_PX - frameNumber * 2 % (2 * WAY_PX));
    for (let row = 0; row < height; row++) {
      const start = row * (width + WAY_PX) + from;
      luma.set(this.#texture.subarray(start, start + width), row * width);
    }
    const noiseFrom = frameNumber * NOISE_STEP;
    for (let at = 0; at < luma.length; at++) {
      luma[at] = (luma[at] ?? 0) + (this.#noise[(at + noiseFrom) % this.#noise.length] ?? 0);
    }
    const sentAtMs = Math.round(frameNumber * 1000 / fps);
    drawBlockCode({ data: luma, strideBytes: width }, { width, height }, { frameNumber, sentAtMs });
    const chroma = { data: new Uint8Array(width * height / 4).fill(128), strideBytes: width / 2 };
    return {
      kind: "raw",
      format: "i420",
      width,
      height,
      planes: [{ data: luma, strideBytes: width }, chroma, chroma],
      timestampUs: Math.round(frameNumber * 1_000_000 / fps),
    };
  }
}

function drawTexture({ width, height }: SceneOptions): Uint8Array {
  const texture = new Uint8Array((width + WAY_PX) * height).fill(60);
  const random = new Random(11);
  SQUARES_PX.forEach((side, fineness) => {
    const columns = Math.ceil((width + WAY_PX) / side);
    const levels = random.bytes(columns * Math.ceil(height / side));
    for (let at = 0; at < texture.length; at++) {
      const [x, y] = [at % (width + WAY_PX), Math.floor(at / (width + WAY_PX))];
      const level = levels[Math.floor(y / side) * columns + Math.floor(x / side)] ?? 0;
      texture[at] = (texture[at] ?? 0) + level * CONTRAST / 255 / (1 + fineness);
    }
  });
  return texture;
}
