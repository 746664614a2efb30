import assert from "assert";
import { METRICS } from "../../src/app/metrics.ts";
import { METRIC_PREFIX } from "../../src/observability/metrics.ts";
import { RegistrySetUp } from "../support/parts/registry_set_up.ts";

const ROOT = new URL("../../", import.meta.url);
const reference = await Deno.readTextFile(new URL("docs/observability.md", ROOT));

/** First cells of the rows of the first table behind a text. */
function firstColumn(behind: string): string[] {
  const rest = reference.slice(reference.indexOf(behind));
  const table = /\n\| [^]*?\n(?!\|)/.exec(rest)?.[0] ?? "";
  return Array.from(table.matchAll(/^\| `([^`]+)`/gm), ([, cell = ""]) => cell);
}

/** Paths of all fields: `viewers[].port`, `renderer.state`. */
function fieldsOf(value: unknown, path = ""): string[] {
  if (Array.isArray(value)) return fieldsOf(value[0], `${path}[].`);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, field]) => {
    const isGroup = typeof field === "object" && field !== null && !Array.isArray(field);
    return isGroup
      ? fieldsOf(field, `${path}${key}.`)
      : [`${path}${key}`, ...fieldsOf(field, `${path}${key}`)];
  });
}

Deno.test("docs/observability.md: has every field of /api/sessions and /api/ports, and no other", async () => {
  await using setUp = new RegistrySetUp();
  await setUp.connect("main");
  const [session] = setUp.registry.report;
  const [port] = setUp.registry.ports;
  assert.deepEqual(firstColumn("`GET /api/sessions`").sort(), fieldsOf(session).sort());
  assert.deepEqual(firstColumn("`GET /api/ports`").sort(), fieldsOf(port).sort());
});

Deno.test("docs/observability.md: has every alert, and its files and metrics exist", async () => {
  const alerts = await Deno.readTextFile(new URL("deploy/prometheus/alerts.yml", ROOT));
  const names = Array.from(alerts.matchAll(/- alert: (\w+)/g), ([, name = ""]) => name);
  assert.deepEqual(firstColumn("### Alerts"), names);
  for (const [, file = ""] of reference.matchAll(/\]\((?:\.\.\/)?([\w/]+\.\w+)\)/g)) {
    const path = file.startsWith("deploy/") ? file : `docs/${file}`;
    assert.ok((await Deno.stat(new URL(path, ROOT))).isFile, path);
  }
  for (const [metric] of reference.matchAll(/\bpinhole_[a-z_]+/g)) {
    assert.ok(metric.slice(METRIC_PREFIX.length) in METRICS, metric);
  }
});
