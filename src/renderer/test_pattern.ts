import type { Clock } from "../base/clock.ts";
import type {
  AudioChunk,
  FrameSource,
  FrameSourceFactory,
  FrameSourceOptions,
  RenderResult,
} from "../media/frame.ts";
import { blockCodeArea, drawBlockCode } from "./block_code.ts";
import { type Area, I420Picture, type Yuv, yuvFromRgb } from "./i420.ts";

const BLACK = yuvFromRgb([0, 0, 0]);
const WHITE = yuvFromRgb([1, 1, 1]);

/** Colour bars at 75 %, in the order of their luma. */
const BARS: readonly Yuv[] = [
  yuvFromRgb([0.75, 0.75, 0.75]),
  yuvFromRgb([0.75, 0.75, 0]),
  yuvFromRgb([0, 0.75, 0.75]),
  yuvFromRgb([0, 0.75, 0]),
  yuvFromRgb([0.75, 0, 0.75]),
  yuvFromRgb([0.75, 0, 0]),
  yuvFromRgb([0, 0, 0.75]),
];

const SECOND_US = 1_000_000;
const FLASH_US = 100_000;
/** How early a timer may fire; without this margin the flash would be one picture late. */
const EARLY_US = 2_000;
/** Periods of the ball in x and y; their least common multiple is large, so the path repeats only after 91 s. */
const BALL_PERIOD_X_US = 7 * SECOND_US;
const BALL_PERIOD_Y_US = 2.6 * SECOND_US;

/**
 * The built-in renderer: colour bars, a grey ramp, a bouncing ball, a corner that flashes during the first 100 ms of
 * each second of the timeline (2 ms early, because timers may be), and a block code with the number of the `render`
 * call (from 0) and the wall-clock time of the call. It beeps while it flashes.
 *
 * Pictures are I420 in BT.601 limited range, in the session's size. `render` returns at once; all motion depends only
 * on the timestamp.
 *
 * @param options.clock Time source of the block code.
 */
export function createTestPattern({ clock }: { clock: Clock }): FrameSourceFactory {
  return {
    name: "test-pattern",
    open: (options) => Promise.resolve(new TestPatternSource(options, clock)),
    close: () => Promise.resolve(),
  };
}

/** A picture, and the last position of the ball on it. */
interface Canvas {
  readonly picture: I420Picture;
  ball?: Area;
}

class TestPatternSource implements FrameSource {
  readonly #clock: Clock;
  readonly #background: I420Picture;
  readonly #layout: Layout;
  readonly #tone: Tone = new Tone(FLASH_US);
  /** Two in turn, so that a frame stays unchanged while the next one is drawn. */
  readonly #canvases: readonly [Canvas, Canvas];
  #frameNumber = 0;

  constructor(options: FrameSourceOptions, clock: Clock) {
    this.#clock = clock;
    this.#layout = layOut(options);
    this.#background = drawBackground(options, this.#layout);
    this.#canvases = [
      { picture: drawBackground(options, this.#layout) },
      { picture: drawBackground(options, this.#layout) },
    ];
  }

  render(timestampUs: number): Promise<RenderResult> {
    const frameNumber = this.#frameNumber++ >>> 0;
    const canvas = this.#canvases[frameNumber % 2 === 0 ? 0 : 1];
    this.#draw(canvas, { frameNumber, timestampUs });
    const { width, height, planes } = canvas.picture;
    return Promise.resolve({
      status: "frame",
      frame: { kind: "raw", format: "i420", width, height, planes, timestampUs },
    });
  }

  audio(timestampUs: number): Promise<AudioChunk | undefined> {
    return Promise.resolve(this.#tone.until(timestampUs));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #draw(
    canvas: Canvas,
    { frameNumber, timestampUs }: { frameNumber: number; timestampUs: number },
  ): void {
    const { picture } = canvas;
    if (canvas.ball !== undefined) picture.copyArea(this.#background, canvas.ball);
    const { radius, court, flash } = this.#layout;
    const x = Math.round(court.x + court.width * bounce(timestampUs / BALL_PERIOD_X_US));
    const y = Math.round(court.y + court.height * bounce(timestampUs / BALL_PERIOD_Y_US));
    picture.fillDisc({ x, y, radius }, BLACK);
    picture.fillDisc({ x, y, radius: radius * 0.8 }, WHITE);
    // Two more pixels on each side, for rounding.
    const side = 2 * radius + 4;
    canvas.ball = { x: x - radius - 2, y: y - radius - 2, width: side, height: side };
    const intoSecondUs = (timestampUs + EARLY_US) % SECOND_US;
    picture.fillArea(flash, intoSecondUs < FLASH_US ? WHITE : BLACK);
    const sentAtMs = Math.floor(this.#clock.wallMs());
    drawBlockCode(picture.planes[0], picture, { frameNumber, sentAtMs });
  }
}

/** Positions in pixels. */
interface Layout {
  /** Area of the block code. */
  readonly code: Area;
  /** Area of the ball's centre. */
  readonly court: Area;
  readonly radius: number;
  readonly flash: Area;
  /** Top of the row of bars in reverse order, and of the ramp below it. */
  readonly reverseTop: number;
  readonly rampTop: number;
}

function layOut({ width, height }: { width: number; height: number }): Layout {
  const code = { x: 0, y: 0, ...blockCodeArea({ width, height }) };
  const radius = Math.floor(Math.min(width, height) / 12);
  const rampTop = Math.floor(height * 0.75);
  const courtTop = code.height + radius + 2;
  return {
    code,
    radius,
    court: {
      x: radius + 2,
      y: courtTop,
      width: width - 2 * (radius + 2),
      height: Math.max(0, rampTop - radius - 2 - courtTop),
    },
    flash: { x: width * 0.75, y: rampTop, width: width * 0.25, height: height - rampTop },
    reverseTop: Math.floor(height * 0.67),
    rampTop,
  };
}

function drawBackground(size: { width: number; height: number }, layout: Layout): I420Picture {
  const picture = new I420Picture(size);
  const { width, height } = size;
  const { reverseTop, rampTop } = layout;
  BARS.forEach((color, index) => {
    const x = Math.floor(width * index / BARS.length);
    const right = Math.floor(width * (index + 1) / BARS.length);
    const column = { x, width: right - x };
    const reverse = index % 2 === 0 ? BARS[BARS.length - 1 - index] ?? BLACK : BLACK;
    picture.fillArea({ ...column, y: 0, height: reverseTop }, color);
    picture.fillArea({ ...column, y: reverseTop, height: rampTop - reverseTop }, reverse);
  });
  // It ends before the flash, so that white never touches white.
  const rampWidth = layout.flash.x * 0.95;
  for (let x = 0; x < rampWidth; x += 2) {
    const level = x / rampWidth;
    const color = yuvFromRgb([level, level, level]);
    picture.fillArea({ x, y: rampTop, width: 2, height: height - rampTop }, color);
  }
  picture.fillArea(layout.code, BLACK);
  return picture;
}

/** A triangle wave: 0 at whole periods, 1 in the middle. */
function bounce(periods: number): number {
  const phase = periods - Math.floor(periods);
  return 1 - Math.abs(2 * phase - 1);
}

const SAMPLE_RATE = 48_000;
const PITCH_HZ = 1_000;
/** A quarter of full scale: clear, but not startling after unmuting. */
const AMPLITUDE = 8_192;
/** Fade in and out of the beep, in samples, to avoid clicks. */
const RAMP_SAMPLES = 96;

/** The beep of the flash, at the beginning of each second of the timeline; otherwise silence. Mono, 48 kHz. */
class Tone {
  readonly #beepUs: number;
  #nextSample: number | undefined;

  /** @param beepUs Length of the beep in microseconds. */
  constructor(beepUs: number) {
    this.#beepUs = beepUs;
  }

  /** The sound since the last call, up to `timestampUs`; the first call only sets the start. */
  until(timestampUs: number): AudioChunk | undefined {
    const end = Math.floor((timestampUs * SAMPLE_RATE) / SECOND_US);
    const start = this.#nextSample ?? end;
    this.#nextSample = Math.max(start, end);
    if (end <= start) return undefined;
    return {
      sampleRate: SAMPLE_RATE,
      channels: 1,
      samples: Int16Array.from({ length: end - start }, (_, index) => this.#sample(start + index)),
      timestampUs: (start * SECOND_US) / SAMPLE_RATE,
    };
  }

  #sample(index: number): number {
    const beepSamples = (this.#beepUs * SAMPLE_RATE) / SECOND_US;
    const inSecond = index % SAMPLE_RATE;
    if (inSecond >= beepSamples) return 0;
    const ramp = Math.min(1, inSecond / RAMP_SAMPLES, (beepSamples - inSecond) / RAMP_SAMPLES);
    return Math.round(
      AMPLITUDE * ramp * Math.sin((2 * Math.PI * PITCH_HZ * inSecond) / SAMPLE_RATE),
    );
  }
}
