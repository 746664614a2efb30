import denoJson from "../../deno.json" with { type: "json" };
import { AppError, errorText } from "../base/errors.ts";
import { ConfigError } from "../config/load.ts";
import { formatProblem } from "../config/problem.ts";
import { explainAddonError } from "../media/addon_problem.ts";
import { type Command, parseArguments } from "./arguments.ts";
import type { DoctorVerdict } from "./doctor.ts";
import { formatHelp } from "./help.ts";
import { printFailure, printOut } from "./print.ts";

/** Exit codes of every command. */
export const EXIT = { done: 0, failed: 1, usage: 2 } as const;

const DOCTOR_EXIT: Readonly<Record<DoctorVerdict, number>> = {
  healthy: EXIT.done,
  failed: EXIT.failed,
  bad_config: EXIT.usage,
};

/**
 * Runs one command.
 * @param args The command line without the program's name.
 * @returns The exit code.
 */
export async function main(args: readonly string[]): Promise<number> {
  const command = parseArguments(args);
  if (typeof command === "string") {
    printFailure(`pinhole: ${command}. See \`pinhole --help\`.`);
    return EXIT.usage;
  }
  try {
    return await run(command);
  } catch (error) {
    if (error instanceof ConfigError) {
      for (const problem of error.problems) printFailure(`pinhole: ${formatProblem(problem)}`);
      return EXIT.usage;
    }
    const problem = explainAddonError(error);
    if (problem !== undefined) {
      printFailure(
        `pinhole: The library with FFmpeg does not load: ${problem.reason}. ${problem.fix}. ` +
          "`pinhole self-test` tests each part",
      );
      return EXIT.failed;
    }
    const debug = "logLevel" in command && command.logLevel === "debug";
    // An unexpected error is a defect, which needs the stack to be fixed.
    const stack = debug || !(error instanceof AppError) ? (error as Error).stack : undefined;
    printFailure(`pinhole: ${stack ?? errorText(error)}`);
    return EXIT.failed;
  }
}

/**
 * Each command loads its own code: FFmpeg and the doctor's viewer take most of a second, and few commands use them.
 * Where FFmpeg cannot be loaded, `self-test` has to say why.
 */
async function run(command: Command): Promise<number> {
  switch (command.name) {
    case "help":
      printOut(formatHelp(command.about));
      return EXIT.done;
    case "version":
      printOut(`pinhole ${denoJson.version}`);
      return EXIT.done;
    case "check":
      await (await import("./check.ts")).check(command);
      return EXIT.done;
    case "renderer-test":
      return exitOf(await (await import("./renderer_test.ts")).rendererTest(command));
    case "frpc":
      await (await import("./frpc.ts")).frpc(command);
      return EXIT.done;
    case "doctor":
      return DOCTOR_EXIT[await (await import("./doctor.ts")).doctor(command)];
    case "self-test":
      return exitOf(await (await import("./self_test.ts")).selfTest(command));
    case "token":
      await (await import("./token.ts")).token(command);
      return EXIT.done;
    case "bridge-host":
      return await (await import("./bridge_host.ts")).bridgeHost();
    case "renderer-test-host":
      return exitOf(await (await import("./renderer_test_host.ts")).rendererTestHost());
    case "renderer-probe-host":
      await (await import("./renderer_probe_host.ts")).rendererProbeHost();
      return EXIT.done;
    case "serve":
      await (await import("./serve.ts")).serve({ ...command, version: denoJson.version });
      return EXIT.done;
  }
}

function exitOf(isGood: boolean): number {
  return isGood ? EXIT.done : EXIT.failed;
}
