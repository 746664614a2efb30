/**
 * Measures the machine in a worker of {@link file://./machine.ts}, whose thread no work of the test holds up, and posts a
 * {@link Stretch} each second, or at once where it is asked to.
 */
import { readCpuTimes } from "./cpu_times.ts";
import { othersShare, type Stretch } from "./machine_load.ts";

const STRETCH_MS = 1_000;
/** A stretch that is asked for. */
const SHORT_MS = 250;
const TIMER_MS = 5;

/** The job is this many pieces, and takes longer than a program usually runs before another one has its turn. */
const PIECES = 8;
/** About a millisecond. */
const STEPS = 400_000;
/** Timers between two jobs: the job takes some percent of a core. */
const TIMERS_PER_JOB = 60;

/** Of a piece; the fastest that was ever seen had no company. */
let fastestMs = Number.POSITIVE_INFINITY;
let sink = 1;

function runPiece(): number {
  const beganMs = performance.now();
  for (let step = 0; step < STEPS; step++) sink = (Math.imul(sink, 1_664_525) + step) | 0;
  const ms = performance.now() - beganMs;
  fastestMs = Math.min(fastestMs, ms);
  return ms;
}

/** Of the worker's own scope; to name its library of types would change those of pages, which are checked together. */
const scope = globalThis as unknown as {
  onmessage: () => void;
  postMessage(stretch: Stretch): void;
};

let wanted = false;
scope.onmessage = () => wanted = true;

// Once it is compiled it is faster.
for (let piece = 0; piece < 3 * PIECES; piece++) runPiece();

for (let before = readCpuTimes();;) {
  const beganMs = performance.now();
  let [timers, lateMs, pieces, piecesMs] = [0, 0, 0, 0];
  while (performance.now() - beganMs < (wanted && pieces > 0 ? SHORT_MS : STRETCH_MS)) {
    const askedMs = performance.now();
    await new Promise((resolve) => setTimeout(resolve, TIMER_MS));
    lateMs += Math.max(0, performance.now() - askedMs - TIMER_MS);
    if (timers++ % TIMERS_PER_JOB !== 0) continue;
    for (let piece = 0; piece < PIECES; piece++) piecesMs += runPiece();
    pieces += PIECES;
  }
  wanted = false;
  const after = readCpuTimes();
  const stretch: Stretch = {
    lateMs: lateMs / timers,
    speed: Math.min(1, pieces * fastestMs / piecesMs),
    others: before && after && othersShare(before, after),
  };
  before = after;
  scope.postMessage(stretch);
}
