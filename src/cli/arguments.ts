import type { LogLevel } from "../base/log.ts";
import { type CommandName, COMMANDS } from "./commands.ts";
import type { DoctorOptions } from "./doctor.ts";
import { type FrpcCommandOptions, TUNNEL_DEFAULTS } from "./frpc.ts";
import type { HOST_COMMANDS } from "./host_command.ts";
import { readArguments } from "./options.ts";
import { RENDERER_TEST_DEFAULTS, type RendererTestOptions } from "./renderer_test.ts";
import type { SelfTestOptions } from "./self_test.ts";
import type { TokenOptions } from "./token.ts";

/** A parsed command line. */
export type Command =
  | { readonly name: "version" | typeof HOST_COMMANDS[number] }
  | {
    readonly name: "help";
    /** The command to explain; `undefined` for all. */
    readonly about: CommandName | undefined;
  }
  | {
    readonly name: "serve" | "check";
    /** Path after `--config`. */
    readonly config: string | undefined;
    /** Value of `--log-level`; overrides the configuration. */
    readonly logLevel: LogLevel | undefined;
  }
  | ({ readonly name: "renderer-test" } & RendererTestOptions)
  | ({ readonly name: "frpc" } & FrpcCommandOptions)
  | ({ readonly name: "doctor" } & DoctorOptions)
  | ({ readonly name: "self-test" } & SelfTestOptions)
  | ({ readonly name: "token" } & TokenOptions);

const TTL_DEFAULT_S = 3600;

/** Parses the arguments. Pure. @returns A command, or a text with the problem. */
export function parseArguments(args: readonly string[]): Command | string {
  const [first = "serve", ...others] = args;
  if (first === "help") return { name: "help", about: others.find(isCommandName) };
  if (args.includes("--help") || args.includes("-h")) {
    return { name: "help", about: isCommandName(first) ? first : undefined };
  }
  if (args.includes("--version")) return { name: "version" };
  switch (first) {
    case "serve":
    case "check":
      return parseServe(first, others);
    case "renderer-test":
      return parseRendererTest(others);
    case "frpc":
      return parseFrpc(others);
    case "doctor":
      return parseDoctor(others);
    case "self-test":
      return parseSelfTest(others);
    case "token":
      return parseToken(others);
    case "bridge-host":
    case "renderer-test-host":
    case "renderer-probe-host":
      return others.length === 0 ? { name: first } : `${first} takes no arguments`;
    default:
      return first.startsWith("-")
        ? parseServe("serve", args)
        : `Unknown command "${first}"; the commands are ${
          Object.keys(COMMANDS).join(", ")
        } and help`;
  }
}

function isCommandName(word: string): word is CommandName {
  return Object.hasOwn(COMMANDS, word);
}

function parseServe(name: "serve" | "check", args: readonly string[]): Command | string {
  const read = readArguments(args, COMMANDS[name].options);
  if (typeof read === "string") return read;
  const [extra] = read.words;
  if (extra !== undefined) return `${name} takes no argument "${extra}"`;
  return { name, config: read.values["--config"], logLevel: read.values["--log-level"] };
}

function parseRendererTest(args: readonly string[]): Command | string {
  const read = readArguments(args, COMMANDS["renderer-test"].options);
  if (typeof read === "string") return read;
  const [library, extra] = read.words;
  if (library === undefined) return "renderer-test needs the path of a library";
  if (extra !== undefined) return `renderer-test takes one library, not "${extra}" as well`;
  const { values } = read;
  return {
    name: "renderer-test",
    library,
    options: values["--options"] ?? {},
    width: values["--width"] ?? RENDERER_TEST_DEFAULTS.width,
    height: values["--height"] ?? RENDERER_TEST_DEFAULTS.height,
    fps: values["--fps"] ?? RENDERER_TEST_DEFAULTS.fps,
    seconds: values["--seconds"] ?? RENDERER_TEST_DEFAULTS.seconds,
  };
}

function parseFrpc(args: readonly string[]): Command | string {
  const read = readArguments(args, COMMANDS.frpc.options);
  if (typeof read === "string") return read;
  const [extra] = read.words;
  if (extra !== undefined) return `frpc takes no argument "${extra}"`;
  const { values } = read;
  if (values["--frps"] && values["--plain"]) return "frpc takes --frps or --plain, not both";
  if (values["--media-only"] && values["--signalling-only"]) {
    return "frpc takes --media-only or --signalling-only, not both";
  }
  return {
    name: "frpc",
    config: values["--config"],
    output: values["--frps"] ? "frps" : values["--plain"] ? "plain" : "frpc",
    part: values["--media-only"] ? "media" : values["--signalling-only"] ? "signalling" : "all",
    server: values["--server"],
    protocol: values["--protocol"] ?? TUNNEL_DEFAULTS.protocol,
    tokenVariable: values["--token-env"] ?? TUNNEL_DEFAULTS.tokenVariable,
    admin: values["--admin"],
  };
}

function parseDoctor(args: readonly string[]): Command | string {
  const read = readArguments(args, COMMANDS.doctor.options);
  if (typeof read === "string") return read;
  const [extra] = read.words;
  if (extra !== undefined) return `doctor takes no argument "${extra}"`;
  const { values } = read;
  return {
    name: "doctor",
    config: values["--config"],
    json: values["--json"] ?? false,
    ...(values["--running"] && { running: true }),
    ...(values["--timeout"] !== undefined && { timeoutS: values["--timeout"] }),
    frpcAdmins: values["--frpc-admin"] ?? [],
  };
}

function parseSelfTest(args: readonly string[]): Command | string {
  const read = readArguments(args, COMMANDS["self-test"].options);
  if (typeof read === "string") return read;
  const [extra] = read.words;
  if (extra !== undefined) return `self-test takes no argument "${extra}"`;
  return { name: "self-test", json: read.values["--json"] ?? false };
}

function parseToken(args: readonly string[]): Command | string {
  const read = readArguments(args, COMMANDS.token.options);
  if (typeof read === "string") return read;
  const [extra] = read.words;
  if (extra !== undefined) return `token takes no argument "${extra}"`;
  const { values } = read;
  const { "--session": session, "--metrics": metrics, "--viewer-only": viewerOnly } = values;
  const shared = { name: "token", config: values["--config"] } as const;
  const ttlS = values["--ttl"] ?? TTL_DEFAULT_S;
  if (metrics) {
    if (session === undefined && !viewerOnly) return { ...shared, grant: { metrics, ttlS } };
    return "token takes --metrics without --session and --viewer-only";
  }
  if (session === undefined) return "token needs --session or --metrics";
  return { ...shared, grant: { session, ttlS, ...(viewerOnly && { viewerOnly }) } };
}
