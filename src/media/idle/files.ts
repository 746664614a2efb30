import { errorText } from "../../base/errors.ts";
import { IdleError } from "./idle_error.ts";
import { IDLE_FOLDER_FILES_MAX } from "./limits.ts";

/** The files of an idle source. */
export interface IdleFiles {
  /** The images of a folder are played in order; a single file has timestamps. */
  readonly kind: "file" | "folder";
  /** Paths in playing order; at least one. */
  readonly paths: readonly [string, ...string[]];
}

/** Names of images in a folder, case-insensitive, without hidden files. */
const IMAGE_NAME = /^[^.].*\.(png|jpe?g)$/i;

/** Sorts numbers within names by value: 2 before 10. */
const BY_NAME = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/**
 * Finds the files of an idle source.
 * @param path A file, or a folder of PNG and JPEG images; other files in the folder are ignored.
 * @throws {IdleError} When there is no file to show.
 */
export async function findIdleFiles(path: string): Promise<IdleFiles> {
  const info = await read(path, () => Deno.stat(path));
  if (info.isFile) return { kind: "file", paths: [path] };
  if (!info.isDirectory) {
    throw new IdleError("not_readable", { path, reason: "it is neither a file nor a folder" });
  }
  const names = await read(path, () => imageNames(path));
  names.sort((a, b) => BY_NAME.compare(a, b) || (a < b ? -1 : 1));
  const [first, ...others] = names.map((name) => `${path.replace(/\/+$/, "")}/${name}`);
  if (first === undefined) {
    throw new IdleError("no_pictures", { path, reason: "the folder has no PNG or JPEG images" });
  }
  return { kind: "folder", paths: [first, ...others] };
}

async function imageNames(path: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    if (isDirectory || !IMAGE_NAME.test(name)) continue;
    if (names.length === IDLE_FOLDER_FILES_MAX) {
      const reason = `the folder has more than ${IDLE_FOLDER_FILES_MAX} images`;
      throw new IdleError("too_many_files", { path, reason });
    }
    names.push(name);
  }
  return names;
}

async function read<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof IdleError) throw cause;
    throw cause instanceof Deno.errors.NotFound
      ? new IdleError("not_found", { path, reason: "there is no such file or folder", cause })
      : new IdleError("not_readable", { path, reason: errorText(cause), cause });
  }
}
