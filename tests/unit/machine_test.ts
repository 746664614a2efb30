import assert from "assert";
import { eventually, patience, within } from "../support/deadline.ts";
import { Machine, parseUnjudged } from "../support/machine/machine.ts";
import {
  busiest,
  othersShare,
  parseCpuTimes,
  type Stretch,
} from "../support/machine/machine_load.ts";

const QUIET: Stretch = { lateMs: 0.4, speed: 0.95, others: 0.03 };
const SLOW_OF_ITSELF: Stretch = { lateMs: 40, speed: 0.2, others: 0.03 };
const BUSY: Stretch = { lateMs: 31.4, speed: 0.22, others: 0.74 };
const NAME = { name: "viewer: plays", origin: "file:///src/tests/frp/survival_test.ts" };

function fail(): never {
  throw new Error("The picture came back after 9000 ms\nand more");
}

/** Judges on a machine that was like this. @returns What it said. */
async function judge(stretches: readonly Stretch[], check: () => void): Promise<string[]> {
  const said: string[] = [];
  const watch = { stretches: () => Promise.resolve(stretches), close() {} };
  using machine = new Machine(NAME, watch, (line) => said.push(line));
  const judged = await machine.judge(check);
  assert.equal(judged, said.length === 0);
  return said;
}

Deno.test("busiest: a machine is busy where others slow it, and not where it is slow of itself", () => {
  assert.equal(busiest([], { shareMin: 0.1 }), undefined);
  assert.equal(busiest([QUIET, SLOW_OF_ITSELF], { shareMin: 0.1 }), undefined);
  assert.equal(
    busiest([{ ...QUIET, others: 0.9 }], { shareMin: 0.1 }),
    undefined,
    "others take what nobody needs",
  );
  assert.equal(busiest([QUIET, BUSY, QUIET], { shareMin: 0.1 }), BUSY);
  const late = { ...QUIET, lateMs: 6, others: 0.2 };
  assert.equal(busiest([late], { shareMin: 0.1 }), late);
  assert.equal(busiest([late, BUSY], { shareMin: 0.1 }), BUSY);
  const untold = { ...BUSY, others: undefined };
  assert.equal(busiest([untold], { shareMin: 0.1 }), untold);
});

Deno.test("busiest: a moment of a busy machine excuses no deadline of minutes", () => {
  const minutes = [BUSY, ...Array.from({ length: 150 }, () => QUIET)];
  assert.equal(busiest(minutes, { shareMin: 0.1 }), undefined);
  assert.equal(busiest([BUSY, BUSY, QUIET], { shareMin: 0.5 }), BUSY);
  assert.equal(busiest([BUSY, QUIET, QUIET], { shareMin: 0.5 }), undefined);
});

Deno.test("Machine.judge: what fails has failed where it was quiet, and is not judged where it was busy", async () => {
  await assert.rejects(judge([QUIET, SLOW_OF_ITSELF], fail), /came back after 9000 ms/);
  assert.deepEqual(await judge([BUSY], () => {}), [], "what holds has passed");
  const [line = ""] = await judge([QUIET, BUSY], fail);
  assert.equal(
    line,
    "Too busy to judge: viewer: plays => ./tests/frp/survival_test.ts: The picture came back after " +
      "9000 ms (timers of 5 ms were 31.4 ms late, a fixed job ran at 22 % of its speed, other " +
      "programs used 74 % of the CPU)",
  );
  assert.deepEqual(parseUnjudged(line), {
    name: "viewer: plays",
    file: "./tests/frp/survival_test.ts",
  });
  assert.equal(parseUnjudged("viewer: plays => ./tests/frp/survival_test.ts:3:4"), undefined);
});

Deno.test("Machine.watch: measures this machine, whose time that this test uses is not that of others", async (test) => {
  using machine = Machine.watch(test);
  const endMs = performance.now() + 500;
  while (performance.now() < endMs);
  const [stretch] = (await machine.stretches()).slice(-1);
  assert.ok(stretch !== undefined);
  assert.ok(stretch.lateMs >= 0 && stretch.speed > 0 && stretch.speed <= 1);
  if (Deno.build.os === "linux") assert.ok((stretch.others ?? -1) >= 0);
});

Deno.test("parseCpuTimes: a process has its children's time, also of those that have ended", () => {
  const line = (pid: number, parent: number, ticks: string) =>
    `${pid} (a (b) c) S ${parent} 1 1 0 -1 0 0 0 0 0 ${ticks} 20 0 1 0`;
  const look = (own: string, other: string, cpu: string) =>
    parseCpuTimes({
      stat: `cpu  ${cpu}\ncpu0 1 1 1 1\n`,
      processes: [line(7, 1, own), line(8, 7, "5 1 0 0"), line(9, 8, "3 1 0 0"), line(3, 1, other)],
      pid: 7,
    });
  const before = look("10 5 2 1", "100 0 0 0", "100 10 20 800 30 0 5 7 0 0");
  assert.deepEqual(before, { all: 972, busy: 142, own: 28 });
  const after = look("30 5 2 1", "150 0 0 0", "150 20 20 820 30 0 5 17 0 0");
  assert.equal(othersShare(before, after), 50 / 90);
  assert.equal(othersShare(after, after), undefined);
});

Deno.test("patience: deadlines grow with the programs that wait for a core, and not without end", () => {
  assert.equal(patience(0.5, 2), 1);
  assert.equal(patience(2, 2), 1);
  assert.equal(patience(6, 2), 3);
  assert.equal(patience(400, 2), 5);
});

Deno.test("within, eventually: what never comes fails, with the reason", async () => {
  const never = new Promise<void>(() => {});
  await assert.rejects(within(never, { what: "for it", ms: 10 }), /^Error: Waited in vain for it/);
  const options = { what: () => "for a yes", ms: 10 };
  await assert.rejects(eventually(() => false, options), /^Error: Waited in vain for a yes/);
  assert.equal(await within(Promise.resolve(3), { what: "for three" }), 3);
});
