import assert from "assert";
import { METRICS } from "../../src/app/metrics.ts";
import type { MetricDefinition } from "../../src/base/meter.ts";
import { METRIC_PREFIX, PROCESS_METRICS } from "../../src/observability/metrics.ts";
import { readPromql } from "../support/documents/promql.ts";
import { findPromtool, runPromtool } from "../support/documents/promtool.ts";

const DEPLOY = new URL("../../deploy/", import.meta.url);

/** What Prometheus adds to every series, or makes by itself. */
const SCRAPE_LABELS = ["instance", "job"];
const SCRAPE_METRICS = ["up"];

const SUFFIXES = { counter: [""], gauge: [""], histogram: ["_bucket", "_sum", "_count"] } as const;

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

/** An expression and where it stands. */
interface Expression {
  readonly at: string;
  readonly text: string;
  /** Labels that a legend or an annotation shows. */
  readonly shown: readonly string[];
}

const dashboard: { readonly panels: readonly Panel[]; readonly schemaVersion: number } = JSON.parse(
  await Deno.readTextFile(new URL("grafana/pinhole.json", DEPLOY)),
);
const alerts = await Deno.readTextFile(new URL("prometheus/alerts.yml", DEPLOY));
const ofPanels = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr, legendFormat }) => ({
    at: `panel "${title}"`,
    text: expr,
    shown: Array.from(legendFormat.matchAll(/\{\{(\w+)\}\}/g), ([, label = ""]) => label),
  }))
);
const ofAlerts = readAlerts(alerts);

/** Series by name, with the suffixes of histograms, and the labels that each has. */
const known = new Map<string, readonly string[]>();
for (const [name, definition] of Object.entries(METRICS)) {
  remember(METRIC_PREFIX + name, definition);
}
for (const [name, definition] of Object.entries(PROCESS_METRICS)) remember(name, definition);

function remember(name: string, { kind, labels = {} }: MetricDefinition): void {
  const names = Object.keys(labels);
  for (const suffix of SUFFIXES[kind]) {
    known.set(name + suffix, suffix === "_bucket" ? [...names, "le"] : names);
  }
}

/** The rules, as far as this file writes them: one key a line, or folded with `>-`. */
function readAlerts(yaml: string): Expression[] {
  return yaml.split(/^ {6}- alert: /m).slice(1).map((rule) => {
    const name = /^\w+/.exec(rule)?.[0] ?? "";
    const [, folded, line] = /^ {8}expr: (?:>-\n((?: {10}.*\n)+)|(.*)\n)/m.exec(rule) ?? [];
    const shown = Array.from(rule.matchAll(/\$labels\.(\w+)/g), ([, label = ""]) => label);
    return { at: `alert "${name}"`, text: folded ?? line ?? "", shown };
  });
}

/** What an expression has that the tables do not. */
function findUnknown({ at, text, shown }: Expression): string[] {
  const { series, grouped } = readPromql(text);
  const problems = series.length === 0 ? [`${at}: no metric in "${text}"`] : [];
  const available = new Set(SCRAPE_LABELS);
  for (const { metric, labels } of series) {
    const own = known.get(metric) ?? (SCRAPE_METRICS.includes(metric) ? [] : undefined);
    if (own === undefined) problems.push(`${at}: no metric ${metric}`);
    for (const label of own ?? []) available.add(label);
    for (const label of labels) {
      if (![...SCRAPE_LABELS, ...own ?? []].includes(label)) {
        problems.push(`${at}: ${metric} has no label ${label}`);
      }
    }
  }
  for (const label of [...grouped, ...shown]) {
    if (!available.has(label)) problems.push(`${at}: no label ${label}`);
  }
  return problems;
}

Deno.test("dashboard and alerts: every metric, suffix and label is one that the server has", () => {
  assert.ok(ofPanels.length > 40, `only ${ofPanels.length} expressions of panels`);
  assert.ok(ofAlerts.length >= 8, `only ${ofAlerts.length} alerts`);
  assert.deepEqual([...ofPanels, ...ofAlerts].flatMap(findUnknown), []);
});

Deno.test("dashboard: shows every metric, and asks for the selected servers alone", () => {
  const used = new Set(
    ofPanels.flatMap(({ text }) => readPromql(text).series.map(({ metric }) => metric)),
  );
  const shown = (name: string) =>
    Object.values(SUFFIXES).flat().some((suffix) => used.has(`${name}${suffix}`));
  const all = [
    ...Object.keys(METRICS).map((name) => METRIC_PREFIX + name),
    ...Object.keys(PROCESS_METRICS),
  ];
  assert.deepEqual(all.filter((name) => !shown(name)), []);
  for (const { at, text } of ofPanels) {
    for (const { metric, labels } of readPromql(text).series) {
      assert.ok(labels.includes("instance"), `${at}: ${metric} is of all servers`);
    }
  }
});

Deno.test("dashboard: panels have ids of their own and do not overlap", () => {
  assert.ok(dashboard.schemaVersion >= 38);
  const ids = dashboard.panels.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  const cells = new Set<string>();
  for (const { title, gridPos: { x, y, w, h } } of dashboard.panels) {
    assert.ok(x + w <= 24, `${title} is too wide`);
    for (let at = 0; at < w * h; at++) {
      const cell = `${x + at % w},${y + Math.floor(at / w)}`;
      assert.ok(!cells.has(cell), `${title} overlaps another panel`);
      cells.add(cell);
    }
  }
});

Deno.test("readPromql: finds names wherever they stand, and what cannot be an expression", () => {
  assert.deepEqual(
    readPromql(
      'sum by (le, port) (rate(a_bucket{x="b{c",y=~"d|e"}[5m])) / on (port) f > 0.5 and g',
    ),
    {
      series: [
        { metric: "a_bucket", labels: ["x", "y"] },
        { metric: "f", labels: [] },
        { metric: "g", labels: [] },
      ],
      grouped: ["le", "port", "port"],
    },
  );
  for (const wrong of ["sum(a", "a)", 'a{x="b}', "a{x}", "rate(a[soon])", "sum(a]"]) {
    assert.throws(() => readPromql(wrong), SyntaxError, wrong);
  }
});

Deno.test({
  name: "dashboard and alerts: promtool takes every expression",
  ignore: findPromtool() === undefined,
  async fn() {
    const rules = ofPanels.map(({ text }, index) => ({
      record: `panel:${index}`,
      expr: text.replaceAll("$__rate_interval", "1m"),
    }));
    const panels = { groups: [{ name: "panels", rules }] };
    assert.match(await checkRules(JSON.stringify(panels)), countOf(rules));
    assert.match(await checkRules(alerts), countOf(ofAlerts));
  },
});

function countOf(rules: readonly unknown[]): RegExp {
  return new RegExp(`SUCCESS: ${rules.length} rules found`);
}

function checkRules(rules: string): Promise<string> {
  return runPromtool(["check", "rules", "rules.yml"], { "rules.yml": rules });
}
