import { Untimely } from "../deadline.ts";
import { busiest, formatStretch, type Stretch } from "./machine_load.ts";

/** Measures the machine until it is closed. */
export interface Watch {
  /** Every stretch so far, the one that still lasts included. */
  stretches(): Promise<readonly Stretch[]>;
  close(): void;
}

/** A test as `deno test` knows it. */
export type TestName = Pick<Deno.TestContext, "name" | "origin">;

/** A test that was not judged, as its line says it. */
export interface Unjudged {
  readonly name: string;
  /** As `deno test` writes it: `./tests/frp/survival_test.ts`. */
  readonly file: string;
}

/** A moment of a busy machine spoils figures of a few seconds. */
const JUDGED_SHARE_MIN = 0.1;

/** It does not make a deadline pass, which tests have long ones of. */
const DEADLINE_SHARE_MIN = 0.5;

const UNJUDGED = /^Too busy to judge: (.+) => (\.\/tests\/[\w/]+\.ts): /;

/** Reads the line by which a test says that it was not judged. */
export function parseUnjudged(line: string): Unjudged | undefined {
  const [, name, file] = UNJUDGED.exec(line) ?? [];
  return name === undefined || file === undefined ? undefined : { name, file };
}

/**
 * Judges times: how soon, how often, how steadily. Other programs spoil such a judgement, so the machine is measured
 * while the test goes on. What holds has passed, however busy the machine; what does not hold has failed where it was quiet,
 * and is not judged where it was busy. A line with the measured figures says so, which tests/run.ts counts as skipped:
 * `deno test` cannot skip a test that has begun.
 */
export class Machine implements Disposable {
  readonly #test: TestName;
  readonly #watch: Watch;
  readonly #say: (line: string) => void;

  constructor(test: TestName, watch: Watch, say: (line: string) => void = writeLine) {
    this.#test = test;
    this.#watch = watch;
    this.#say = say;
  }

  /** Begins to measure. */
  static watch(test: TestName): Machine {
    return new Machine(test, new WorkerWatch());
  }

  /** How the machine was, from before the test until now. */
  stretches(): Promise<readonly Stretch[]> {
    return this.#watch.stretches();
  }

  /**
   * Calls what judges times, and nothing else: what does not depend on them belongs beside it.
   * @returns Whether it was judged.
   * @throws As `check` does, unless the machine was too busy to judge.
   */
  async judge(check: () => void | Promise<void>): Promise<boolean> {
    try {
      await check();
      return true;
    } catch (error) {
      return await this.#excuse(error, JUDGED_SHARE_MIN);
    }
  }

  /**
   * Runs a test, or a part of one, of which {@link Untimely} alone depends on times: that ends it, and nothing behind it
   * is looked at any more where the machine was too busy.
   * @throws As `run` does, unless the machine was too busy to judge.
   */
  async run(run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      if (!(error instanceof Untimely)) throw error;
      await this.#excuse(error, DEADLINE_SHARE_MIN);
    }
  }

  [Symbol.dispose](): void {
    this.#watch.close();
  }

  async #excuse(error: unknown, shareMin: number): Promise<false> {
    const worst = busiest(await this.#watch.stretches(), { shareMin });
    if (worst === undefined) throw error;
    const [reason] = String(error instanceof Error ? error.message : error).split("\n");
    const { name, origin } = this.#test;
    const file = `.${origin.slice(origin.lastIndexOf("/tests/"))}`;
    this.#say(`Too busy to judge: ${name} => ${file}: ${reason} (${formatStretch(worst)})`);
    return false;
  }
}

/** Registers a test of which {@link Untimely} alone depends on times, as {@link Machine.run} has it. */
export function timedTest(
  name: string,
  fn: (test: Deno.TestContext, machine: Machine) => Promise<void>,
): void {
  Deno.test(name, async (test) => {
    using machine = Machine.watch(test);
    await machine.run(() => fn(test, machine));
  });
}

/** Measures in a thread that nothing of the test holds up. */
class WorkerWatch implements Watch {
  readonly #worker = new Worker(new URL("./machine_watch.ts", import.meta.url), { type: "module" });
  readonly #stretches: Stretch[] = [];
  #next = Promise.withResolvers<void>();

  constructor() {
    this.#worker.onmessage = ({ data }) => {
      this.#stretches.push(data);
      this.#next.resolve();
      this.#next = Promise.withResolvers();
    };
  }

  async stretches(): Promise<readonly Stretch[]> {
    this.#worker.postMessage("now");
    await this.#next.promise;
    return this.#stretches;
  }

  close(): void {
    this.#worker.terminate();
  }
}

function writeLine(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
