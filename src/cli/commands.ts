import { LOG_LEVELS } from "../base/log.ts";
import { isHost, parseOrigin, parseSocketAddress } from "../config/address.ts";
import { type Endpoint, FRPS_PORT, TUNNEL_PROTOCOLS } from "../tunnel/settings.ts";
import { ADMIN_PORTS, type FrpcCommandOptions, TUNNEL_DEFAULTS } from "./frpc.ts";
import type { OptionSpecs } from "./options.ts";
import { RENDERER_TEST_DEFAULTS } from "./renderer_test.ts";

/** A command, as shown in the help. */
export interface CommandSpec {
  /** Its arguments in the usage line. */
  readonly usage: string;
  /** What it does. */
  readonly summary: string;
  readonly options: OptionSpecs;
}

const { width, height, fps, seconds } = RENDERER_TEST_DEFAULTS;

const CONFIG = {
  "--config": {
    value: "FILE",
    help: "configuration (default: ./config.toml; built-in defaults if there is none)",
    read: (text: string) => text,
    rule: "a path",
  },
} as const satisfies OptionSpecs;

const SERVE_OPTIONS = {
  ...CONFIG,
  "--log-level": {
    value: "LEVEL",
    help: `${LOG_LEVELS.join(", ")}; overrides log.level`,
    read: (text: string) => LOG_LEVELS.find((known) => known === text),
    rule: `one of ${LOG_LEVELS.join(", ")}`,
  },
} as const satisfies OptionSpecs;

const FRPC_OPTIONS = {
  ...CONFIG,
  "--server": {
    value: "ADDRESS[:PORT]",
    help:
      `address of frps (default: the configured public address, port ${FRPS_PORT}; 443 for wss)`,
    read: parseServer,
    rule: "ADDRESS or ADDRESS:PORT, IPv6 with a port in brackets",
  },
  "--protocol": {
    value: "NAME",
    help: `transport to frps: ${
      TUNNEL_PROTOCOLS.join(", ")
    } (default: ${TUNNEL_DEFAULTS.protocol})`,
    read: (text: string) => TUNNEL_PROTOCOLS.find((known) => known === text),
    rule: `one of ${TUNNEL_PROTOCOLS.join(", ")}`,
  },
  "--token-env": {
    value: "NAME",
    help: `environment variable with the frp token (default: ${TUNNEL_DEFAULTS.tokenVariable})`,
    read: (text: string) => /^[A-Za-z_]\w*$/.test(text) ? text : undefined,
    rule: "the name of a variable: letters, digits and _",
  },
  "--admin": {
    value: "ADDRESS:PORT",
    help: `address of frpc's admin API (default: 127.0.0.1:${ADMIN_PORTS.all}; with --media-only ` +
      `127.0.0.1:${ADMIN_PORTS.media})`,
    read: parseEndpoint,
    rule: "ADDRESS:PORT",
  },
  "--media-only": { help: "print only the media ports, to run a separate frpc for them" },
  "--signalling-only": { help: "print only the signalling port" },
  "--frps": { help: "print the matching lines of frps.toml instead" },
  "--plain": {
    help: "print the port mapping for a router, nftables, iptables and WireGuard instead",
  },
} as const satisfies OptionSpecs;

const DOCTOR_OPTIONS = {
  ...CONFIG,
  "--json": { help: "print one JSON document" },
  "--running": { help: "fail if no server is running, instead of starting one with a warning" },
  "--timeout": {
    value: "SECONDS",
    help: "longest run time (default: 20)",
    read: (text: string) => parseWhole(text, 600),
    rule: "a whole number from 1 to 600",
  },
  "--frpc-admin": {
    value: "URL",
    help: "frpc's admin API; give it twice for two clients (default: " +
      `http://127.0.0.1:${ADMIN_PORTS.all} and, for media only, http://127.0.0.1:${ADMIN_PORTS.media})`,
    read: parseOrigin,
    rule: "a URL such as http://127.0.0.1:7400",
    isList: true,
  },
} as const satisfies OptionSpecs;

const SELF_TEST_OPTIONS = {
  "--json": { help: "print one JSON document" },
} as const satisfies OptionSpecs;

const RENDERER_TEST_OPTIONS = {
  "--options": {
    value: "JSON",
    help: "options for the library, as in [renderer.options] (default: {})",
    read: parseObject,
    rule: "a JSON object",
  },
  "--width": {
    value: "PIXELS",
    help: `width of the pictures (default: ${width})`,
    read: parseSide,
    rule: "an even number from 2 to 16384",
  },
  "--height": {
    value: "PIXELS",
    help: `height of the pictures (default: ${height})`,
    read: parseSide,
    rule: "an even number from 2 to 16384",
  },
  "--fps": {
    value: "RATE",
    help: `frames per second (default: ${fps})`,
    read: (text: string) => parseWhole(text, 240),
    rule: "a whole number from 1 to 240",
  },
  "--seconds": {
    value: "SECONDS",
    help: `length of the test stream (default: ${seconds})`,
    read: (text: string) => parseWhole(text, 3600),
    rule: "a whole number from 1 to 3600",
  },
} as const satisfies OptionSpecs;

const TOKEN_OPTIONS = {
  ...CONFIG,
  "--session": {
    value: "ID",
    help: "a session; ID* for all sessions that begin with ID; * for all sessions and for " +
      "/api/sessions",
    read: parseGrant,
    rule: "1 to 64 of the characters A-Z a-z 0-9 _ -, with * at the end for a prefix",
  },
  "--viewer-only": { help: "allow watching, but no messages to the renderer" },
  "--metrics": { help: "a token for /metrics instead of a session" },
  "--ttl": {
    value: "TIME",
    help: "lifetime, such as 90s, 15m, 12h or 7d (default: 1h)",
    read: parseDuration,
    rule: "a time such as 90s, 15m, 12h or 7d",
  },
} as const satisfies OptionSpecs;

/** Every public command with its options: the only source of the parser and the help. */
export const COMMANDS = {
  serve: {
    usage: "",
    summary: "run the server (the default command)",
    options: SERVE_OPTIONS,
  },
  check: {
    usage: "",
    summary: "validate the configuration and print every problem",
    options: SERVE_OPTIONS,
  },
  frpc: {
    usage: "",
    summary: "print the frpc.toml that matches the configuration",
    options: FRPC_OPTIONS,
  },
  doctor: {
    usage: "",
    summary: "check the whole path to a browser and name what to fix",
    options: DOCTOR_OPTIONS,
  },
  "self-test": {
    usage: "",
    summary: "test that the program itself works on this host, without a configuration",
    options: SELF_TEST_OPTIONS,
  },
  "renderer-test": {
    usage: "LIBRARY",
    summary: "test a renderer library and print what is wrong with it",
    options: RENDERER_TEST_OPTIONS,
  },
  token: {
    usage: "--session ID | --metrics",
    summary: "print an access token",
    options: TOKEN_OPTIONS,
  },
} as const satisfies Readonly<Record<string, CommandSpec>>;

/** Name of a command in {@link COMMANDS}. */
export type CommandName = keyof typeof COMMANDS;

function parseServer(text: string): FrpcCommandOptions["server"] {
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
