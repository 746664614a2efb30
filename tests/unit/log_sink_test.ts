import assert from "assert";
import type { LogLevel } from "../../src/base/log.ts";
import { LOG_VALUE_CHARS_MAX } from "../../src/observability/log_format.ts";
import { createLogSink, type LogFormat, type LogSink } from "../../src/observability/log_sink.ts";
import { ManualClock } from "../support/parts/signalling_set_up.ts";

/** A sink that writes into a list, at one million seconds after 1970. */
function open(
  options: { format?: LogFormat; level?: LogLevel; isTerminal?: boolean } = {},
): { sink: LogSink; lines: string[] } {
  const lines: string[] = [];
  const clock = new ManualClock();
  const { format = "pretty", level = "debug", isTerminal = false } = options;
  const sink = createLogSink({
    format,
    level,
    isTerminal,
    clock,
    write: (line) => lines.push(line),
  });
  return { sink, lines };
}

const TIME = "1970-01-12T13:46:40.000Z";

Deno.test("createLogSink: pretty lines are aligned and leave out what is undefined", () => {
  const { sink, lines } = open();
  sink.logger.info("session_opened", { session: "main", port: 10111, secure: false });
  sink.logger.error("x", { reason: "file not found", none: undefined, empty: "" });
  assert.deepEqual(lines, [
    `${TIME} INFO  session_opened         session=main port=10111 secure=false`,
    `${TIME} ERROR x                      reason="file not found" empty=""`,
  ]);
});

Deno.test("createLogSink: json lines hold time, level, event and the fields beside them", () => {
  const { sink, lines } = open({ format: "json" });
  sink.logger.warn("port_taken", { port: 10111, none: undefined });
  assert.equal(lines[0], `{"ts":"${TIME}","level":"warn","event":"port_taken","port":10111}`);
  sink.logger.warn("true_event", { event: "false_event", ts: "never", level: "error" });
  assert.deepEqual(JSON.parse(lines[1] ?? ""), { ts: TIME, level: "warn", event: "true_event" });
});

Deno.test("createLogSink: auto is pretty and coloured on a terminal, json elsewhere", () => {
  const lineOf = (format: LogFormat, isTerminal: boolean) => {
    const { sink, lines } = open({ format, isTerminal });
    sink.logger.info("started");
    return lines[0] ?? "";
  };
  const [terminal, pipe] = [true, false];
  assert.ok(lineOf("auto", terminal).includes("\x1b[32mINFO"));
  assert.equal(lineOf("auto", pipe)[0], "{");
  assert.ok(!lineOf("pretty", pipe).includes("\x1b"));
  assert.equal(lineOf("json", terminal)[0], "{");
});

Deno.test("createLogSink: in the journal each line begins with its priority, whatever its format", () => {
  for (const format of ["auto", "json", "pretty"] as const) {
    const lines: string[] = [];
    const { logger } = createLogSink({
      format,
      level: "debug",
      isTerminal: false,
      isJournal: true,
      write: (line) => lines.push(line),
    });
    logger.debug("a");
    logger.info("b");
    logger.warn("c");
    logger.error("d");
    assert.deepEqual(lines.map((line) => line.slice(0, 3)), ["<7>", "<6>", "<4>", "<3>"]);
    assert.equal(lines[0]?.startsWith("<7>{"), format !== "pretty");
  }
});

Deno.test("createLogSink: the level is a filter that changes at run time, for children too", () => {
  const { sink, lines } = open({ level: "warn" });
  const child = sink.logger.child({ session: "main" });
  child.info("unseen");
  child.warn("seen");
  sink.level = "debug";
  child.debug("seen_too");
  sink.level = "error";
  child.warn("unseen");
  assert.equal(lines.length, 2);
  assert.match(lines[1] ?? "", /DEBUG seen_too +session=main$/);
});

Deno.test("createLogSink: children add to their parents' fields, and the event's own win", () => {
  const { sink, lines } = open();
  const child = sink.logger.child({ a: 1, b: 1 }).child({ b: 2, c: 2 });
  child.info("x", { c: 3 });
  assert.match(lines[0] ?? "", /a=1 b=2 c=3$/);
});

Deno.test("createLogSink: no value can forge a line, a field, a colour or a direction", () => {
  const hostile = [
    `x\n${TIME} ERROR forged`,
    "x\r\u2028\u2029\u0085next",
    "x level=error",
    'x" y="z',
    "\x1b[2J\u009b31m",
    "\u202egnp.exe\u2066\u200f\ufeff",
    "\ud800",
    "\x00\x7f",
  ];
  for (const format of ["pretty", "json"] as const) {
    for (const value of hostile) {
      const { sink, lines } = open({ format });
      sink.logger.info("peer_said", { value, after: 1 });
      const [line = ""] = lines;
      assert.equal(lines.length, 1);
      // deno-lint-ignore no-control-regex
      assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/);
      const quoted = format === "json"
        ? JSON.parse(line).value
        : JSON.parse(/ value=(".*") after=1$/.exec(line)?.[1] ?? "null");
      assert.equal(quoted, value);
    }
  }
});

Deno.test("createLogSink: long values are cut", () => {
  for (const format of ["pretty", "json"] as const) {
    const { sink, lines } = open({ format });
    sink.logger.info("x", { value: "a".repeat(100_000) });
    assert.ok((lines[0] ?? "").length < LOG_VALUE_CHARS_MAX + 100);
  }
});
