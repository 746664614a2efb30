import assert from "assert";
import process from "node:process";
import { heldBytes } from "../support/machine/memory.ts";
import { Random } from "../support/random.ts";

/** Inputs of a kind that costs next to nothing each, and of every kind in a full run. */
const INPUTS = 100_000;

/** Whether every kind gets {@link INPUTS}, those included that take fewer in the test suite: `deno task fuzz`. */
const IS_FULL = Deno.env.get("PINHOLE_TEST_FUZZ_FULL") !== undefined;

/** Processor time in ms that one input may take: all of ours take microseconds, so that quadratic work shows. */
const INPUT_MS_MAX = 1_000;

/** An outcome that a generator reaches less often than once in so many inputs is one that it does not really try. */
const RARE = 2_000;

/** Inputs between two turns of the event loop. */
const TURN = 500;

/** What may be kept behind the first tenth of the inputs, in bytes: caches of the runtime, and no more. */
const GROWTH_BYTES_MAX = 1_000_000;

/** One kind of input, and who takes it. */
export interface FuzzTarget<State> {
  readonly seed: number;
  /**
   * In the test suite. Default: a hundred thousand, which every kind has in a full run. `PINHOLE_TEST_FUZZ_INPUTS` sets
   * it for all kinds.
   */
  readonly inputs?: number;
  /** Inputs that one state takes before the next one is opened. Default: all. */
  readonly perRound?: number;
  /** Makes what takes a round's inputs. */
  readonly open: (random: Random) => State | Promise<State>;
  /** Makes one input, hands it over, and asserts what has to hold. @returns A word for what became of it. */
  readonly feed: (state: State, random: Random) => string | Promise<string>;
  /** Asserts what has to hold at the end of a round, and lets go of everything. */
  readonly close?: (state: State) => void | Promise<void>;
  /** Outcomes that the generator has to reach, and not just once. */
  readonly reaches: readonly string[];
  /** Bytes that the last state may hold more than after a tenth of all inputs. Default: {@link GROWTH_BYTES_MAX}. */
  readonly growthBytesMax?: number;
  /** How long timers go on that nobody can cancel, in milliseconds. Default 0. */
  readonly lingerMs?: number;
}

/**
 * Declares a test that feeds random inputs, the same in every run. A failure names the round that it came in;
 * `PINHOLE_TEST_FUZZ_ROUND` repeats that round alone, and `PINHOLE_TEST_FUZZ_SEED` tries other inputs.
 */
export function fuzz<State>(name: string, target: FuzzTarget<State>): void {
  Deno.test(name, () => new FuzzRun(name, target).run());
}

class FuzzRun<State> {
  readonly #name: string;
  readonly #target: FuzzTarget<State>;
  readonly #seed: number;
  readonly #inputs: number;
  readonly #onlyRound = readNumber("ROUND");
  readonly #outcomes = new Map<string, number>();
  readonly #rejections: unknown[] = [];
  #fed = 0;
  #heldBytes = 0;

  constructor(name: string, target: FuzzTarget<State>) {
    this.#name = name;
    this.#target = target;
    this.#seed = readNumber("SEED") ?? target.seed;
    this.#inputs = readNumber("INPUTS") ??
      (IS_FULL ? INPUTS : target.inputs ?? INPUTS);
  }

  async run(): Promise<void> {
    const startMs = performance.now();
    const note = (event: PromiseRejectionEvent) => {
      event.preventDefault();
      this.#rejections.push(event.reason);
    };
    addEventListener("unhandledrejection", note);
    try {
      const perRound = Math.min(this.#target.perRound ?? this.#inputs, this.#inputs);
      const rounds = Math.ceil(this.#inputs / perRound);
      const first = this.#onlyRound ?? 0;
      const end = this.#onlyRound === undefined ? rounds : first + 1;
      for (let round = first; round < end; round++) {
        await this.#runRound(round, { inputs: perRound, isLast: round === end - 1 });
      }
      await turn(this.#target.lingerMs);
    } finally {
      removeEventListener("unhandledrejection", note);
    }
    if (this.#onlyRound === undefined) this.#checkOutcomes();
    if (IS_FULL) this.#report(performance.now() - startMs);
  }

  #report(ms: number): void {
    const counts = JSON.stringify(Object.fromEntries(this.#outcomes));
    const line = `${this.#fed} inputs, seed ${this.#seed}, ${(ms / 1000).toFixed(0)} s: ${counts}`;
    Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  }

  async #runRound(
    round: number,
    { inputs, isLast }: { inputs: number; isLast: boolean },
  ): Promise<void> {
    let input = 0;
    try {
      // Numbers in a row, stirred, so that no two rounds share a stretch of their random numbers.
      const random = new Random(new Random(Math.imul(this.#seed, 0x85eb_ca6b) + round).uint32());
      const state = await this.#target.open(random);
      for (; input < inputs; input++) {
        const fed = this.#feed(state, random);
        if (fed !== undefined) await fed;
        this.#fed++;
        // Promises that nobody waits for settle now, and rejections that nobody handles are told.
        if (this.#fed % TURN === 0) await turn();
        if (this.#fed === Math.ceil(this.#inputs / 10)) this.#heldBytes = heldBytes();
      }
      if (isLast) await turn();
      if (isLast) this.#checkGrowth();
      await this.#target.close?.(state);
      if (this.#rejections.length > 0) throw this.#rejections[0];
    } catch (error) {
      throw new Error(
        `"${this.#name}" failed with seed ${this.#seed} at input ${input} of round ${round}; ` +
          `repeat it by PINHOLE_TEST_FUZZ_SEED=${this.#seed} PINHOLE_TEST_FUZZ_ROUND=${round}`,
        { cause: error },
      );
    }
  }

  /** Without a promise where the target needs none: a hundred thousand of them cost more than most inputs. */
  #feed(state: State, random: Random): Promise<void> | undefined {
    const before = process.cpuUsage();
    const outcome = this.#target.feed(state, random);
    if (typeof outcome === "string") return this.#note(outcome, before);
    return outcome.then((settled) => this.#note(settled, before));
  }

  #note(outcome: string, before: NodeJS.CpuUsage): undefined {
    const { user, system } = process.cpuUsage(before);
    const ms = (user + system) / 1000;
    assert.ok(ms < INPUT_MS_MAX, `took ${ms} ms of processor time, ${outcome}`);
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1);
  }

  #checkGrowth(): void {
    if (this.#onlyRound !== undefined) return;
    const grownBytes = heldBytes() - this.#heldBytes;
    const max = this.#target.growthBytesMax ?? GROWTH_BYTES_MAX;
    assert.ok(grownBytes < max, `${grownBytes} bytes were kept, more than ${max}`);
  }

  #checkOutcomes(): void {
    const rare = this.#target.reaches.filter((outcome) =>
      (this.#outcomes.get(outcome) ?? 0) < Math.max(1, this.#fed / RARE)
    );
    const counts = JSON.stringify(Object.fromEntries(this.#outcomes));
    assert.deepEqual(rare, [], `The inputs hardly reach these outcomes: ${counts}`);
  }
}

/** Lets the event loop turn once, or for some time. */
function turn(ms = 0): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function readNumber(name: string): number | undefined {
  const text = Deno.env.get(`PINHOLE_TEST_FUZZ_${name}`);
  return text === undefined ? undefined : Number(text);
}

/** A text with what parsers stumble over: of any length up to `charsMax`. */
export function hostileText(random: Random, charsMax = 40): string {
  const text = random.pick(HOSTILE_TEXTS);
  return (random.oneIn(3) ? text.repeat(random.between(1, charsMax)) : text).slice(0, charsMax);
}

const HOSTILE_TEXTS = [
  "",
  " ",
  "\0",
  "\r\n",
  "\u202e",
  "\ud800",
  "💥",
  "%00",
  "%2e%2e/",
  "../",
  "__proto__",
  "constructor",
  "-1",
  "0",
  "9".repeat(30),
  "1e999",
  "NaN",
  "\x1b[2J",
  "'\"`;",
  "{}[]",
  "a=b:c",
] as const;
