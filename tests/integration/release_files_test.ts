import assert from "assert";
import { writeArchive } from "../../deploy/build/archive.ts";
import { listFiles } from "../../deploy/build/files.ts";
import { collectLicences } from "../../deploy/build/licences.ts";
import { addFiles } from "../../deploy/build/release.ts";
import { openFolder } from "../support/servers/executable.ts";

Deno.test("addFiles: a release has the documents, and whatever they link to among themselves", async () => {
  await using folder = await openFolder();
  await addFiles(folder.path);
  const files = await listFiles(folder.path);
  for (
    const name of [
      "README.md",
      "CHANGELOG.md",
      "LICENSE",
      "docs/install.md",
      "config.toml",
      "include/pinhole.h",
    ]
  ) {
    assert.ok(files.includes(name), name);
  }
  assert.deepEqual(files.filter((name) => name.startsWith("deploy/build/")), []);
  for (const name of ["pinhole.js", "pinhole.d.ts", "pinhole/media.js"]) {
    assert.ok(files.includes(`client/${name}`), name);
  }
  for (const name of files.filter((name) => name.endsWith(".md"))) {
    const at = new URL(`file:///${name}`);
    const text = await Deno.readTextFile(`${folder.path}/${name}`);
    for (const [, link = ""] of text.matchAll(/\]\(([^):#]+\.md)(?:#[^)]*)?\)/g)) {
      assert.ok(files.includes(new URL(link, at).pathname.slice(1)), `${name} links to ${link}`);
    }
  }
});

Deno.test("writeArchive: bytes depend on names and contents alone", async () => {
  const archives: Uint8Array[] = [];
  for (const names of [["a", "b"], ["b", "a"]]) {
    await using folder = await openFolder();
    for (const name of names) await Deno.writeTextFile(`${folder.path}/${name}`, name);
    await Deno.link(`${folder.path}/a`, `${folder.path}/c`);
    await Deno.utime(`${folder.path}/b`, names.length, Date.now() / 1000);
    const output = `${folder.path}/x.tar.gz`;
    await writeArchive({ output, folder: folder.path, names: ["a", "b", "c"], timeS: 1_000_000 });
    archives.push(await Deno.readFile(output));
  }
  assert.deepEqual(archives[0], archives[1]);
});

Deno.test("collectLicences: every package is listed, with its licence's text or what it declares", async () => {
  await using folder = await openFolder();
  const packages = `${folder.path}/node_modules`;
  const add = async (name: string, files: Readonly<Record<string, string>>) => {
    await Deno.mkdir(`${packages}/${name}`, { recursive: true });
    for (const [file, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${packages}/${name}/${file}`, text);
    }
  };
  const about = (name: string) => ({
    "package.json": JSON.stringify({ name, version: "1.2.3", license: "MIT", author: "A. Author" }),
  });
  await add("@scope/one", { ...about("@scope/one"), "LICENSE-MIT": "its own words" });
  await add("@scope/one/node_modules/two", about("two"));
  await add("@scope/one/dist", about("no package"));
  assert.equal(
    await collectLicences(packages),
    "@scope/one 1.2.3\nLicence: MIT\n\nits own words\n\n" + `${"=".repeat(80)}\n` +
      "two 1.2.3\nLicence: MIT\nAuthor: A. Author\n" +
      "The package has no licence file; its source has.\n\n",
  );
});
