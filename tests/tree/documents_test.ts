import assert from "assert";
import { ROOT, walk } from "./modules.ts";

/** A document's text, and the anchors that its headings make. */
interface Document {
  readonly text: string;
  readonly anchors: ReadonlySet<string>;
}

/** Folders without documents of ours: what is built, and data of tests. */
const PASSED_OVER: ReadonlySet<string> = new Set(["dist", "node_modules", "coverage", "testdata"]);

/** Width of prose in documents. */
const COLUMNS_MAX = 100;

/** Every Markdown file of the project, by its path from the root. */
async function readDocuments(folder = ""): Promise<Map<string, Document>> {
  const documents = new Map<string, Document>();
  for await (const { name, isDirectory } of Deno.readDir(`${ROOT}${folder}`)) {
    const path = folder + name;
    if (isDirectory) {
      const isHidden = name.startsWith(".") && name !== ".github";
      if (isHidden || PASSED_OVER.has(name)) continue;
      for (const [below, document] of await readDocuments(`${path}/`)) {
        documents.set(below, document);
      }
    } else if (name.endsWith(".md")) {
      const text = await Deno.readTextFile(`${ROOT}${path}`);
      documents.set(path, { text: proseOf(text), anchors: anchorsOf(text) });
    }
  }
  return documents;
}

/** The text without its blocks of code. */
function proseOf(text: string): string {
  return text.replaceAll(/^( *)```[\s\S]*?^\1```$/gm, "");
}

/** What GitHub makes of headings: letters, digits, `_` and `-` in lower case, spaces as `-`; the second of a name gets `-1`. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of proseOf(text).matchAll(/^#{1,6} +(.+?) *$/gm)) {
    const words = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const anchor = words.replaceAll(/[^\p{L}\p{N}_ -]/gu, "").replaceAll(" ", "-");
    let unique = anchor;
    for (let count = 1; anchors.has(unique); count++) unique = `${anchor}-${count}`;
    anchors.add(unique);
  }
  for (const [, name = ""] of text.matchAll(/<a (?:id|name)="([^"]+)"/g)) anchors.add(name);
  return anchors;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

const documents = await readDocuments();

Deno.test("documents: every link leads to a file, and to a heading where it names one", async () => {
  const broken: string[] = [];
  for (const [path, { text }] of documents) {
    for (const [, link = ""] of text.matchAll(/\]\((?![a-z]+:)([^)\s]+)\)/g)) {
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? path : new URL(file, `file:///${path}`).pathname.slice(1);
      const there = await exists(`${ROOT}${target}`);
      const heading = anchor === undefined || !target.endsWith(".md") ||
        documents.get(target)?.anchors.has(anchor);
      if (!there || !heading) broken.push(`${path}: ${link}`);
    }
  }
  assert.deepEqual(broken, []);
});

Deno.test("documents: docs/README.md lists every page of docs", () => {
  const index = documents.get("docs/README.md")?.text ?? "";
  const pages = [...documents.keys()]
    .filter((path) => /^docs\/[^/]+\.md$/.test(path) && path !== "docs/README.md")
    .map((path) => path.slice("docs/".length));
  assert.deepEqual(pages.filter((page) => !index.includes(`](${page})`)), []);
});

Deno.test("documents: prose of README and docs has lines of at most 100 columns", () => {
  const long: string[] = [];
  for (const [path, { text }] of documents) {
    if (path !== "README.md" && !/^docs\/[^/]+\.md$/.test(path)) continue;
    for (const line of text.split("\n")) {
      // A row of a table is one line, and the target of a link cannot be wrapped.
      const prose = line.trimStart().startsWith("|") ? "" : line.replaceAll(/\]\([^)]*\)/g, "]()");
      if (prose.length > COLUMNS_MAX) long.push(`${path}: ${line}`);
    }
  }
  assert.deepEqual(long, []);
});

Deno.test("documents: modules that they name in code are there", async () => {
  const files = [`${ROOT}main.ts`];
  for (const folder of ["src", "tests", "deploy", "examples"]) {
    files.push(...await Array.fromAsync(walk(`${ROOT}${folder}`)));
  }
  const missing: string[] = [];
  for (const [path, { text }] of documents) {
    // Of a release that was, a file may be gone.
    if (path === "CHANGELOG.md") continue;
    for (const [, name = ""] of text.matchAll(/`((?:\w+\/)*[a-z]\w*\.ts)`/g)) {
      if (!files.some((file) => file.endsWith(`/${name}`))) missing.push(`${path}: ${name}`);
    }
  }
  assert.deepEqual(missing, []);
});
