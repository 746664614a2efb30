import { runCommand } from "./command.ts";

/** Output and contents of an archive. */
export interface ArchiveOptions {
  /** Path of the tar.gz. */
  readonly output: string;
  /** Folder of the packed files. */
  readonly folder: string;
  /** Names in the folder; folders are packed with their contents. */
  readonly names: readonly string[];
  /** Modification time of every file, in seconds since 1970. */
  readonly timeS: number;
}

/** Writes a reproducible tar.gz: its bytes depend only on names, contents and executable bits of the files. */
export async function writeArchive(
  { output, folder, names, timeS }: ArchiveOptions,
): Promise<void> {
  const tar = await Deno.makeTempFile({ prefix: "pinhole-", suffix: ".tar" });
  try {
    await runCommand([
      "tar",
      "--create",
      `--file=${tar}`,
      `--directory=${folder}`,
      "--format=gnu",
      "--sort=name",
      `--mtime=@${timeS}`,
      "--owner=0",
      "--group=0",
      "--numeric-owner",
      "--mode=u=rwX,go=rX",
      "--hard-dereference",
      ...names,
    ]);
    // Level 9 takes three times as long for less than 1 %.
    await runCommand(["gzip", "-6", "--no-name", "--force", tar]);
    await Deno.copyFile(`${tar}.gz`, output);
    // Temporary files are readable only by their owner.
    await Deno.chmod(output, 0o644);
  } finally {
    for (const file of [tar, `${tar}.gz`]) await Deno.remove(file).catch(() => {});
  }
}
