import { runCommand, tryCommand } from "./command.ts";

/** Version and commit of a build. */
export interface Revision {
  /** Version in deno.json, such as `0.1.0`. */
  readonly number: string;
  /**
   * The same, followed by the commit (Semantic Versioning, §10): `0.1.0+1dd8dde1a2b3`, with `-dirty` if files differ
   * from it; without a commit if there is no repository.
   */
  readonly version: string;
  /** Time of the commit, in seconds since 1970, used for all files of an artifact; 0 without a repository. */
  readonly timeS: number;
}

/**
 * Reads the version, and the commit from git.
 * @param root Folder of deno.json.
 */
export async function readRevision(root: string): Promise<Revision> {
  const { version: number } = JSON.parse(await Deno.readTextFile(`${root}/deno.json`));
  // Without a lock on the index, so that git can be used during a build.
  const git = ["git", "--no-optional-locks", "-C", root] as const;
  const prefix = await tryCommand([...git, "rev-parse", "--show-prefix"]);
  // With a prefix it is another repository that contains these files.
  if (!prefix.ok || prefix.stdout.trim() !== "") return { number, version: number, timeS: 0 };
  const head = await runCommand([...git, "log", "-1", "--format=%h %ct", "--abbrev=12"]);
  const [commit = "", time = ""] = head.trim().split(" ");
  const changes = await runCommand([...git, "status", "--porcelain"]);
  const suffix = changes === "" ? "" : "-dirty";
  return { number, version: `${number}+${commit}${suffix}`, timeS: Number(time) };
}
