/**
 * `deno task soak`: a server under viewers that come, watch, vanish and talk behind a tunnel that reconnects, for an
 * hour or as long as told. Prints progress to stderr and a verdict to stdout; exit code 1 when it is not met.
 */
import { parseArgs } from "node:util";
import { formatTable, formatVerdict, isMissed } from "../bench/figure.ts";
import { formatPlot, judge } from "./report.ts";
import { soak } from "./soak.ts";

const MINUTES = 60;
const HELP = `Usage: deno task soak [--minutes N] [--seed N]

  --minutes N  how long, ${MINUTES} if not given
  --seed N     who comes when, and goes how
`;

async function main(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (typeof options === "string") {
    say(Deno.stderr, `${options}\n${HELP}`);
    return 2;
  }
  const outcome = await soak({ ...options, progress: (line) => say(Deno.stderr, `${line}\n`) });
  const figures = judge(outcome);
  for (const trouble of outcome.troubles) say(Deno.stdout, `trouble: ${trouble}\n`);
  say(Deno.stdout, `${new Date().toISOString()}, seed ${options.seed}\n\n`);
  say(Deno.stdout, `${formatPlot(outcome.samples)}\n\n`);
  say(Deno.stdout, `${formatTable(figures)}\n${formatVerdict(figures)}`);
  return figures.some(isMissed) ? 1 : 0;
}

/** What is wrong with the arguments, in words, when something is. */
function readOptions(args: string[]): { minutes: number; seed: number } | string {
  try {
    const options = { minutes: { type: "string" }, seed: { type: "string" } } as const;
    const { values } = parseArgs({ args, options });
    const minutes = Number(values.minutes ?? MINUTES);
    const seed = Number(values.seed ?? Math.floor(Math.random() * 1e6));
    if (!(minutes > 0)) return `--minutes must be a number above 0, not "${values.minutes}"`;
    if (!Number.isInteger(seed)) return `--seed must be a whole number, not "${values.seed}"`;
    return { minutes, seed };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function say(stream: { writeSync(data: Uint8Array): number }, text: string): void {
  stream.writeSync(new TextEncoder().encode(text));
}

Deno.exit(await main(Deno.args));
