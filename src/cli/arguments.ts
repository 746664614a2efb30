import { LOG_LEVELS, type LogLevel } from "../base/log.ts";

/** What the command line asks for. */
export type Command =
  | { readonly name: "help" | "version" }
  | {
    readonly name: "serve" | "check";
    /** Path after `--config`. */
    readonly config: string | undefined;
    /** After `--log-level`; overrides the configuration. */
    readonly logLevel: LogLevel | undefined;
  };

/** Text of `pinhole --help`. */
export const HELP = `Pinhole streams frames of a CUDA renderer library to browsers over WebRTC,
through a few fixed UDP ports, without STUN and TURN.

Usage:
  pinhole [serve] [--config FILE]   run the server
  pinhole check [--config FILE]     validate the configuration and print every problem
  pinhole --help
  pinhole --version

Options:
  --config FILE      configuration (default: ./config.toml; built-in defaults if there is none)
  --log-level LEVEL  ${LOG_LEVELS.join(", ")}; overrides log.level

Every key of the configuration can be set by a variable as well: PINHOLE_<SECTION>_<KEY>.
Exit codes: 0 done, 1 failed at run time, 2 bad usage or bad configuration.
`;

/** Reads the arguments; a text instead of a command says what is wrong with them. Pure. */
export function parseArguments(args: readonly string[]): Command | string {
  if (args.includes("--help") || args.includes("-h")) return { name: "help" };
  if (args.includes("--version")) return { name: "version" };
  const [first = "serve", ...others] = args;
  const named = !first.startsWith("-");
  if (named && first !== "serve" && first !== "check") {
    return `Unknown command "${first}"; known are serve and check`;
  }
  const options = parseOptions(named ? others : args);
  return typeof options === "string"
    ? options
    : { name: first === "check" ? "check" : "serve", ...options };
}

interface Options {
  readonly config: string | undefined;
  readonly logLevel: LogLevel | undefined;
}

function parseOptions(args: readonly string[]): Options | string {
  const values = new Map<string, string>();
  for (let at = 0; at < args.length; at++) {
    const [name = "", inline] = splitOnce(args[at] ?? "");
    if (name !== "--config" && name !== "--log-level") {
      return `Unknown option "${args[at]}"; known are --config, --log-level, --help and --version`;
    }
    if (values.has(name)) return `Option ${name} is given twice`;
    const value = inline ?? args[++at];
    if (value === undefined || value === "") return `Option ${name} needs a value`;
    values.set(name, value);
  }
  const level = values.get("--log-level");
  const logLevel = LOG_LEVELS.find((known) => known === level);
  if (level !== undefined && logLevel === undefined) {
    return `Unknown log level "${level}"; known are ${LOG_LEVELS.join(", ")}`;
  }
  return { config: values.get("--config"), logLevel };
}

function splitOnce(option: string): [name: string, value: string | undefined] {
  const at = option.indexOf("=");
  return at < 0 ? [option, undefined] : [option.slice(0, at), option.slice(at + 1)];
}
