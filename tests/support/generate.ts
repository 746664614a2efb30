import { formatConfigReference, formatDefaultConfig } from "../../src/config/document.ts";
import { formatTunnel, FRPS_PORT, TUNNEL_DEFAULTS } from "../../src/cli/frpc.ts";
import { parseConfig } from "../../src/config/parse.ts";
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
  { path: "frpc.toml", text: formatShippedTunnel },
];

/** The public server of the mapping that Pinhole is shipped for; the ports are those of the defaults. */
const SHIPPED_SERVER = "51.161.209.200";

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

/** What `pinhole frpc --server 51.161.209.200` prints with the defaults. */
function formatShippedTunnel(): string {
  const parsed = parseConfig({ text: "", fileName: "defaults", env: {} });
  if ("problems" in parsed) throw new Error("The defaults are no valid configuration");
  return formatTunnel(parsed.config, {
    ...TUNNEL_DEFAULTS,
    source: "defaults",
    server: { hostname: SHIPPED_SERVER, port: FRPS_PORT },
  });
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
