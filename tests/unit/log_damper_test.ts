import assert from "assert";
import type { LogFields, LogLevel } from "../../src/base/log.ts";
import { createLogSink, LogDamper } from "../../src/observability/log_sink.ts";
import { FakeClock } from "../support/parts/fake_clock.ts";

/** One line. */
interface Line extends LogFields {
  readonly level: string;
  readonly event: string;
}

/** A log whose lines are kept as values. */
function open({ level = "info" as LogLevel } = {}) {
  const clock = new FakeClock();
  const lines: Line[] = [];
  const write = (line: string) => lines.push(JSON.parse(line));
  const sink = createLogSink({ format: "json", level, isTerminal: false, write, clock });
  /** How many events these lines stand for. */
  const told = (event: string) =>
    lines.filter((line) => line.event === event)
      .reduce((sum, { suppressed = 0 }) => sum + 1 + Number(suppressed), 0);
  return { clock, lines, sink, told };
}

for (
  const [level, burst, perSecond] of [["warn", 20, 1], ["error", 20, 1], ["info", 100, 5]] as const
) {
  Deno.test(`createLogSink: a flood of one event has few lines at level ${level}, which tell of all`, async () => {
    const { clock, lines, sink, told } = open();
    for (let ms = 0; ms < 20_000; ms += 10) {
      for (let n = 0; n < 10; n++) sink.logger.child({ session: `s${n}` })[level]("flood", { ms });
      await clock.advance(10);
    }
    assert.ok(lines.length <= burst + 20 * perSecond, `${lines.length} lines in 20 s`);
    await clock.advance(2_000);
    assert.equal(told("flood"), 20_000);
    assert.equal(clock.pending, 0);
    const latest = lines.at(-1);
    assert.deepEqual([latest?.session, latest?.ms], ["s9", 19_990], "the last says the latest");
  });
}

Deno.test("createLogSink: a flood holds back no other event, and none of another level", () => {
  const { lines, sink } = open({ level: "debug" });
  for (let n = 0; n < 1_000; n++) sink.logger.warn("flood");
  lines.length = 0;
  sink.logger.warn("other");
  sink.logger.error("flood");
  sink.logger.debug("flood");
  assert.deepEqual(lines.map(({ level, event }) => `${level} ${event}`), [
    "warn other",
    "error flood",
    "debug flood",
  ]);
});

Deno.test("createLogSink: what is below the level costs later lines nothing", () => {
  const { lines, sink } = open({ level: "warn" });
  for (let n = 0; n < 1_000; n++) sink.logger.info("flood");
  sink.level = "info";
  sink.logger.info("flood", { n: 1 });
  assert.deepEqual(lines.map(({ n, suppressed }) => ({ n, suppressed })), [
    { n: 1, suppressed: undefined },
  ]);
});

Deno.test("createLogSink: disposing of it writes what is held back, and leaves no timer", () => {
  const { clock, lines, sink, told } = open();
  {
    using closing = sink;
    for (let n = 0; n < 50; n++) closing.logger.warn("flood", { n });
  }
  assert.deepEqual([lines.at(-1)?.n, lines.at(-1)?.suppressed], [49, 29]);
  assert.equal(told("flood"), 50);
  assert.equal(clock.pending, 0);
});

Deno.test("LogDamper: an event that comes seldom is written as it is", async () => {
  const clock = new FakeClock();
  const written: unknown[] = [];
  const damper = new LogDamper(clock, (...line) => written.push(line));
  for (let n = 0; n < 200; n++) {
    damper.emit("warn", "seldom", { n });
    assert.deepEqual(written.at(-1), ["warn", "seldom", { n }]);
    await clock.advance(1_000);
  }
});
