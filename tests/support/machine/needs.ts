import { fileURLToPath } from "node:url";

/** A group of things that tests use and that this host may lack. */
export type Need = "packages" | "compiler" | "browsers" | "frp" | "clients" | "numpy" | "nvcc";

/** Every {@link Need}, what is quick first. */
export const NEEDS: readonly Need[] = [
  "packages",
  "compiler",
  "browsers",
  "frp",
  "numpy",
  "clients",
  "nvcc",
];

/** What came of a look for a {@link Need}; `tests/support/machine/need.ts` prints it as JSON. */
export interface Prepared {
  /** One line for each thing that is there, with its place. */
  readonly found: readonly string[];
  /** One line for each thing that is not: why, and what would mend it. */
  readonly missing: readonly string[];
  /** Variables by which the tests know what was tried in vain, so that they do not try again. */
  readonly env: Readonly<Record<string, string>>;
}

/** Long work says that it goes on this often. */
const PROGRESS_MS = 10_000;

/**
 * Installs and builds what is missing, one need after the other, each in a process of its own: the work is long, and it
 * is waited for while tests run.
 * @param say Takes lines of progress.
 */
export async function prepare(
  needs: readonly Need[],
  say: (line: string) => void,
): Promise<Prepared> {
  const found: string[] = [];
  const missing: string[] = [];
  const env: Record<string, string> = {};
  for (const need of needs) {
    const result = await prepareOne(need, say);
    found.push(...result.found);
    missing.push(...result.missing);
    Object.assign(env, result.env);
  }
  return { found, missing, env };
}

async function prepareOne(need: Need, say: (line: string) => void): Promise<Prepared> {
  const startedMs = performance.now();
  const timer = setInterval(() => {
    say(`Preparing ${need} … ${Math.round((performance.now() - startedMs) / 1000)} s`);
  }, PROGRESS_MS);
  try {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", fileURLToPath(new URL("need.ts", import.meta.url)), need],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const { success, stdout } = await child.output();
    if (success) return JSON.parse(new TextDecoder().decode(stdout));
    return { found: [], missing: [`${need}: looking for it failed, see above`], env: {} };
  } finally {
    clearInterval(timer);
  }
}
