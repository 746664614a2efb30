import assert from "assert";
import { fileURLToPath } from "node:url";

const COMPILE = fileURLToPath(new URL("../../deploy/build/compile.ts", import.meta.url));
/** Of the ELF header: class, and the machine that is not this one. */
const OTHER = Deno.build.arch === "x86_64"
  ? { name: "aarch64", machine: 183 }
  : { name: "x86_64", machine: 62 };

Deno.test("executable: a Deno for another machine is refused by name, and so is what is no program", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const header = new Uint8Array(64);
    header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    header.set([OTHER.machine, 0], 18);
    await Deno.writeFile(`${folder}/other`, header);
    await Deno.writeTextFile(`${folder}/words`, "no program at all, whatever its name");
    assert.match(await complaint(folder, "other"), new RegExp(`other is built for ${OTHER.name};`));
    assert.match(await complaint(folder, "words"), /words is not a program; give a Deno for /);
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), [
      "other",
      "words",
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** What the build says of such a `deno`. */
async function complaint(folder: string, deno: string): Promise<string> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", COMPILE, "--self-extracting", "--deno", `${folder}/${deno}`].concat(
      ["--output", `${folder}/pinhole`],
    ),
    stderr: "piped",
    stdout: "null",
  }).output();
  assert.equal(code, 1);
  return new TextDecoder().decode(stderr);
}
