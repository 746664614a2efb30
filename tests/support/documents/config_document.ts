import { keysOf, type SchemaKey, sectionNames } from "../../../src/config/keys.ts";
import { SCHEMA } from "../../../src/config/schema.ts";
import type { Effect, KeySpec } from "../../../src/config/spec.ts";
import { ruleOf } from "../../../src/config/values.ts";
import { RESERVED_PREFIX, RESERVED_VARIABLES } from "../../../src/config/variables.ts";

const COMMENT_COLUMNS_MAX = 100;

/** Text of the commented default config.toml. It parses to the same configuration as an empty file. */
export function formatDefaultConfig(): string {
  const blocks = [formatComment(FILE_HEADER)];
  for (const section of sectionNames()) {
    blocks.push(`${formatComment([SCHEMA[section].help])}\n[${section}]`);
    blocks.push(...keysOf(section).map(formatDefaultKey));
  }
  return `${blocks.join("\n\n")}\n`;
}

/** Text of docs/configuration.md: how to configure, and a table of keys for each section. */
export function formatConfigReference(): string {
  return `${
    [REFERENCE_INTRODUCTION, ...sectionNames().map(formatSectionReference)].join("\n\n")
  }\n`;
}

const FILE_HEADER = [
  "Configuration of Pinhole. Every key is optional; the values here are the defaults.",
  "A variable PINHOLE_<SECTION>_<KEY> overrides a key, for example PINHOLE_WEBRTC_PUBLIC_IP.",
  "`pinhole check --config FILE` reports what is wrong with an edited file.",
];

function formatDefaultKey({ section, key, spec }: SchemaKey): string {
  if ("example" in spec) {
    return `${formatComment([spec.help])}\n[${section}.${key}]\n# ${spec.example}`;
  }
  const allowed = `Allowed: ${ruleOf(spec)}${formatUnit(spec)}`;
  return `${formatComment([spec.help, allowed])}\n${key} = ${formatToml(spec.default)}`;
}

function formatUnit({ unit }: KeySpec): string {
  return unit === undefined ? "" : ` (${unit})`;
}

/** The default in TOML: plain texts, numbers and empty lists are written as in JSON. */
function formatToml(value: KeySpec["default"]): string {
  return JSON.stringify(value);
}

/** Comment lines of at most 100 columns; each paragraph begins on a new line. */
function formatComment(paragraphs: readonly string[]): string {
  const lines: string[] = [];
  for (const paragraph of paragraphs) {
    let line = "#";
    for (const word of paragraph.split(" ")) {
      if (line.length + 1 + word.length > COMMENT_COLUMNS_MAX) {
        lines.push(line);
        line = "#";
      }
      line += ` ${word}`;
    }
    lines.push(line);
  }
  return lines.join("\n");
}

const REFERENCE_INTRODUCTION = `\
# Configuration

\`pinhole serve\` reads \`./config.toml\`, or the file that \`--config FILE\` names. Every key has a
default, so an empty file is valid, and a file is optional. The \`config.toml\` beside the README has
every key at its default, with the same explanations as below. Both are generated from the table in
\`src/config/schema.ts\` by \`deno run -A tests/support/generate.ts\`.

## Override a key

The environment variable \`PINHOLE_<SECTION>_<KEY>\`, in capitals, overrides a key of the file:

\`\`\`sh
PINHOLE_WEBRTC_PUBLIC_IP=203.0.113.7 PINHOLE_LOG_LEVEL=debug pinhole serve
\`\`\`

Write numbers, \`true\`, \`false\` and strings without quotes, lists with commas between the entries,
and tables as a JSON object. Any other variable that starts with \`PINHOLE_\` is an error, with these
exceptions:

- ${
  RESERVED_VARIABLES.map((name) => `\`${name}\``).join(", ")
} and \`${RESERVED_PREFIX}*\`, which only tests read;
- the variables that Kubernetes sets for a Service called \`pinhole\`, and Docker for a link
  (\`PINHOLE_SERVICE_HOST\`, \`PINHOLE_PORT=tcp://…\`, \`PINHOLE_PORT_9000_TCP_ADDR\`, \`PINHOLE_NAME\`,
  \`PINHOLE_ENV_*\` …), which are ignored.

## Check a file

\`pinhole check --config FILE\` prints every problem of the file and the variables, one line each, and
then exits with 2. The server does not start with such a file. An unknown key is a problem too:

\`\`\`
config.toml: webrtc.port_mni = 10111: unknown key; did you mean webrtc.port_min?
config.toml: video.fps = "30": must be a whole number from 1 to 240
\`\`\`

## Change a running server

On \`SIGHUP\` (\`systemctl reload pinhole\`) the server reads its file again. The column *after a
reload* says when a changed key takes effect: \`at once\`, also for connected viewers; for
\`new sessions\`, opened after the reload; or after a \`restart\`, in which case a line of the log names
the key. The file of \`secret_file\` is read again at each reload. A file with a problem changes
nothing. See [service.md](service.md).

## Paths

Relative paths start at the server's working directory. \`pinhole check\` reads idle pictures, the
secret and the certificate; only the server and \`pinhole doctor\` open the renderer library.`;

const EFFECT_WORDS: Readonly<Record<Effect, string>> = {
  live: "at once",
  sessions: "new sessions",
  restart: "restart",
};

function formatSectionReference(section: ReturnType<typeof sectionNames>[number]): string {
  const rows = keysOf(section).map(({ key, variable, spec }) =>
    [
      `\`${key}\``,
      typeName(spec),
      `\`${formatToml(spec.default)}\``,
      `${ruleOf(spec)}${formatUnit(spec)}`,
      `\`${variable}\``,
      EFFECT_WORDS[spec.effect],
      spec.help,
    ].map((cell) => cell.replaceAll(/[*|]/g, "\\$&")).join(" | ")
  );
  return [
    `## \`[${section}]\`\n\n${SCHEMA[section].help}\n`,
    "| key | type | default | allowed | variable | after a reload | meaning |",
    "| --- | --- | --- | --- | --- | --- | --- |",
    ...rows.map((row) => `| ${row} |`),
  ].join("\n");
}

function typeName(spec: KeySpec): string {
  if (spec.type === "origins") return "list of strings";
  return typeof spec.default === "object"
    ? "table"
    : spec.type === "integer"
    ? "integer"
    : typeof spec.default;
}
