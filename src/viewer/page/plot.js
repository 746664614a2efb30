// @ts-check
/// <reference lib="dom" />
/** Draws the recent past of some figures, one strip each, over one time axis. @module */

const GUTTER = 44;
const TITLE = 22;
const FOOT = 20;
const GAP = 14;

/**
 * @typedef {object} Series
 * @property {string} label Name and unit.
 * @property {string} color Name of a custom property of the style sheet.
 * @property {number} least The axis reaches at least this far, so that noise around zero stays small.
 */

/** Plots series with different units without mixing their axes. */
export class Plot {
  #canvas;
  #series;
  #spanMs;
  /** @type {{ atMs: number, values: readonly (number | null)[] }[]} */
  #points = [];

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {readonly Series[]} series From top to bottom.
   * @param {{ spanMs?: number }} [options] How far back the axis goes; a minute unless told.
   */
  constructor(canvas, series, { spanMs = 60_000 } = {}) {
    this.#canvas = canvas;
    this.#series = series;
    this.#spanMs = spanMs;
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /**
   * Adds one value for each series; `null` leaves a gap.
   * @param {number} atMs On the clock of `performance.now()`.
   * @param {readonly (number | null)[]} values
   */
  add(atMs, values) {
    this.#points.push({ atMs, values });
    while ((this.#points[0]?.atMs ?? atMs) < atMs - this.#spanMs) this.#points.shift();
    this.draw();
  }

  draw() {
    const canvas = this.#canvas;
    const context = canvas.getContext("2d");
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!context || width === 0) return;
    canvas.width = Math.round(width * devicePixelRatio);
    canvas.height = Math.round(height * devicePixelRatio);
    context.scale(devicePixelRatio, devicePixelRatio);
    const style = getComputedStyle(canvas);
    context.font = `12px ${style.fontFamily}`;
    const strip = (height - FOOT + GAP) / this.#series.length;
    this.#series.forEach((series, index) => {
      const top = index * strip + TITLE;
      const box = { left: GUTTER, top, right: width - 8, bottom: (index + 1) * strip - GAP };
      this.#drawStrip(context, box, { series, index, style });
    });
    context.fillStyle = style.getPropertyValue("--quiet");
    context.textBaseline = "alphabetic";
    for (const part of [0, 0.5, 1]) {
      const text = part === 1 ? "now" : `${(1 - part) * this.#spanMs / 1000} s ago`;
      context.textAlign = part === 0 ? "left" : part === 1 ? "right" : "center";
      context.fillText(text, GUTTER + part * (width - 8 - GUTTER), height - 4);
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {{ left: number, top: number, right: number, bottom: number }} box
   * @param {{ series: Series, index: number, style: CSSStyleDeclaration }} what
   */
  #drawStrip(context, box, { series, index, style }) {
    const values = this.#points.map((point) => point.values[index] ?? null);
    const most = roundUp(Math.max(series.least, ...values.map((value) => value ?? 0)));
    const color = style.getPropertyValue(series.color);
    context.fillStyle = color;
    context.fillRect(box.left, box.top - 13, 10, 3);
    context.fillStyle = style.getPropertyValue("--quiet");
    context.textBaseline = "middle";
    context.textAlign = "left";
    context.fillText(series.label, box.left + 16, box.top - 11);
    context.textAlign = "right";
    context.strokeStyle = style.getPropertyValue("--line");
    context.lineWidth = 1;
    context.beginPath();
    for (const part of [0, 0.5, 1]) {
      const y = Math.round(box.bottom - part * (box.bottom - box.top)) + 0.5;
      context.moveTo(box.left, y);
      context.lineTo(box.right, y);
      context.fillText(String(part * most), box.left - 8, y);
    }
    context.stroke();
    context.strokeStyle = color;
    context.lineWidth = 1.75;
    context.lineJoin = "round";
    context.stroke(this.#line(values, { box, most }));
  }

  /**
   * @param {readonly (number | null)[]} values
   * @param {{ box: { left: number, top: number, right: number, bottom: number }, most: number }} scale
   */
  #line(values, { box, most }) {
    const path = new Path2D();
    const nowMs = this.#points.at(-1)?.atMs ?? 0;
    let drawing = false;
    this.#points.forEach(({ atMs }, index) => {
      const value = values[index] ?? null;
      if (value !== null) {
        const x = box.right - (nowMs - atMs) / this.#spanMs * (box.right - box.left);
        const y = box.bottom - value / most * (box.bottom - box.top);
        if (drawing) path.lineTo(x, y);
        else path.moveTo(x, y);
      }
      drawing = value !== null;
    });
    return path;
  }
}

/** The next number that makes a good end of an axis. @param {number} value */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 4, 6, 8, 10].find((step) => step * power >= value) ?? 10) * power;
}
