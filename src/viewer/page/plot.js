// @ts-check
/// <reference lib="dom" />
/**
 * Plots recent values of several series, one strip each, over one time axis, with a text for screen readers. @module
 */
import { setText } from "./dom.js";

const GUTTER = 44;
const TITLE = 22;
const FOOT = 20;
const GAP = 14;
const MARGIN = 8;
/** Initial length of the time axis, which grows to its full length with more values. */
const LEAST_SPAN_MS = 10_000;
/** The value axis covers this fraction of the values; higher ones are clipped, but still shown as text. */
const SHOWN_SHARE = 0.9;
/** Factor of headroom above them. */
const HEADROOM = 1.25;

/**
 * @typedef {object} Series
 * @property {string} label Such as `Frame rate`.
 * @property {string} unit
 * @property {string} color Name of a custom property of the style sheet.
 * @property {number} least The axis reaches at least this far, so that noise around zero stays small.
 */

/** @typedef {{ left: number, top: number, right: number, bottom: number }} Box */

/** Plots series with different units without mixing their axes. */
export class Plot {
  #canvas;
  #words;
  #series;
  #spanMs;
  /** @type {{ atMs: number, values: readonly (number | null)[] }[]} */
  #points = [];
  /** The selected point; `null`: none, show a summary. @type {number | null} */
  #readAtMs = null;

  /**
   * @param {{ canvas: HTMLCanvasElement, words: Element }} place `words` says what the canvas shows: a summary, or the
   *   values at the place that is pointed at.
   * @param {readonly Series[]} series From top to bottom.
   * @param {{ spanMs?: number }} [options] Maximum length of the time axis; default: a minute.
   */
  constructor({ canvas, words }, series, { spanMs = 60_000 } = {}) {
    this.#canvas = canvas;
    this.#words = words;
    this.#series = series;
    this.#spanMs = spanMs;
    canvas.tabIndex = 0;
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    canvas.addEventListener("pointermove", ({ offsetX }) => this.#readAt(this.#timeAt(offsetX)));
    for (const left of ["pointerleave", "blur"]) {
      canvas.addEventListener(left, () => this.#readAt(null));
    }
    canvas.addEventListener("keydown", (event) => this.#step(event));
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
      const box = { left: GUTTER, top, right: width - MARGIN, bottom: (index + 1) * strip - GAP };
      this.#drawStrip(context, box, { series, index, style });
    });
    this.#drawTimes(context, style);
    setText(this.#words, this.#read());
  }

  get #nowMs() {
    return this.#points.at(-1)?.atMs ?? 0;
  }

  /** How far back the axis goes at the moment. */
  get #shownMs() {
    const ageMs = this.#nowMs - (this.#points[0]?.atMs ?? this.#nowMs);
    return Math.min(this.#spanMs, Math.max(LEAST_SPAN_MS, ageMs));
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {CSSStyleDeclaration} style
   */
  #drawTimes(context, style) {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    context.fillStyle = style.getPropertyValue("--quiet");
    context.textBaseline = "alphabetic";
    for (const part of [0, 0.5, 1]) {
      const seconds = Math.round((1 - part) * this.#shownMs / 1000);
      context.textAlign = part === 0 ? "left" : part === 1 ? "right" : "center";
      const text = seconds === 0 ? "now" : `${seconds} s ago`;
      context.fillText(text, GUTTER + part * (width - MARGIN - GUTTER), height - 4);
    }
    const read = this.#readPoint;
    if (!read) return;
    const x = this.#xAt(read.atMs, { left: GUTTER, right: width - MARGIN });
    context.fillRect(x - 0.5, TITLE, 1, height - FOOT - TITLE - GAP + 8);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Box} box
   * @param {{ series: Series, index: number, style: CSSStyleDeclaration }} what
   */
  #drawStrip(context, box, { series, index, style }) {
    const values = this.#points.map((point) => point.values[index] ?? null);
    const most = axisEnd(values, series.least);
    const color = style.getPropertyValue(series.color);
    context.fillStyle = color;
    context.fillRect(box.left, box.top - 13, 10, 3);
    context.fillStyle = style.getPropertyValue("--quiet");
    context.textBaseline = "middle";
    context.textAlign = "left";
    context.fillText(`${series.label}, ${series.unit}`, box.left + 16, box.top - 11);
    context.textAlign = "right";
    context.strokeStyle = style.getPropertyValue("--line");
    context.lineWidth = 1;
    context.beginPath();
    for (const part of [0, 0.5, 1]) {
      const y = Math.round(box.bottom - part * (box.bottom - box.top)) + 0.5;
      context.moveTo(box.left, y);
      context.lineTo(box.right, y);
      context.fillText((part * most).toLocaleString("en"), box.left - 8, y);
    }
    context.stroke();
    context.strokeStyle = color;
    context.lineWidth = 1.75;
    context.lineJoin = "round";
    context.stroke(this.#line(values, { box, most }));
  }

  /**
   * @param {readonly (number | null)[]} values
   * @param {{ box: Box, most: number }} scale
   */
  #line(values, { box, most }) {
    const path = new Path2D();
    let drawing = false;
    this.#points.forEach(({ atMs }, index) => {
      const value = values[index] ?? null;
      if (value !== null) {
        const x = this.#xAt(atMs, box);
        const y = box.bottom - Math.min(1, value / most) * (box.bottom - box.top);
        if (drawing) path.lineTo(x, y);
        else path.moveTo(x, y);
      }
      drawing = value !== null;
    });
    return path;
  }

  /** @param {number} atMs @param {{ left: number, right: number }} box */
  #xAt(atMs, { left, right }) {
    return right - (this.#nowMs - atMs) / this.#shownMs * (right - left);
  }

  /** @param {number} x From the canvas' left edge, in CSS pixels. */
  #timeAt(x) {
    const right = this.#canvas.clientWidth - MARGIN;
    return this.#nowMs - (right - x) / (right - GUTTER) * this.#shownMs;
  }

  /** The point nearest to the pointer. */
  get #readPoint() {
    const atMs = this.#readAtMs;
    if (atMs === null) return undefined;
    return this.#points.reduce(
      (best, point) => Math.abs(point.atMs - atMs) < Math.abs(best.atMs - atMs) ? point : best,
      this.#points[0] ?? { atMs: 0, values: [] },
    );
  }

  /** @param {number | null} atMs */
  #readAt(atMs) {
    this.#readAtMs = atMs;
    this.draw();
  }

  /** Arrow keys select points. @param {KeyboardEvent} event */
  #step(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (steps === undefined || this.#points.length === 0) return;
    event.preventDefault();
    const read = this.#readPoint;
    const from = read ? this.#points.indexOf(read) : this.#points.length;
    const to = Math.max(0, Math.min(this.#points.length - 1, from + steps));
    this.#readAt(this.#points[to]?.atMs ?? null);
  }

  /** The content of the plot as text. */
  #read() {
    const read = this.#readPoint;
    if (read) {
      const seconds = Math.round((this.#nowMs - read.atMs) / 1000);
      const values = this.#series.map(({ label, unit }, index) => {
        const value = read.values[index] ?? null;
        return `${label} ${value === null ? "–" : `${format(value)} ${unit}`}`;
      });
      return `${seconds === 0 ? "Now" : `${seconds} s ago`}: ${values.join(", ")}`;
    }
    const ranges = this.#series.flatMap(({ label, unit }, index) => {
      const values = this.#points.flatMap((point) => point.values[index] ?? []);
      if (values.length === 0) return [];
      const [least, most] = [format(Math.min(...values)), format(Math.max(...values))];
      return [`${label} ${least === most ? least : `${least} to ${most}`} ${unit}`];
    });
    return ranges.length === 0 ? "No figures yet" : ranges.join(", ");
  }
}

/** @param {number} value */
function format(value) {
  return Math.round(value).toLocaleString("en");
}

/**
 * The end of a value axis, so that a single extreme value, such as the first round trip, does not flatten the others.
 * @param {readonly (number | null)[]} values
 * @param {number} least
 */
function axisEnd(values, least) {
  const sorted = values.flatMap((value) => value ?? []).sort((one, other) => one - other);
  const usual = sorted[Math.floor((sorted.length - 1) * SHOWN_SHARE)] ?? 0;
  return roundUp(Math.max(least, usual * HEADROOM));
}

/** Rounds up to a suitable end of an axis. @param {number} value */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 4, 6, 8, 10].find((step) => step * power >= value) ?? 10) * power;
}
