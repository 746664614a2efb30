import denoJson from "../../deno.json" with { type: "json" };
import { AppError, errorText } from "../base/errors.ts";
import { ConfigError } from "../config/load.ts";
import { formatProblem } from "../config/problem.ts";
import { type Command, parseArguments } from "./arguments.ts";
import { bridgeHost } from "./bridge_host.ts";
import { check } from "./check.ts";
import { doctor, type DoctorVerdict } from "./doctor.ts";
import { frpc } from "./frpc.ts";
import { formatHelp } from "./help.ts";
import { printFailure, printOut } from "./print.ts";
import { rendererProbeHost } from "./renderer_probe_host.ts";
import { rendererTest } from "./renderer_test.ts";
import { rendererTestHost } from "./renderer_test_host.ts";
import { serve } from "./serve.ts";
import { token } from "./token.ts";

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
    const debug = "logLevel" in command && command.logLevel === "debug";
    // An unexpected error is a defect, which needs the stack to be fixed.
    const stack = debug || !(error instanceof AppError) ? (error as Error).stack : undefined;
    printFailure(`pinhole: ${stack ?? errorText(error)}`);
    return EXIT.failed;
  }
}

async function run(command: Command): Promise<number> {
  switch (command.name) {
    case "help":
      printOut(formatHelp(command.about));
      return EXIT.done;
    case "version":
      printOut(`pinhole ${denoJson.version}`);
      return EXIT.done;
    case "check":
      await check(command);
      return EXIT.done;
    case "renderer-test":
      return await rendererTest(command) ? EXIT.done : EXIT.failed;
    case "frpc":
      await frpc(command);
      return EXIT.done;
    case "doctor":
      return DOCTOR_EXIT[await doctor(command)];
    case "token":
      await token(command);
      return EXIT.done;
    case "bridge-host":
      return await bridgeHost();
    case "renderer-test-host":
      return await rendererTestHost() ? EXIT.done : EXIT.failed;
    case "renderer-probe-host":
      await rendererProbeHost();
      return EXIT.done;
    case "serve":
      await serve({ ...command, version: denoJson.version });
      return EXIT.done;
  }
}
