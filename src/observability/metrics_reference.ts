import { type MetricDefinition, METRICS } from "../base/meter.ts";
import { METRIC_PREFIX, PROCESS_METRICS } from "./metrics.ts";

const INTRODUCTION = `# Metrics

\`GET /metrics\` shows these in the text format of Prometheus (0.0.4). Counters count from the start of the process.
Label values come from small fixed sets; no session, viewer or address is ever a label. This page is made from the
tables in \`src/base/meter.ts\` and \`src/observability/metrics.ts\`.
`;

/** The text of docs/metrics.md: every metric with its kind, labels and meaning. */
export function formatMetricsReference(): string {
  const own = Object.entries(METRICS).map(
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
    "Counters that are shown from the start, with 0 for each of these.\n",
    values(),
    "## Buckets\n",
    "Upper bounds of the histograms, in the metric's unit; one above them all takes the rest.\n",
    buckets(),
  ].join("\n");
}

function table(rows: readonly string[]): string {
  return ["| name | kind | labels | meaning |", "| --- | --- | --- | --- |", ...rows, ""].join(
    "\n",
  );
}

function row(name: string, { kind, labels = [], help }: MetricDefinition): string {
  return `| \`${name}\` | ${kind} | ${labels.map(code).join(", ")} | ${help} |`;
}

function values(): string {
  const rows = Object.entries(METRICS).flatMap(([name, definition]: [string, MetricDefinition]) =>
    definition.values === undefined ? [] : [
      `| \`${METRIC_PREFIX}${name}\` | ${definition.labels?.map(code)} | ${
        definition.values.map(code).join(", ")
      } |`,
    ]
  );
  return ["| name | label | values |", "| --- | --- | --- |", ...rows, ""].join("\n");
}

function code(text: string): string {
  return `\`${text}\``;
}

function buckets(): string {
  const rows = Object.entries(METRICS).flatMap(([name, definition]: [string, MetricDefinition]) =>
    definition.buckets === undefined
      ? []
      : [`| \`${METRIC_PREFIX}${name}\` | ${definition.buckets.join(", ")} |`]
  );
  return ["| name | buckets |", "| --- | --- |", ...rows, ""].join("\n");
}
