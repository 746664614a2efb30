import assert from "assert";
import { MAY_IMPORT } from "./may_import.ts";
import { HOUSE_RULES } from "./house_rules.ts";
import { ENTRIES, fromFileUrl, readModules, ROOT } from "./modules.ts";

/** Files behind which a folder hides the rest of itself from some of its users. */
const ONLY_BY: readonly { from: string; to: string; allowed: RegExp }[] = [
  { from: "session", to: "transport", allowed: /\/peer_transport\.ts$/ },
  { from: "signalling", to: "session", allowed: /\/session_api\.ts$/ },
  { from: "renderer", to: "media", allowed: /\/frame\.ts$/ },
  {
    from: "doctor",
    to: "transport",
    allowed: /\/(ice\/stun(_format)?|dtls\/(secure_channel|server_certificate))\.ts$/,
  },
  { from: "self_test", to: "doctor", allowed: /\/(deadline|self_handshake)\.ts$/ },
  { from: "doctor", to: "ports", allowed: /\/(rfc4571|udp_port)\.ts$/ },
];

/** The folder that alone may import a package. */
const PACKAGE_OF: Readonly<Record<string, string>> = {
  "werift": "doctor",
  "node-av": "media",
  "sdp-transform": "sdp",
  "hono": "signalling",
  "jose": "signalling",
  "prom-client": "observability",
  "smol-toml": "config",
  "ws": "app",
};

/** Longest source file in lines: one idea each. */
const FILE_LINES_MAX = 400;

const modules = await readModules();

function folderOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

Deno.test("layout: every folder of src has its rule", () => {
  const folders = new Set(modules.flatMap(({ path }) => folderOf(path) ?? []));
  assert.deepEqual([...folders].filter((folder) => !(folder in MAY_IMPORT)), []);
});

Deno.test("layout: folders import only what they may", () => {
  const wrong: string[] = [];
  for (const { path, imports } of modules) {
    const from = folderOf(path);
    if (from === undefined) continue;
    for (const target of imports) {
      const to = folderOf(target);
      if (to === undefined || to === from) continue;
      const hidden = ONLY_BY.find((rule) => rule.from === from && rule.to === to);
      if (!MAY_IMPORT[from]?.includes(to) || hidden?.allowed.test(target) === false) {
        wrong.push(`${path} -> ${target}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("layout: main.ts imports cli alone and stays short", async () => {
  const main = modules.find(({ path }) => path === "main.ts");
  assert.deepEqual(main?.imports, ["src/cli/main.ts"]);
  assert.ok((await lines("main.ts")) <= 20);
});

Deno.test("layout: each package has one folder that imports it", () => {
  const wrong = modules.flatMap(({ path, packages }) =>
    packages
      .filter((name) => folderOf(path) !== undefined && PACKAGE_OF[name] !== folderOf(path))
      .map((name) => `${path} -> npm:${name}`)
  );
  assert.deepEqual(wrong, []);
});

Deno.test("layout: no modules import each other in a circle", () => {
  const importsOf = new Map(modules.map(({ path, imports }) => [path, imports]));
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      circles.push([...trail.slice(trail.indexOf(path)), path].join(" -> "));
    }
    if (done.has(path)) return;
    done.add(path);
    for (const next of importsOf.get(path) ?? []) visit(next, [...trail, path]);
  };
  for (const path of importsOf.keys()) visit(path, []);
  assert.deepEqual(circles, []);
});

Deno.test("layout: no file of src is left unused", () => {
  const importsOf = new Map(modules.map(({ path, imports }) => [path, imports]));
  const used = new Set<string>();
  const visit = (path: string): void => {
    if (used.has(path)) return;
    used.add(path);
    for (const next of importsOf.get(path) ?? []) visit(next);
  };
  ENTRIES.forEach(visit);
  const dead = [...importsOf.keys()].filter((path) => path.startsWith("src/") && !used.has(path));
  assert.deepEqual(dead, []);
});

Deno.test("layout: functions stay short, and what leads to the host has few users", async () => {
  const found: string[] = [];
  for (const { path } of modules) {
    const text = await Deno.readTextFile(`${ROOT}${path}`);
    for (const { message, range } of Deno.lint.runPlugin(HOUSE_RULES, `${ROOT}${path}`, text)) {
      found.push(`${path}:${text.slice(0, range[0]).split("\n").length}: ${message}`);
    }
  }
  assert.deepEqual(found, []);
});

Deno.test("layout: files stay short", async () => {
  const long: string[] = [];
  for (const { path } of modules) {
    const count = await lines(path);
    if (count > FILE_LINES_MAX) long.push(`${path}: ${count}`);
  }
  assert.deepEqual(long, []);
});

Deno.test("layout: no forgotten marks, and no path of one machine", async () => {
  const marks = [
    /\bTO[D]O\b/,
    /\bFIX[M]E\b/,
    /\bX[X]X\b/,
    /@ts-(ignore|nocheck)/,
    /\/(home|work)\/\w/,
  ];
  const found: string[] = [];
  for (const { path } of modules) {
    const text = await Deno.readTextFile(`${ROOT}${path}`);
    for (const mark of marks) if (mark.test(text)) found.push(`${path}: ${mark.source}`);
  }
  assert.deepEqual(found.filter((each) => !each.startsWith(fromFileUrl(import.meta.url))), []);
});

async function lines(path: string): Promise<number> {
  return (await Deno.readTextFile(`${ROOT}${path}`)).trimEnd().split("\n").length;
}
