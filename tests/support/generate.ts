import { formatConfigReference, formatDefaultConfig } from "../../src/config/document.ts";
import { formatMetricsReference } from "../../src/observability/metrics_reference.ts";

/** A committed file that is made from the source. */
export interface GeneratedDocument {
  /** From the root of the project. */
  readonly path: string;
  /** What the file has to hold. */
  readonly text: () => string;
}

/** Every committed file that is made from the source. */
export const GENERATED_DOCUMENTS: readonly GeneratedDocument[] = [
  { path: "config.toml", text: formatDefaultConfig },
  { path: "docs/configuration.md", text: formatConfigReference },
  { path: "docs/metrics.md", text: formatMetricsReference },
];

const ROOT = new URL("../../", import.meta.url);

/** Writes every generated file. */
export async function writeGenerated(): Promise<void> {
  for (const { path, text } of GENERATED_DOCUMENTS) {
    await Deno.writeTextFile(new URL(path, ROOT), text());
  }
}

/** Paths of the generated files that are missing or differ from what would be written. */
export async function findStale(): Promise<string[]> {
  const stale: string[] = [];
  for (const { path, text } of GENERATED_DOCUMENTS) {
    const found = await Deno.readTextFile(new URL(path, ROOT)).catch(() => undefined);
    if (found !== text()) stale.push(path);
  }
  return stale;
}

if (import.meta.main) {
  if (!Deno.args.includes("--check")) await writeGenerated();
  const stale = await findStale();
  for (const path of stale) {
    const line = `${path} differs from its source; run: deno task generate\n`;
    await Deno.stderr.write(new TextEncoder().encode(line));
  }
  Deno.exitCode = stale.length > 0 ? 1 : 0;
}
