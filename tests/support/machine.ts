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

const UNJUDGED = /^Too busy to judge: (.+) => (\.\/tests\/[\w/]+\.ts): /;

/** Reads the line by which a test says that it was not judged. */
export function parseUnjudged(line: string): Unjudged | undefined {
  const [, name, file] = UNJUDGED.exec(line) ?? [];
  return name === undefined || file === undefined ? undefined : { name, file };
}

/**
 * Judges times: how soon, how often, how steadily. Other programs spoil such a judgement, so the machine is measured from
 * before the test on. What holds has passed, however busy the machine; what does not hold has failed where it was quiet,
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

  /** Begins to measure; settles when the machine was measured once, so that the test itself has no part in that. */
  static async watch(test: TestName): Promise<Machine> {
    const watch = new WorkerWatch();
    await watch.stretches();
    return new Machine(test, watch);
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
      const worst = busiest(await this.#watch.stretches());
      if (worst === undefined) throw error;
      const [reason] = String(error instanceof Error ? error.message : error).split("\n");
      const { name, origin } = this.#test;
      const file = `.${origin.slice(origin.lastIndexOf("/tests/"))}`;
      this.#say(`Too busy to judge: ${name} => ${file}: ${reason} (${formatStretch(worst)})`);
      return false;
    }
  }

  [Symbol.dispose](): void {
    this.#watch.close();
  }
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
