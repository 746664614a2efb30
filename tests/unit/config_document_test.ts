import assert from "assert";
import {
  formatConfigReference,
  formatDefaultConfig,
} from "../support/documents/config_document.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { SCHEMA_KEYS } from "../../src/config/keys.ts";
import { findStale, writeGenerated } from "../support/generate.ts";

/** The keys of config.toml as its contract lists them, in its order. */
const KEYS = {
  server: "listen public_url tls_cert tls_key admin_listen allowed_origins drain_s",
  webrtc:
    "public_ip port_min port_max public_port_min public_ports provider listen peers_per_port udp tcp " +
    "connect_timeout_s idle_timeout_s",
  video: "width height fps codec encoder bitrate_kbps min_bitrate_kbps adaptive_size",
  audio: "enabled bitrate_kbps",
  renderer: "library bridge isolation options",
  idle: "source sources",
  sessions: "max viewers_per_session refuse_when_busy",
  auth: "secret_file",
  log: "level format",
};

Deno.test("SCHEMA_KEYS: has every key of the contract, in its order", () => {
  const expected = Object.entries(KEYS).flatMap(([section, keys]) =>
    keys.split(" ").map((key) => `${section}.${key}`)
  );
  assert.deepEqual(SCHEMA_KEYS.map(({ name }) => name), expected);
});

Deno.test("SCHEMA_KEYS: each key has a variable of its own and help in sentences", () => {
  assert.equal(new Set(SCHEMA_KEYS.map(({ variable }) => variable)).size, SCHEMA_KEYS.length);
  for (const { name, spec } of SCHEMA_KEYS) assert.match(spec.help, /\S[.]$/, name);
});

Deno.test("formatDefaultConfig: parses to the same configuration as an empty file", () => {
  const parsed = parseConfig({ text: formatDefaultConfig(), fileName: "config.toml", env: {} });
  assert.deepEqual(parsed, parseConfig({ text: "", fileName: "config.toml", env: {} }));
  assert.ok("config" in parsed);
});

Deno.test("formatDefaultConfig: still parses with its example lines uncommented", () => {
  const text = formatDefaultConfig().replace("# device = 0", "device = 0").replace(
    "# anna",
    "anna",
  );
  const parsed = parseConfig({ text, fileName: "config.toml", env: {} });
  assert.ok("config" in parsed);
  assert.deepEqual(parsed.config.renderer.options, { device: 0 });
  assert.deepEqual(parsed.config.idle.sources, { anna: "/srv/idle/anna.mp4" });
});

Deno.test("formatDefaultConfig: has a comment above each key, and lines of at most 100 columns", () => {
  const lines = formatDefaultConfig().split("\n");
  const uncommented = lines.filter((line, index) =>
    line !== "" && !line.startsWith("#") && !lines[index - 1]?.startsWith("#")
  );
  assert.deepEqual(uncommented, []);
  assert.deepEqual(lines.filter((line) => line.length > 100), []);
});

Deno.test("formatConfigReference: has one row of seven cells for each key, with its variable", () => {
  const rows = formatConfigReference().split("\n").filter((line) => line.startsWith("| `"));
  const variables = rows.map((row) => {
    const cells = row.split(/(?<!\\)\|/);
    assert.equal(cells.length, 9, row);
    return cells[5]?.trim();
  });
  assert.deepEqual(variables, SCHEMA_KEYS.map(({ variable }) => `\`${variable}\``));
});

/** esbuild's process, which bundles the browser client, ends a moment after it was told to. */
const LEAVES_A_PROCESS = { sanitizeOps: false, sanitizeResources: false };

Deno.test(
  "writeGenerated: a config.toml with values of its own is kept, and named with its keys",
  LEAVES_A_PROCESS,
  async () => {
    const folder = await Deno.makeTempDir();
    const root = new URL(`file://${folder}/`);
    const config = `${folder}/config.toml`;
    const generate = async (text: string) => {
      await Deno.writeTextFile(config, text);
      return {
        complaints: await writeGenerated(root),
        isKept: await Deno.readTextFile(config) === text,
      };
    };
    const edited = formatDefaultConfig().replace("width = 1280", "width = 640")
      .replace("# anna = ", "anna = ");
    const own = await generate(edited);
    assert.ok(own.isKept);
    assert.equal(own.complaints.length, 1);
    assert.match(
      own.complaints[0] ?? "",
      /^config\.toml .* video\.width, idle\.sources; move it away/,
    );
    const broken = await generate("[video\n");
    assert.ok(broken.isKept);
    assert.match(broken.complaints[0] ?? "", /no TOML/);
    for (const text of ["", "# An older comment.\n[video]\nwidth = 1280\n"]) {
      assert.deepEqual(await generate(text), { complaints: [], isKept: false });
      assert.equal(await Deno.readTextFile(config), formatDefaultConfig());
    }
    await Deno.remove(config);
    assert.deepEqual(await writeGenerated(root), []);
    assert.equal(await Deno.readTextFile(config), formatDefaultConfig());
    await Deno.remove(folder, { recursive: true });
  },
);

Deno.test(
  "GENERATED_DOCUMENTS: every generated file is as its source makes it",
  LEAVES_A_PROCESS,
  async () => {
    assert.deepEqual(await findStale(), []);
  },
);
