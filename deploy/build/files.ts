import { createHash } from "node:crypto";

/** Whether a file or folder with that path exists. */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Paths of all files below a folder, sorted, relative to it. */
export async function listFiles(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (!isDirectory) found.push(name);
    else for (const below of await listFiles(`${folder}/${name}`)) found.push(`${name}/${below}`);
  }
  return found.sort();
}

/** Copies a file to the same relative path in another folder, which is made if needed. */
export async function copyInto(
  folder: string,
  { root, path }: { root: string; path: string },
): Promise<void> {
  const target = `${folder}/${path}`;
  await Deno.mkdir(target.slice(0, target.lastIndexOf("/")), { recursive: true });
  await Deno.copyFile(`${root}/${path}`, target);
}

/** Writes a value as indented JSON. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await Deno.writeTextFile(path, `${JSON.stringify(value, undefined, 2)}\n`);
}

/** SHA-256 of a file, in hexadecimal. */
export async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  for await (const chunk of file.readable) hash.update(chunk);
  return hash.digest("hex");
}
