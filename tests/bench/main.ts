/**
 * `deno task bench`: measures the figures that docs/performance_method.md explains, and prints them as a table. Progress goes
 * to stderr.
 */
import { parseArgs } from "node:util";
import { comparePeers, formatPeerReport } from "./beside/compare.ts";
import { ROWS } from "./beside/rows.ts";
import { measureCongestion } from "./congestion.ts";
import { measureConnect } from "./connect.ts";
import { measureFairShares } from "./fair_shares.ts";
import { measureFanOut } from "./fan_out.ts";
import { type Figure, formatTable, formatVerdict, type Part, type Progress } from "./figure.ts";
import { measureFirstFrame } from "./first_frame.ts";
import { measureFrp } from "./frp.ts";
import { measureIdle } from "./idle.ts";
import { measureIdleLoad } from "./idle_load.ts";
import { measureIdleSwitch } from "./idle_switch.ts";
import { measureLatency } from "./latency.ts";
import { measureLips } from "./lip_sync.ts";
import { measureLoad } from "./load.ts";
import { measureOperations } from "./operations.ts";
import { measureOverload } from "./overload.ts";
import { measurePacketCost } from "./packet_cost.ts";
import { measurePictureCost } from "./picture_cost.ts";
import { measureRebinding } from "./rebinding.ts";
import { measureRenderer } from "./renderer.ts";
import { measureSessions } from "./sessions.ts";
import { measureStartup } from "./startup.ts";

const PARTS: Readonly<Record<string, Part>> = {
  startup: measureStartup,
  "first-frame": measureFirstFrame,
  latency: measureLatency,
  "lip-sync": measureLips,
  load: measureLoad,
  sessions: measureSessions,
  overload: measureOverload,
  idle: measureIdle,
  "idle-load": measureIdleLoad,
  "idle-switch": measureIdleSwitch,
  renderer: measureRenderer,
  "picture-cost": measurePictureCost,
  rebinding: measureRebinding,
  frp: measureFrp,
  congestion: measureCongestion,
  "fair-shares": measureFairShares,
  packet: measurePacketCost,
  "fan-out": measureFanOut,
  connect: measureConnect,
  operations: measureOperations,
};

const HELP = `Usage: deno task bench [--only PART[,PART]] [--json FILE] [--peers]

  --only PARTS  of ${Object.keys(PARTS).join(", ")}
  --peers       Pinhole beside other servers; --only then takes ${Object.keys(ROWS).join(", ")}
  --json FILE   also write the figures there
`;

async function main(args: string[]): Promise<number> {
  const values = readOptions(args);
  if (values === undefined) return 2;
  if (values.help) {
    say(Deno.stdout, HELP);
    return 0;
  }
  const known = Object.keys(values.peers ? ROWS : PARTS);
  const names = values.only?.split(",") ?? known;
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    say(Deno.stderr, `Unknown part "${unknown.join(", ")}"\n${HELP}`);
    return 2;
  }

  if (values.peers) await runPeers(names, values);
  else await runParts(names, values);
  return 0;
}

async function runPeers(names: readonly string[], { json }: Options): Promise<void> {
  const report = await comparePeers(names, progressOf("peers"));
  say(Deno.stdout, `${machine()}\n${formatPeerReport(report)}`);
  await writeJson(json, report);
}

async function runParts(names: readonly string[], { json }: Options): Promise<void> {
  const report: Record<string, Figure[]> = {};
  for (const name of names) {
    report[name] = await PARTS[name]?.(progressOf(name)) ?? [];
  }
  say(Deno.stdout, `${machine()}\n\n`);
  const figures = Object.values(report).flat();
  say(Deno.stdout, `${formatTable(figures)}\n${formatVerdict(figures)}`);
  await writeJson(json, { parts: report });
}

async function writeJson(path: string | undefined, report: object): Promise<void> {
  if (path === undefined) return;
  const content = { date: new Date().toISOString(), machine: machine(), ...report };
  await Deno.writeTextFile(path, `${JSON.stringify(content, undefined, 2)}\n`);
}

interface Options {
  readonly only?: string;
  readonly json?: string;
  readonly peers?: boolean;
  readonly help?: boolean;
}

/** `undefined` when they make no sense, which is told. */
function readOptions(args: string[]): Options | undefined {
  try {
    return parseArgs({
      args,
      options: {
        only: { type: "string" },
        json: { type: "string" },
        peers: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    say(Deno.stderr, `${error instanceof Error ? error.message : error}\n${HELP}`);
    return undefined;
  }
}

function progressOf(part: string): Progress {
  const startedMs = performance.now();
  return (line) => {
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
    say(Deno.stderr, `${part} ${seconds.padStart(3)} s: ${line}\n`);
  };
}

/** What the figures depend on: processor, cores, load, and versions. */
function machine(): string {
  const model = /^model name\s*: (.*)$/m.exec(readText("/proc/cpuinfo"))?.[1] ?? Deno.build.arch;
  const [load = 0] = Deno.loadavg();
  return `${model}, ${navigator.hardwareConcurrency} cores, load ${load.toFixed(1)}, ` +
    `${Deno.build.os}, Deno ${Deno.version.deno}`;
}

function readText(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

function say(stream: { writeSync(data: Uint8Array): number }, text: string): void {
  stream.writeSync(new TextEncoder().encode(text));
}

Deno.exit(await main(Deno.args));
