import assert from "assert";
import type { CheckName, CheckResult } from "../../../src/doctor/result.ts";
import { DoctorRoom, type RoomDiagnosis, type RoomOptions } from "./doctor_room.ts";
import { frpTest } from "../frp/frp.ts";
import { namespaceRefusal } from "../network/netns.ts";

/** Rooms at a time: they mostly wait, and two cores bear so many. */
const ROOMS_MAX = 3;

/**
 * Within so many seconds the doctor has spoken, whatever is wrong. Where other programs keep the cores busy, its process
 * alone may take that long to start, and nothing can be said of its time.
 */
const SECONDS_MAX = 20;

/** Processes that wait for each core, above which that is so. */
const LOAD_MAX = 2;

/** The environment is what all test files of one run share, so that only one of them says it. */
const TOLD_VARIABLE = "PINHOLE_TEST_SAID_NO_NETNS";

/** The line that has to come first. */
export interface FirstLine {
  readonly check: CheckName;
  readonly text: RegExp;
  /** The key or command that mends it. */
  readonly fix: RegExp;
}

/** Something that is planted in a room, and what the doctor has to say of it. */
export interface Fault extends RoomOptions {
  readonly name: string;
  /** Programs that it is planted with; where one is missing, the fault is left out, and its name says so. */
  readonly needs?: readonly string[];
  /** Is done when everything runs. */
  readonly plant?: (room: DoctorRoom) => Promise<void>;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The first failed line; none where nothing may fail. */
  readonly failed?: FirstLine;
  /** The first warning; not looked at where it is left out. */
  readonly warning?: FirstLine;
  /** Default: 1 with `failed`, else 0. */
  readonly code?: number;
  /** Default: 20. */
  readonly secondsMax?: number;
  /** What else has to hold. */
  readonly also?: (diagnosis: RoomDiagnosis) => void;
}

/** Registers one test that plants each fault in a room, several rooms at a time. */
export function doctorFaultTest(title: string, faults: readonly Fault[]): void {
  const name = `doctor, over real frp in network namespaces: ${title}`;
  const refusal = namespaceRefusal();
  if (refusal !== undefined) {
    sayOnce(`Tests skipped: no network namespaces (${refusal}). To enable: run as root on Linux`);
    return Deno.test({
      name: `${name} (no network namespaces: ${refusal})`,
      ignore: true,
      fn() {},
    });
  }
  frpTest(name, async (test) => {
    const waiting = [...faults];
    const work = async () => {
      for (let fault = waiting.shift(); fault !== undefined; fault = waiting.shift()) {
        await step(test, fault);
      }
    };
    await Promise.all(Array.from({ length: ROOMS_MAX }, work));
  });
}

/** Steps that run at a time cannot be told apart by the sanitizers; those of the whole test look at all of them. */
async function step(test: Deno.TestContext, fault: Fault): Promise<void> {
  const unwatched = { sanitizeOps: false, sanitizeResources: false, sanitizeExit: false };
  const missing = (fault.needs ?? []).filter((program) => !isInstalled(program));
  await test.step({
    name: missing.length === 0 ? fault.name : `${fault.name} (no ${missing.join(", ")})`,
    ignore: missing.length > 0,
    ...unwatched,
    fn: () => run(fault),
  });
}

function isInstalled(program: string): boolean {
  return new Deno.Command("sh", { args: ["-c", `command -v ${program}`], stdout: "null" })
    .outputSync().success;
}

async function run(fault: Fault): Promise<void> {
  await using room = await DoctorRoom.open(fault);
  await fault.plant?.(room);
  const { args = [], env = {} } = fault;
  const diagnosis = await room.doctor({ args, env });
  try {
    expect(fault, diagnosis);
  } catch (error) {
    const lines = diagnosis.results.map(lineOf).join("\n");
    const { code, seconds, stderr } = diagnosis;
    throw new Error(
      `It said, in ${seconds.toFixed(1)} s, exit code ${code}:\n${lines}\n${stderr}`,
      {
        cause: error,
      },
    );
  }
}

function expect(fault: Fault, diagnosis: RoomDiagnosis): void {
  const { results, code, seconds } = diagnosis;
  expectFirst(results.find(({ status }) => status === "failed"), fault.failed);
  if (fault.warning !== undefined) {
    expectFirst(results.find(({ status }) => status === "warning"), fault.warning);
  }
  assert.equal(code, fault.code ?? (fault.failed === undefined ? 0 : 1), "exit code");
  for (const { check, status, fix } of results) {
    if (status === "failed" || status === "warning") assert.ok(fix, `${check} has no fix`);
  }
  const isBusy = (Deno.loadavg()[0] ?? 0) > LOAD_MAX * navigator.hardwareConcurrency;
  const secondsMax = fault.secondsMax ?? SECONDS_MAX;
  if (!isBusy) assert.ok(seconds <= secondsMax, `it took ${seconds} s`);
  fault.also?.(diagnosis);
}

function expectFirst(line: CheckResult | undefined, wanted: FirstLine | undefined): void {
  if (line === undefined || wanted === undefined) return assert.equal(line, wanted);
  assert.equal(line.check, wanted.check);
  assert.match(line.text, wanted.text);
  assert.match(line.fix ?? "", wanted.fix);
}

function lineOf({ status, check, subject = "", text, fix }: CheckResult): string {
  return `${status} ${check} ${subject} ${text}${fix === undefined ? "" : `\n  -> ${fix}`}`;
}

function sayOnce(line: string): void {
  if (Deno.env.get(TOLD_VARIABLE) !== undefined) return;
  Deno.env.set(TOLD_VARIABLE, "1");
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}
