import { LOG_LEVELS, type LogLevel } from "../base/log.ts";
import { isHost, parseOrigin, parseSocketAddress } from "../config/address.ts";
import { type Endpoint, FRPS_PORT, TUNNEL_PROTOCOLS } from "../tunnel/settings.ts";
import { ADMIN_PORTS, type FrpcOptions, TUNNEL_DEFAULTS } from "./frpc.ts";
import type { DoctorOptions } from "./doctor.ts";
import type { HOST_COMMANDS } from "./host_command.ts";
import { FLAG, type OptionSpecs, readArguments } from "./options.ts";
import type { TokenOptions } from "./token.ts";
import { RENDERER_TEST_DEFAULTS, type RendererTestOptions } from "./renderer_test.ts";

/** What the command line asks for. */
export type Command =
  | { readonly name: "help" | "version" | typeof HOST_COMMANDS[number] }
  | {
    readonly name: "serve" | "check";
    /** Path after `--config`. */
    readonly config: string | undefined;
    /** After `--log-level`; overrides the configuration. */
    readonly logLevel: LogLevel | undefined;
  }
  | ({ readonly name: "renderer-test" } & RendererTestOptions)
  | ({ readonly name: "frpc" } & FrpcOptions)
  | ({ readonly name: "doctor" } & DoctorOptions)
  | ({ readonly name: "token" } & TokenOptions);

const { width, height, fps, seconds } = RENDERER_TEST_DEFAULTS;

/** Text of `pinhole --help`. */
export const HELP = `Pinhole streams frames of a CUDA renderer library to browsers over WebRTC,
through a few fixed UDP ports, without STUN and TURN.

Usage:
  pinhole [serve] [--config FILE]   run the server
  pinhole check [--config FILE]     validate the configuration and print every problem
  pinhole frpc [--config FILE]      print the frpc.toml that matches the configuration
  pinhole doctor [--config FILE]    check the whole path to a browser and say what to mend
  pinhole renderer-test LIBRARY     try a renderer library out and print what is wrong with it
  pinhole token --session ID        print an access token for a session, or for --metrics
  pinhole --help
  pinhole --version

Options:
  --config FILE      configuration (default: ./config.toml; built-in defaults if there is none)
  --log-level LEVEL  ${LOG_LEVELS.join(", ")}; overrides log.level

Options of frpc, besides --config:
  --server ADDRESS[:PORT]  where frps is (default: the configured public address; ${FRPS_PORT},
                     by wss 443)
  --protocol NAME    the way there: ${TUNNEL_PROTOCOLS.join(", ")} (default: tcp)
  --token-env NAME   variable that holds the token (default: ${TUNNEL_DEFAULTS.tokenVariable})
  --admin ADDRESS:PORT  frpc's admin API (default: 127.0.0.1:${ADMIN_PORTS.all};
                     with --media-only 127.0.0.1:${ADMIN_PORTS.media})
  --media-only, --signalling-only  one half of the mapping, for two clients side by side
  --frps             print the lines for frps.toml instead
  --plain            print the mapping for a router, nftables, iptables and WireGuard instead

Options of doctor, besides --config:
  --json             print one JSON document
  --running          fail when no server runs, instead of starting one with a warning
  --timeout SECONDS  when it ends, whatever hangs (default: 20)
  --frpc-admin URL   frpc's admin API; once for each of two clients (default:
                     http://127.0.0.1:${ADMIN_PORTS.all} and, for media alone, http://127.0.0.1:${ADMIN_PORTS.media})

Options of renderer-test:
  --options JSON     what [renderer.options] would say (default: {})
  --width PIXELS     (default: ${width})
  --height PIXELS    (default: ${height})
  --fps RATE         (default: ${fps})
  --seconds SECONDS  how long a stream is watched (default: ${seconds})

Options of token, besides --config:
  --session ID       a session, or the beginning of some with * behind it; * alone is all of
                     them, and lists them at /api/sessions
  --viewer-only      its holder may watch, and say nothing to the renderer
  --metrics          instead of a session: for /metrics
  --ttl TIME         how long it holds, such as 90s, 15m, 12h or 7d (default: 1h)

Every key of the configuration can be set by a variable as well: PINHOLE_<SECTION>_<KEY>.
Exit codes: 0 done, 1 failed at run time, 2 bad usage or bad configuration.
`;

const SERVE_OPTIONS = {
  "--config": { read: (text) => text, rule: "a path" },
  "--log-level": {
    read: (text) => LOG_LEVELS.find((known) => known === text),
    rule: `one of ${LOG_LEVELS.join(", ")}`,
  },
} as const satisfies OptionSpecs;

const RENDERER_TEST_OPTIONS = {
  "--options": { read: parseObject, rule: "a JSON object" },
  "--width": { read: (text) => parseSide(text), rule: "an even number from 2 to 16384" },
  "--height": { read: (text) => parseSide(text), rule: "an even number from 2 to 16384" },
  "--fps": { read: (text) => parseWhole(text, 240), rule: "a whole number from 1 to 240" },
  "--seconds": { read: (text) => parseWhole(text, 3600), rule: "a whole number from 1 to 3600" },
} as const satisfies OptionSpecs;

const FRPC_OPTIONS = {
  "--config": SERVE_OPTIONS["--config"],
  "--server": { read: parseServer, rule: "ADDRESS or ADDRESS:PORT, IPv6 with a port in brackets" },
  "--protocol": {
    read: (text) => TUNNEL_PROTOCOLS.find((known) => known === text),
    rule: `one of ${TUNNEL_PROTOCOLS.join(", ")}`,
  },
  "--token-env": {
    read: (text) => /^[A-Za-z_]\w*$/.test(text) ? text : undefined,
    rule: "the name of a variable: letters, digits and _",
  },
  "--admin": { read: parseEndpoint, rule: "ADDRESS:PORT" },
  "--frps": FLAG,
  "--plain": FLAG,
  "--media-only": FLAG,
  "--signalling-only": FLAG,
} as const satisfies OptionSpecs;

const DOCTOR_OPTIONS = {
  "--config": SERVE_OPTIONS["--config"],
  "--json": FLAG,
  "--running": FLAG,
  "--timeout": { read: (text) => parseWhole(text, 600), rule: "a whole number from 1 to 600" },
  "--frpc-admin": {
    read: parseOrigin,
    rule: "a URL such as http://127.0.0.1:7400",
    isList: true,
  },
} as const satisfies OptionSpecs;

const TOKEN_OPTIONS = {
  "--config": SERVE_OPTIONS["--config"],
  "--session": {
    read: parseGrant,
    rule: "1 to 64 of A-Z a-z 0-9 _ -, with * at the end for a beginning",
  },
  "--viewer-only": FLAG,
  "--metrics": FLAG,
  "--ttl": { read: parseDuration, rule: "a time such as 90s, 15m, 12h or 7d" },
} as const satisfies OptionSpecs;

const TTL_DEFAULT_S = 3600;

/** Reads the arguments; a text instead of a command says what is wrong with them. Pure. */
export function parseArguments(args: readonly string[]): Command | string {
  if (args.includes("--help") || args.includes("-h")) return { name: "help" };
  if (args.includes("--version")) return { name: "version" };
  const [first = "serve", ...others] = args;
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
    case "token":
      return parseToken(others);
    case "bridge-host":
    case "renderer-test-host":
    case "renderer-probe-host":
      return others.length === 0 ? { name: first } : `${first} takes no arguments`;
    default:
      return first.startsWith("-")
        ? parseServe("serve", args)
        : `Unknown command "${first}"; known are serve, check, frpc, doctor, renderer-test and token`;
  }
}

function parseServe(name: "serve" | "check", args: readonly string[]): Command | string {
  const read = readArguments(args, SERVE_OPTIONS);
  if (typeof read === "string") return read;
  const [extra] = read.words;
  if (extra !== undefined) return `${name} takes no argument "${extra}"`;
  return { name, config: read.values["--config"], logLevel: read.values["--log-level"] };
}

function parseRendererTest(args: readonly string[]): Command | string {
  const read = readArguments(args, RENDERER_TEST_OPTIONS);
  if (typeof read === "string") return read;
  const [library, extra] = read.words;
  if (library === undefined) return "renderer-test needs the path of a library";
  if (extra !== undefined) return `renderer-test takes one library, not "${extra}" as well`;
  const { values } = read;
  return {
    name: "renderer-test",
    library,
    options: values["--options"] ?? {},
    width: values["--width"] ?? width,
    height: values["--height"] ?? height,
    fps: values["--fps"] ?? fps,
    seconds: values["--seconds"] ?? seconds,
  };
}

function parseFrpc(args: readonly string[]): Command | string {
  const read = readArguments(args, FRPC_OPTIONS);
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
  const read = readArguments(args, DOCTOR_OPTIONS);
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

function parseToken(args: readonly string[]): Command | string {
  const read = readArguments(args, TOKEN_OPTIONS);
  if (typeof read === "string") return read;
  const [extra] = read.words;
  if (extra !== undefined) return `token takes no argument "${extra}"`;
  const { values } = read;
  const { "--session": session, "--metrics": metrics, "--viewer-only": viewerOnly } = values;
  const shared = { name: "token", config: values["--config"] } as const;
  const ttlS = values["--ttl"] ?? TTL_DEFAULT_S;
  if (metrics) {
    if (session === undefined && !viewerOnly) return { ...shared, grant: { metrics, ttlS } };
    return "token takes --metrics alone, without --session and --viewer-only";
  }
  if (session === undefined) return "token needs --session or --metrics";
  return { ...shared, grant: { session, ttlS, ...(viewerOnly && { viewerOnly }) } };
}

function parseServer(text: string): FrpcOptions["server"] {
  const bare = text.replace(/^\[(.*:.*)\]$/, "$1");
  return isHost(bare) ? { hostname: bare, port: undefined } : parseEndpoint(text);
}

function parseEndpoint(text: string): Endpoint | undefined {
  const found = parseSocketAddress(text);
  return found?.port === 0 ? undefined : found;
}

function parseGrant(text: string): string | undefined {
  return /^(?:[A-Za-z0-9_-]{1,64}|[A-Za-z0-9_-]{0,63}\*)$/.test(text) ? text : undefined;
}

const SECONDS_IN = { s: 1, m: 60, h: 3600, d: 86_400 } as const;

function parseDuration(text: string): number | undefined {
  const [, count, unit] = /^([1-9]\d{0,5})([smhd])$/.exec(text) ?? [];
  return count === undefined
    ? undefined
    : Number(count) * SECONDS_IN[unit as keyof typeof SECONDS_IN];
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? value as Record<string, unknown> : undefined;
  } catch {
    return undefined;
  }
}

function parseWhole(text: string, max: number): number | undefined {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  return value >= 1 && value <= max ? value : undefined;
}

function parseSide(text: string): number | undefined {
  const value = parseWhole(text, 16_384);
  return value === undefined || value % 2 !== 0 ? undefined : value;
}
