import assert from "assert";
import { readModules, ROOT } from "./modules.ts";

/** Exported functions, classes and constants of a module; types cost nothing. */
const EXPORTED = /^export (?:async )?(?:function\*?|(?:abstract )?class|const) (\w+)/gm;

Deno.test("layout: what only tests use is not part of the program", async () => {
  const texts = new Map<string, string>();
  const modules = (await readModules()).map(({ path }) => path);
  const program = modules.filter((path) => path.startsWith("src/"));
  // What makes releases uses some of it too.
  for await (const { name, isFile } of Deno.readDir(`${ROOT}deploy/build`)) {
    if (isFile) program.push(`deploy/build/${name}`);
  }
  for (const path of program) texts.set(path, await Deno.readTextFile(`${ROOT}${path}`));
  const words = new Map<string, number>();
  for (const text of texts.values()) {
    for (const [word] of text.matchAll(/\w+/g)) words.set(word, (words.get(word) ?? 0) + 1);
  }
  const unused = [...texts].filter(([path]) => path.startsWith("src/")).flatMap(([path, text]) =>
    [...text.matchAll(EXPORTED)]
      .map(([, name = ""]) => name)
      // Once where it is declared.
      .filter((name) => (words.get(name) ?? 0) < 2)
      .map((name) => `${path}: ${name}`)
  );
  assert.ok(words.size > 1_000);
  assert.deepEqual(unused, []);
});
