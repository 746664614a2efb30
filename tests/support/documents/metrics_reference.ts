import type { MetricDefinition, MetricTable } from "../../../src/base/meter.ts";
import {
  initialSeries,
  METRIC_PREFIX,
  PROCESS_METRICS,
} from "../../../src/observability/metrics.ts";

const INTRODUCTION = `# Metrics

\`GET /metrics\` returns these in the text format of Prometheus (0.0.4). Counters start at 0 with the
process. Label values come from small fixed sets; no session, viewer or address is ever a label.
This page is generated from the tables in \`src/app/metrics.ts\`.
`;

/** The text of docs/metrics.md: every metric of a table with its kind, labels and meaning. */
export function formatMetricsReference(metrics: MetricTable): string {
  const own = Object.entries(metrics).map(
    ([name, definition]) => row(`${METRIC_PREFIX}${name}`, definition),
  );
  const ofProcess = Object.entries(PROCESS_METRICS).map(
    ([name, definition]) => row(name, definition),
  );
  return [
    INTRODUCTION,
    "## Pinhole\n",
    table(own),
    "## Process\n",
    table(ofProcess),
    "## Label values\n",
    "Counters that are exported from the start, with 0 for each of these.\n",
    values(metrics),
    "## Buckets\n",
    "Upper bounds of the histograms, in the metric's unit; one above them all takes the rest.\n",
    buckets(metrics),
  ].join("\n");
}

function table(rows: readonly string[]): string {
  return ["| name | kind | labels | meaning |", "| --- | --- | --- | --- |", ...rows, ""].join(
    "\n",
  );
}

function row(name: string, { kind, labels = {}, help }: MetricDefinition): string {
  return `| \`${name}\` | ${kind} | ${Object.keys(labels).map(code).join(", ")} | ${help} |`;
}

function values(metrics: MetricTable): string {
  const rows = Object.entries(metrics).flatMap(([name, definition]) => {
    const series = initialSeries(definition);
    const [label] = Object.keys(definition.labels ?? {});
    if (label === undefined || series.length === 0) return [];
    const values = series.map((labels) => code(`${labels[label]}`));
    return [`| \`${METRIC_PREFIX}${name}\` | ${code(label)} | ${values.join(", ")} |`];
  });
  return ["| name | label | values |", "| --- | --- | --- |", ...rows, ""].join("\n");
}

function code(text: string): string {
  return `\`${text}\``;
}

function buckets(metrics: MetricTable): string {
  const rows = Object.entries(metrics).flatMap(([name, definition]) =>
    definition.buckets === undefined
      ? []
      : [`| \`${METRIC_PREFIX}${name}\` | ${definition.buckets.join(", ")} |`]
  );
  return ["| name | buckets |", "| --- | --- |", ...rows, ""].join("\n");
}
