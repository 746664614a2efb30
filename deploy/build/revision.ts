import { runCommand, tryCommand } from "./command.ts";

/** What is built. */
export interface Revision {
  /** `0.1.0`, as deno.json has it. */
  readonly number: string;
  /**
   * The same with the commit behind it (Semantic Versioning, §10): `0.1.0+1dd8dde1a2b3`, with `-dirty` when files differ
   * from it, and without any where there is no repository.
   */
  readonly version: string;
  /** Time of the commit, in seconds since 1970, which all files of an artifact get; 0 without a repository. */
  readonly timeS: number;
}

/**
 * Reads the version, and the commit from git.
 * @param root Folder of deno.json.
 */
export async function readRevision(root: string): Promise<Revision> {
  const { version: number } = JSON.parse(await Deno.readTextFile(`${root}/deno.json`));
  // No lock on the index: whoever builds may be at work in it.
  const git = ["git", "--no-optional-locks", "-C", root] as const;
  const prefix = await tryCommand([...git, "rev-parse", "--show-prefix"]);
  // With a prefix it is the repository of something else, which these files happen to lie in.
  if (!prefix.ok || prefix.stdout.trim() !== "") return { number, version: number, timeS: 0 };
  const head = await runCommand([...git, "log", "-1", "--format=%h %ct", "--abbrev=12"]);
  const [commit = "", time = ""] = head.trim().split(" ");
  const changes = await runCommand([...git, "status", "--porcelain"]);
  const suffix = changes === "" ? "" : "-dirty";
  return { number, version: `${number}+${commit}${suffix}`, timeS: Number(time) };
}
