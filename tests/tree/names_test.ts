import assert from "assert";
import { readModules, ROOT } from "./modules.ts";

/** Names that several folders have a file of, and why. Every other name tells one thing in all of src. */
const SHARED_NAMES: Readonly<Record<string, string>> = {
  "metrics.ts": "what one folder measures",
  "limits.ts": "the limits of one folder, each with its reason",
};

/** Exported names that two modules have, and why. */
const SHARED_EXPORTS: Readonly<Record<string, string>> = {
  BACKLOG_BYTES_MAX: "limits of two folders",
  CONNECTIONS_MAX: "limits of two folders",
  ServerMessage: "the bridge and signalling each have the messages of both sides",
};

const EXPORTED =
  /^export (?:async )?(?:function\*?|(?:abstract )?class|const|interface|type) (\w+)/gm;

/** Words that names of files and identifiers do without, and what stands in their place. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
  door: "api",
  existing: "ifOpen",
  greeting: "first messages",
  hall: "context",
  joining: "join",
  presence: "keepalive",
  rehearsal: "warm-up",
  rehearse: "warm up",
  visit: "connection, or hold",
  way: "path",
};

/** Names with such a word that stay: reasons of metrics, which dashboards ask for. */
const KEPT: ReadonlySet<string> = new Set(["no_way"]);

/** Text of a source file without comments, quoted text, and templates. */
function codeOf(text: string): string {
  return text.replaceAll(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g,
    " ",
  );
}

/** The words of an identifier, in lower case: `viewerTable`, `VIEWER_TABLE` and `viewer_table` have the same two. */
function wordsOf(name: string): string[] {
  return [...name.matchAll(/[A-Z]?[a-z]+|[A-Z]+(?![a-z])/g)].map(([word]) => word.toLowerCase());
}

const paths = (await readModules()).map(({ path }) => path)
  .filter((path) => path.startsWith("src/"));

Deno.test("names: a file's name tells one thing in all of src", () => {
  const folders = Map.groupBy(paths, (path) => path.slice(path.lastIndexOf("/") + 1));
  const shared = [...folders].filter(([name, { length }]) =>
    length > 1 && !Object.hasOwn(SHARED_NAMES, name)
  );
  assert.ok(folders.size > 200);
  assert.deepEqual(shared, []);
});

Deno.test("names: an exported name tells one thing in all of src", async () => {
  const modulesOf = new Map<string, string[]>();
  for (const path of paths) {
    for (const [, name = ""] of (await Deno.readTextFile(`${ROOT}${path}`)).matchAll(EXPORTED)) {
      modulesOf.set(name, [...modulesOf.get(name) ?? [], path]);
    }
  }
  const shared = [...modulesOf].filter(([name, { length }]) =>
    length > 1 && !Object.hasOwn(SHARED_EXPORTS, name)
  );
  assert.ok(modulesOf.size > 500);
  assert.deepEqual(shared, []);
});

Deno.test("names: one word for one thing", async () => {
  const found: string[] = [];
  for (const path of paths) {
    const code = codeOf(await Deno.readTextFile(`${ROOT}${path}`));
    const names = new Set([path, ...code.match(/[A-Za-z_$][\w$]*/g) ?? []]);
    for (const name of names) {
      if (KEPT.has(name)) continue;
      for (const word of wordsOf(name)) {
        if (Object.hasOwn(OTHER_WORDS, word)) {
          found.push(`${path}: ${name}: not ${word} but ${OTHER_WORDS[word]}`);
        }
      }
    }
  }
  assert.deepEqual(found, []);
});
