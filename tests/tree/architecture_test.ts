import assert from "assert";
import { MAY_IMPORT } from "./may_import.ts";
import { readModules, ROOT } from "./modules.ts";

const page = await Deno.readTextFile(`${ROOT}docs/architecture.md`);
const drawing = await Deno.readTextFile(`${ROOT}docs/architecture.svg`);
const modules = await readModules();
const paths = new Set(modules.map(({ path }) => path));

function attributes(name: string): string[] {
  return [...drawing.matchAll(new RegExp(`${name}="([^"]*)"`, "g"))].map((match) => match[1] ?? "");
}

Deno.test("architecture: the drawing shows every room once", () => {
  assert.deepEqual(attributes("data-room").toSorted(), Object.keys(MAY_IMPORT).toSorted());
});

Deno.test("architecture: each arrow is between folders of which one may import the other", () => {
  const arrows = attributes("data-from").map((from, at) => [from, attributes("data-to")[at] ?? ""]);
  const wrong = arrows.filter(([from = "", to = ""]) => {
    // A renderer gives frames to a session that is handed it: neither imports the other, both know media's frame.
    if (from === "renderer" && to === "session") return false;
    // Pages come to signalling over the network.
    if (from === "viewer") return false;
    return !MAY_IMPORT[from]?.includes(to) && !MAY_IMPORT[to]?.includes(from);
  });
  assert.deepEqual(wrong, []);
});

Deno.test("architecture: files and folders that the page names are there", () => {
  const named = [...page.matchAll(/`(src\/[\w/]+(?:\.ts)?)`/g)].map((match) => match[1] ?? "");
  const isThere = (name: string) =>
    paths.has(name) || [...paths].some((path) => path.startsWith(`${name}/`));
  assert.ok(named.length > 20);
  assert.deepEqual(named.filter((name) => !isThere(name)), []);
});

Deno.test("architecture: the path of a frame is short", () => {
  const section = page.split("## The path of a frame")[1]?.split("\n## ")[0] ?? "";
  const files = [...section.matchAll(/^\| `(src\/[\w/]+\.ts)`/gm)].map((match) => match[1] ?? "");
  assert.ok(files.length > 10 && files.length <= 14, `${files.length} files`);
});
