import { BuildError, showStep, tryCommand } from "./command.ts";
import { PARTS } from "./program.ts";
import type { Stage } from "./stage.ts";
import type { Target } from "./target.ts";

/** Input of `deno compile`. */
export interface DenoCompileOptions {
  readonly stage: Stage;
  readonly target: Target;
  /** Permission flags. */
  readonly permissions: readonly string[];
  /** Path of the executable. */
  readonly output: string;
}

/**
 * Runs `deno compile`, which needs Deno's runtime for compiled programs (denort): the file in `DENORT_BIN`, or a
 * download.
 * @returns Whether the runtime was available.
 * @throws {BuildError} If it fails for any other reason.
 */
export async function denoCompile(
  { stage, target, permissions, output }: DenoCompileOptions,
): Promise<boolean> {
  showStep("Running deno compile");
  const result = await tryCommand([
    Deno.execPath(),
    "compile",
    "--no-check",
    "--no-prompt",
    "--cached-only",
    "--app-name=pinhole",
    `--target=${target.triple}`,
    `--output=${output}`,
    // Imported by names that it cannot read.
    `--include=${PARTS}`,
    ...permissions,
    "main.js",
  ], { cwd: stage.folder });
  if (result.ok) return true;
  const isDownload = /denort-[\w-]+\.zip/.test(result.stderr);
  if (isDownload && Deno.env.get("DENORT_BIN") === undefined) return false;
  throw new BuildError(`\`deno compile\` failed:\n${result.stderr}`);
}
