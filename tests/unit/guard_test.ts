import assert from "assert";
import type { Logger } from "../../src/base/log.ts";
import { guarded } from "../../src/base/guard.ts";
import { NULL_LOGGER } from "../../src/base/log.ts";
import type { AnyMeter } from "../../src/base/meter.ts";
import { openSafetyNet } from "../../src/observability/safety_net.ts";
import { RecordingMeter } from "../support/parts/recording_meter.ts";
import { RegistrySetUp } from "../support/parts/registry_set_up.ts";

/** A defect, wherever it is put. */
function fail(): never {
  throw new Error("a defect");
}

/** Keeps the events it is given, without fields. */
function recordingLogger(): { log: Logger; events: string[] } {
  const events: string[] = [];
  const write = (event: string) => void events.push(event);
  const log = { ...NULL_LOGGER, debug: write, info: write, warn: write, error: write };
  return { log: { ...log, child: () => log }, events };
}

Deno.test("guarded: a failure is logged and counted, and goes no further", () => {
  const meter = new RecordingMeter();
  const { log, events } = recordingLogger();
  assert.ok(guarded(() => {}, { log, meter, part: "viewer" }));
  assert.ok(!guarded(fail, { log, meter, part: "viewer" }));
  assert.equal(meter.value("unexpected_errors_total", { kind: "viewer" }), 1);
  assert.deepEqual(events, ["unexpected_error", "unexpected_error_stack"]);
  const broken: AnyMeter = { count: fail, gauge: fail, observe: fail };
  assert.ok(!guarded(fail, { log, meter: broken, part: "viewer" }));
});

Deno.test("registry: a viewer whose connection throws ends alone, and the others are looked after", async () => {
  await using setUp = new RegistrySetUp({ ports: 3 });
  const first = await setUp.connect("main");
  const second = await setUp.connect("main");
  Object.defineProperty(first.peer, "heardAtMs", { get: fail, set() {} });
  await setUp.pass(1_000);
  assert.equal(first.listener.ends[0]?.code, "internal");
  assert.deepEqual(second.listener.ends, []);
  assert.equal(setUp.used, 1);
  // The second one falls silent: its deadline still counts.
  await setUp.pass(120_000);
  assert.equal(setUp.used, 0);
});

Deno.test("registry: listeners, connections and meters that throw hold no place", async () => {
  await using setUp = new RegistrySetUp({ ports: 3 });
  const one = await setUp.connect("main");
  one.listener.state = fail;
  one.listener.ended = fail;
  const two = await setUp.connect("main");
  two.peer.close = fail;
  const three = await setUp.connect("main");
  const count = setUp.meter.count.bind(setUp.meter);
  setUp.meter.count = (...event) => event[0] === "viewers_ended_total" ? fail() : count(...event);
  assert.equal(setUp.used, 3);
  for (const { handle } of [one, two, three]) handle.bye();
  assert.equal(setUp.used, 0);
  assert.deepEqual(three.listener.ends, [undefined]);
  setUp.meter.count = count;
  await setUp.connect("other");
});

Deno.test("openSafetyNet: what nothing caught is logged and counted", () => {
  const meter = new RecordingMeter();
  const { log, events } = recordingLogger();
  const reject = () =>
    dispatchEvent(
      new PromiseRejectionEvent("unhandledrejection", {
        promise: Promise.resolve(),
        reason: new Error("a defect"),
        cancelable: true,
      }),
    );
  {
    using _net = openSafetyNet({ log, meter });
    assert.ok(!reject(), "it is handled");
    reportError(new Error("a defect"));
  }
  assert.equal(meter.value("unexpected_errors_total", { kind: "unhandled_rejection" }), 1);
  assert.equal(meter.value("unexpected_errors_total", { kind: "uncaught_error" }), 1);
  assert.equal(events.length, 4, "two errors, each with its stack");
  assert.ok(reject(), "the net is gone");
});
