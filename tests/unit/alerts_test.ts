import assert from "assert";
import { findPromtool, runPromtool } from "../support/documents/promtool.ts";

const ALERTS = new URL("../../deploy/prometheus/alerts.yml", import.meta.url);

/** Samples of a series, one every 15 s, as promtool writes them: `0+1x40` is 0, 1, … 40. */
interface Series {
  readonly series: string;
  readonly values: string;
}

/** When an alert has to be silent, and when it has to fire. Both are looked at after 20 minutes. */
interface Case {
  readonly alert: string;
  readonly quiet: readonly Series[];
  readonly loud: readonly Series[];
  /** Labels of the loud one beside `instance`. */
  readonly labels?: Readonly<Record<string, string>>;
}

const CASES: readonly Case[] = [
  {
    alert: "PinholeDown",
    quiet: [of("up", { job: "pinhole" }, "1x100")],
    loud: [of("up", { job: "pinhole" }, "1x70 0x30")],
    labels: { job: "pinhole" },
  },
  {
    alert: "PinholeNoFrames",
    quiet: [
      of("pinhole_viewers", { state: "connected" }, "2x100"),
      of("pinhole_frames_sent_total", { codec: "h264" }, "0+15x100"),
      of("pinhole_frames_sent_total", { codec: "vp8" }, "0x100"),
    ],
    loud: [
      of("pinhole_viewers", { state: "connected" }, "2x100"),
      of("pinhole_frames_sent_total", { codec: "h264" }, "0+15x50 765x50"),
    ],
  },
  {
    alert: "PinholeViewersCannotConnect",
    quiet: [
      of("pinhole_viewers_joined_total", {}, "0+1x100"),
      of("pinhole_viewers_ended_total", { reason: "connect_timeout" }, "0+0.2x100"),
      of("pinhole_viewers_ended_total", { reason: "bye" }, "0+0.8x100"),
    ],
    loud: [
      of("pinhole_viewers_joined_total", {}, "0+1x100"),
      of("pinhole_viewers_ended_total", { reason: "connect_timeout" }, "0+0.5x100"),
      of("pinhole_viewers_ended_total", { reason: "dtls_failed" }, "0+0.2x100"),
    ],
  },
  {
    alert: "PinholeNoFreePlaces",
    quiet: [
      of("pinhole_port_places", { port: "10111", state: "free" }, "0x100"),
      of("pinhole_port_places", { port: "10112", state: "free" }, "1x100"),
    ],
    loud: [
      of("pinhole_port_places", { port: "10111", state: "free" }, "0x100"),
      of("pinhole_port_places", { port: "10112", state: "free" }, "1x50 0x50"),
    ],
  },
  {
    alert: "PinholeViewersTurnedAway",
    quiet: [of("pinhole_viewers_refused_total", { code: "bad_sdp" }, "0+1x100")],
    loud: [of("pinhole_viewers_refused_total", { code: "no_free_port" }, "0+1x100")],
    labels: { code: "no_free_port" },
  },
  {
    alert: "PinholeUnexpectedErrors",
    quiet: [of("pinhole_unexpected_errors_total", { kind: "timer" }, "7x100")],
    loud: [of("pinhole_unexpected_errors_total", { kind: "timer" }, "7x75 8x25")],
    labels: { kind: "timer" },
  },
  {
    alert: "PinholeRendererErrors",
    quiet: [of("pinhole_renderer_errors_total", { call: "render" }, "7x100")],
    loud: [of("pinhole_renderer_errors_total", { call: "render" }, "7x75 8x25")],
    labels: { call: "render" },
  },
  {
    alert: "PinholeRendererStalls",
    quiet: [of("pinhole_renderer_stalls_total", { call: "render" }, "0x75 1x25")],
    loud: [of("pinhole_renderer_stalls_total", { call: "render" }, "0+1x100")],
    labels: { call: "render" },
  },
  {
    alert: "PinholeEventLoopLag",
    quiet: seconds("event_loop_lag_seconds", { boundS: 0.05, upToS: 0.1, below: 90 }),
    loud: seconds("event_loop_lag_seconds", { boundS: 0.1, upToS: 0.2, below: 90 }),
  },
  {
    alert: "PinholeNoHeadroom",
    quiet: [of("pinhole_headroom_ratio", {}, "0.1x70 0x2 0.1x28")],
    loud: [of("pinhole_headroom_ratio", {}, "0.5x40 0.01x60")],
  },
  {
    alert: "PinholePathsFull",
    quiet: [
      of("pinhole_frames_sent_total", { codec: "h264" }, "0+300x100"),
      of("pinhole_frames_sent_total", { codec: "vp8" }, "0+150x100"),
      of("pinhole_frames_dropped_total", { reason: "path_full" }, "0+100x100"),
      of("pinhole_frames_dropped_total", { reason: "late" }, "0+450x100"),
    ],
    loud: [
      of("pinhole_frames_sent_total", { codec: "h264" }, "0+300x100"),
      of("pinhole_frames_sent_total", { codec: "vp8" }, "0+100x100"),
      of("pinhole_frames_dropped_total", { reason: "path_full" }, "0+110x100"),
    ],
  },
  {
    alert: "PinholeRoundTripHigh",
    quiet: seconds("round_trip_seconds", { boundS: 0.5, upToS: 1, below: 90 }),
    loud: seconds("round_trip_seconds", { boundS: 1, upToS: 2, below: 90 }),
  },
];

function of(name: string, labels: Readonly<Record<string, string>>, values: string): Series {
  const all = Object.entries({ instance: "host:9000", ...labels });
  return { series: `${name}{${all.map(([label, value]) => `${label}="${value}"`)}}`, values };
}

/** A histogram: of 100 values, `below` are under the first bound, and the rest between the two. */
function seconds(
  name: string,
  { boundS, upToS, below }: { boundS: number; upToS: number; below: number },
): Series[] {
  return [
    of(`pinhole_${name}_bucket`, { le: String(boundS) }, `0+${below}x100`),
    of(`pinhole_${name}_bucket`, { le: String(upToS) }, "0+100x100"),
    of(`pinhole_${name}_bucket`, { le: "+Inf" }, "0+100x100"),
  ];
}

Deno.test("alerts: each has its case", async () => {
  const names = (await Deno.readTextFile(ALERTS)).matchAll(/- alert: (\w+)/g);
  assert.deepEqual(Array.from(names, ([, name]) => name), CASES.map(({ alert }) => alert));
});

for (const { alert, quiet, loud, labels = {} } of CASES) {
  Deno.test({
    name: `${alert}: fires when it should, and not otherwise`,
    ignore: findPromtool() === undefined,
    async fn() {
      const rules = await Deno.readTextFile(ALERTS);
      const severity = new RegExp(`alert: ${alert}\\n[^]*?severity: (\\w+)`).exec(rules)?.[1];
      const expected = { exp_labels: { severity, instance: "host:9000", ...labels } };
      const tests = [[quiet, []], [loud, [expected]]].map(([input_series, exp_alerts]) => ({
        interval: "15s",
        input_series,
        alert_rule_test: [{ eval_time: "20m", alertname: alert, exp_alerts }],
      }));
      // Annotations are words for people, which may change: they are left out.
      const bare = rules.replaceAll(/^ {8}annotations:\n(?: {10}.*\n)+/gm, "");
      await runPromtool(["test", "rules", "test.yml"], {
        "rules.yml": bare,
        "test.yml": JSON.stringify({
          rule_files: ["rules.yml"],
          evaluation_interval: "15s",
          tests,
        }),
      });
    },
  });
}
