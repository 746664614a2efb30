import { BUNDLES, makeBundle } from "../../deploy/build/bundle.ts";
import { isDeepStrictEqual } from "node:util";
import { parse } from "toml";
import { formatConfigReference, formatDefaultConfig } from "./documents/config_document.ts";
import { formatTunnel, TUNNEL_DEFAULTS } from "../../src/cli/frpc.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { formatClientReference } from "./documents/client_reference.ts";
import { quoteFiles } from "./documents/quotes.ts";
import { formatViewerCodes, formatViewerTypes } from "./documents/viewer_codes.ts";
import { METRICS } from "../../src/app/metrics.ts";
import { formatMetricsReference } from "./documents/metrics_reference.ts";

/** A committed file that is made from the source. */
export interface GeneratedDocument {
  /** From the root of the project. */
  readonly path: string;
  /** What the file has to hold. */
  readonly text: () => string | Promise<string>;
  /** Why a file that is there is not to be written over. */
  readonly keep?: (found: string) => string | undefined;
}

/** Every committed file that is made from the source. */
export const GENERATED_DOCUMENTS: readonly GeneratedDocument[] = [
  { path: "config.toml", text: formatDefaultConfig, keep: findOwnValues },
  { path: "docs/bridge.md", text: () => quoteInto("docs/bridge.md") },
  { path: "docs/client.md", text: async () => quoteFiles(await formatClientReference()) },
  { path: "docs/configuration.md", text: formatConfigReference },
  { path: "docs/metrics.md", text: () => formatMetricsReference(METRICS) },
  { path: "frpc.toml", text: formatShippedTunnel },
  { path: "src/viewer/pinhole/codes.js", text: formatViewerCodes },
  {
    path: "src/viewer/pinhole.d.ts",
    text: async () =>
      formatViewerTypes(await Deno.readTextFile(new URL("src/viewer/pinhole.d.ts", ROOT))),
  },
  ...BUNDLES.map((bundle) => ({ path: bundle.path, text: () => makeBundle(bundle) })),
];

/** The public server of the mapping that Pinhole is shipped for; the ports are those of the defaults. */
const SHIPPED_SERVER = "51.161.209.200";

const ROOT = new URL("../../", import.meta.url);

/**
 * Writes every generated file but those that are to be kept.
 * @param root The project's folder.
 * @returns A line for each file that was kept, which says why and what to do.
 */
export async function writeGenerated(root: URL = ROOT): Promise<string[]> {
  const kept: string[] = [];
  for (const { path, text, keep } of GENERATED_DOCUMENTS) {
    const file = new URL(path, root);
    const why = keep === undefined ? undefined : keep(await readIfThere(file) ?? "");
    if (why !== undefined) {
      kept.push(`${path} is left as it is, since ${why}; move it away and run this again`);
      continue;
    }
    await Deno.mkdir(new URL(".", file), { recursive: true });
    await Deno.writeTextFile(file, await text());
  }
  return kept;
}

/** Paths of the generated files that are missing or differ from what would be written. */
export async function findStale(): Promise<string[]> {
  const stale: string[] = [];
  for (const { path, text } of GENERATED_DOCUMENTS) {
    const found = await readIfThere(new URL(path, ROOT));
    if (found !== await text()) stale.push(path);
  }
  return stale;
}

async function quoteInto(path: string): Promise<string> {
  return quoteFiles(await Deno.readTextFile(new URL(path, ROOT)));
}

async function readIfThere(file: URL): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

type Tables = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** A clone's config.toml is the reference, and the file that the server reads: somebody may have edited it. */
function findOwnValues(found: string): string | undefined {
  const defaults = parse(formatDefaultConfig()) as Tables;
  let document: Tables;
  try {
    document = parse(found) as Tables;
  } catch {
    return "it is no TOML";
  }
  const isDefault = (section: string, key: string, value: unknown) =>
    isDeepStrictEqual(value, defaults[section]?.[key]);
  const own = Object.entries(document).flatMap(([section, table]) =>
    Object.entries(table).filter(([key, value]) => !isDefault(section, key, value))
      .map(([key]) => `${section}.${key}`)
  );
  return own.length === 0 ? undefined : `it differs from the defaults in ${own.join(", ")}`;
}

/** What `pinhole frpc --server 51.161.209.200` prints with the defaults. */
function formatShippedTunnel(): string {
  const parsed = parseConfig({ text: "", fileName: "defaults", env: {} });
  if ("problems" in parsed) throw new Error("The defaults are no valid configuration");
  return formatTunnel(parsed.config, {
    ...TUNNEL_DEFAULTS,
    source: "defaults",
    server: { hostname: SHIPPED_SERVER, port: undefined },
  });
}

if (import.meta.main) {
  const complaints = Deno.args.includes("--check")
    ? (await findStale()).map((path) => `${path} differs from its source; run: deno task generate`)
    : await writeGenerated();
  for (const line of complaints) await Deno.stderr.write(new TextEncoder().encode(`${line}\n`));
  Deno.exitCode = complaints.length > 0 ? 1 : 0;
}
