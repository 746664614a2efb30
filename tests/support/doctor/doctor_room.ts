import { fileURLToPath } from "node:url";
import { stringify } from "toml";
import { formatTunnel, TUNNEL_DEFAULTS } from "../../../src/cli/frpc.ts";
import { parseConfig } from "../../../src/config/parse.ts";
import type { CheckResult } from "../../../src/doctor/result.ts";
import { ADMIN_PASSWORD_VARIABLE } from "../../../src/tunnel/frpc_toml.ts";
import { eventually } from "../deadline.ts";
import { FrpProcess } from "../frp/frp_process.ts";
import { findFrp, frpAdvice } from "../frp/frp_programs.ts";
import { ADDRESSES, NetworkTriple, type Place } from "../network/netns.ts";
import type { ConfigOverrides } from "../servers/test_server.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** Where viewers open the page. */
export const PUBLIC_URL = `http://${ADDRESSES.public}:10110`;

const ADMIN_PASSWORD = "of the admin API";

/** A small picture, so that several rooms fit on two cores. */
const USUAL: ConfigOverrides = {
  server: { public_url: PUBLIC_URL },
  webrtc: { public_ip: ADDRESSES.public, listen: "127.0.0.1" },
  video: { width: 160, height: 120, bitrate_kbps: 400 },
  log: { format: "json" },
};

/** How a room departs from one where everything is as it should be. */
export interface RoomOptions {
  /** Keys of config.toml, for the server and the doctor. `ROOM` in a value is the room's folder. */
  readonly config?: ConfigOverrides;
  /** Further ones for the doctor alone. */
  readonly doctorConfig?: ConfigOverrides;
  /** Keys that the files of frp are made from; those of `config` do not count for them. */
  readonly mapped?: ConfigOverrides;
  /** The last word on frpc.toml. */
  readonly frpc?: (toml: string) => string;
  /** The last word on frps.toml. */
  readonly frps?: (toml: string) => string;
  /** frp's token, where the two ends have different ones. */
  readonly tokens?: { readonly frpc: string; readonly frps: string };
  /** What frpc's log says when the room is ready. Default: that every proxy runs. */
  readonly frpcSays?: RegExp;
  /** Before anything runs. */
  readonly prepare?: (room: DoctorRoom) => Promise<void>;
  /** Whether `pinhole serve` runs on the host. Default: true. */
  readonly isServed?: boolean;
}

/** What `pinhole doctor` said. */
export interface RoomDiagnosis {
  /** Its exit code. */
  readonly code: number;
  readonly results: readonly CheckResult[];
  /** How long it took, with the start of its process. */
  readonly seconds: number;
  readonly stderr: string;
}

/** Three machines with frps, frpc and the server on them; `await using` ends all of it. */
export class DoctorRoom implements AsyncDisposable {
  readonly network: NetworkTriple;
  readonly frps: FrpProcess;
  readonly frpc: FrpProcess;
  readonly server: FrpProcess;
  /** For files of the room. */
  readonly folder: string;
  readonly #others: FrpProcess[] = [];

  private constructor(network: NetworkTriple, folder: string, options: RoomOptions) {
    const programs = findFrp();
    if (programs === undefined) throw new Error(`No frp: ${frpAdvice()}`);
    const { tokens = { frpc: "t", frps: "t" } } = options;
    this.network = network;
    this.folder = folder;
    this.frps = this.#process("public", {
      command: [programs.frps, "-c", `${folder}/frps.toml`],
      env: { FRP_TOKEN: tokens.frps },
    });
    this.frpc = this.#process("host", {
      command: [programs.frpc, "-c", `${folder}/frpc.toml`],
      env: { FRP_TOKEN: tokens.frpc, [ADMIN_PASSWORD_VARIABLE]: ADMIN_PASSWORD },
    });
    this.server = this.#process("host", {
      command: pinhole("serve", "--config", `${folder}/server.toml`),
      env: inherited(),
    });
  }

  /** Makes the machines, and starts what runs on them. */
  static async open(options: RoomOptions = {}): Promise<DoctorRoom> {
    const network = await NetworkTriple.create();
    const room = new DoctorRoom(network, await Deno.makeTempDir(), options);
    try {
      await room.#start(options);
      return room;
    } catch (error) {
      await room[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts a further program on a machine; the room ends it. */
  start(place: Place, command: readonly string[]): FrpProcess {
    const started = this.#process(place, { command, env: inherited() });
    this.#others.push(started);
    started.start();
    return started;
  }

  /** Starts another frpc on the host. @param file In the folder of the room. */
  startFrpc(file: string): FrpProcess {
    const program = findFrp()?.frpc;
    if (program === undefined) throw new Error(`No frp: ${frpAdvice()}`);
    return this.start("host", [program, "-c", `${this.folder}/${file}`]);
  }

  /** Writes a file of the room. @returns Its path. */
  async write(name: string, text: string): Promise<string> {
    const path = `${this.folder}/${name}`;
    await Deno.writeTextFile(path, text, { mode: 0o600 });
    return path;
  }

  /** Runs `pinhole doctor --json` as the operator does, or as somebody else on another machine. */
  async doctor(
    { args = [], env = {}, place = "host" }: {
      args?: readonly string[];
      env?: Readonly<Record<string, string>>;
      place?: Place;
    } = {},
  ): Promise<RoomDiagnosis> {
    const startMs = performance.now();
    const [program, ...rest] = this.network.command(
      place,
      // The host may be busy with other tests; where it is not, its time is judged.
      pinhole("doctor", "--config", `${this.folder}/doctor.toml`, "--json", ...TIMEOUT, ...args),
    );
    const { code, stdout, stderr } = await new Deno.Command(program, {
      args: rest,
      cwd: ROOT,
      clearEnv: true,
      env: { ...inherited(), [ADMIN_PASSWORD_VARIABLE]: ADMIN_PASSWORD, ...env },
      stdin: "null",
    }).output();
    const seconds = (performance.now() - startMs) / 1000;
    const decoder = new TextDecoder();
    const [out, words] = [decoder.decode(stdout), decoder.decode(stderr)];
    try {
      return { code, results: JSON.parse(out).checks, seconds, stderr: words };
    } catch (error) {
      throw new Error(`The doctor ended with ${code} and said: ${out}\n${words}`, { cause: error });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const processes = [this.frpc, this.frps, this.server, ...this.#others];
    await Promise.all(processes.map((running) => running.kill()));
    await this.network[Symbol.asyncDispose]();
    await Deno.remove(this.folder, { recursive: true });
  }

  async #start(
    { config = {}, doctorConfig = {}, mapped = {}, isServed = true, prepare, ...more }: RoomOptions,
  ): Promise<void> {
    const { frpc = (toml) => toml, frps = (toml) => toml, frpcSays } = more;
    const file = (...layers: readonly ConfigOverrides[]) =>
      stringify(merged(USUAL, ...layers)).replaceAll(ROOM_FOLDER, this.folder);
    await this.write("server.toml", file(config));
    await this.write("doctor.toml", file(config, doctorConfig));
    await this.write("frpc.toml", frpc(PLAIN_LOG + tunnelFile(mapped, "frpc")));
    await this.write("frps.toml", frps(PLAIN_LOG + tunnelFile(mapped, "frps")));
    await prepare?.(this);
    this.frps.start();
    await this.#until(() => /started successfully/.test(this.frps.lastWords), this.frps);
    if (isServed) this.server.start();
    this.frpc.start();
    const proxies = (await Deno.readTextFile(`${this.folder}/frpc.toml`)).match(/^\[\[proxies/gm);
    await this.#until(() => {
      const { lines } = this.frpc;
      if (frpcSays !== undefined) return lines.some((line) => frpcSays.test(line));
      return lines.filter((line) => line.includes("start proxy success")).length ===
        proxies?.length;
    }, this.frpc);
    if (!isServed) return;
    await this.#until(() => /"event":"listening"/.test(this.server.lastWords), this.server);
  }

  #until(ask: () => boolean, { lastWords }: FrpProcess): Promise<void> {
    return eventually(ask, { what: () => `for a room of the doctor:\n${lastWords}` });
  }

  #process(
    place: Place,
    { command, env }: { command: readonly string[]; env: Readonly<Record<string, string>> },
  ): FrpProcess {
    return new FrpProcess(this.network.command(place, command), { ...PATH, ...env }, ROOT);
  }
}

/** Stands in values of a configuration for the folder of the room. */
const ROOM_FOLDER = "ROOM";

const PLAIN_LOG = "log.disablePrintColor = true\n";

const PATH = { PATH: Deno.env.get("PATH") ?? "" };

/** The command of `pinhole`, from source. */
/** When the doctor ends, whatever hangs, in seconds. */
const TIMEOUT = ["--timeout", "120"] as const;

function pinhole(...args: string[]): string[] {
  return [Deno.execPath(), "run", "-A", "main.ts", ...args];
}

/** This process's environment without what configures Pinhole. */
function inherited(): Record<string, string> {
  const entries = Object.entries(Deno.env.toObject());
  return Object.fromEntries(entries.filter(([name]) => !name.startsWith("PINHOLE_")));
}

function merged(...layers: readonly ConfigOverrides[]): Record<string, Record<string, unknown>> {
  const sections = new Set(layers.flatMap(Object.keys));
  return Object.fromEntries(
    Array.from(sections, (name) => [name, Object.assign({}, ...layers.map((at) => at[name]))]),
  );
}

function tunnelFile(mapped: ConfigOverrides, output: "frpc" | "frps"): string {
  const text = stringify(merged(USUAL, mapped));
  const parsed = parseConfig({ text, fileName: "mapped.toml", env: {} });
  if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
  return formatTunnel(parsed.config, { ...TUNNEL_DEFAULTS, output, source: "mapped.toml" });
}
