import assert from "assert";

/** Path of promtool, which Debian's package `prometheus` has; `undefined` where it is not on PATH. */
export function findPromtool(): string | undefined {
  const folders = (Deno.env.get("PATH") ?? "").split(":").filter((folder) => folder !== "");
  return folders.map((folder) => `${folder}/promtool`).find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/**
 * Runs promtool in a folder of its own that holds these files, by name.
 * @returns What it said.
 * @throws {assert.AssertionError} With what it said, when it failed.
 */
export async function runPromtool(
  args: readonly string[],
  files: Readonly<Record<string, string>>,
): Promise<string> {
  const program = findPromtool();
  assert.ok(program !== undefined, "promtool is not on PATH");
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    const { success, stdout, stderr } = await new Deno.Command(program, {
      args: [...args],
      cwd: folder,
    }).output();
    const words = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assert.ok(success, words);
    return words;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
