import assert from "assert";
import { fileURLToPath } from "node:url";
import denoJson from "../../../deno.json" with { type: "json" };
import type { SessionReport } from "../../../src/session/report.ts";
import { eventually, within } from "../deadline.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
/** Ports that tests take: below those that Linux gives to outgoing sockets. */
const TEST_PORTS = { min: 20_000, max: 31_000 } as const;
/** Somebody else may take a port between our look and the server's. */
const START_ATTEMPTS = 5;
const LOG_LINES_SHOWN = 30;

/** Config values by key, such as `{ "webrtc.peers_per_port": 2 }`. */
export type ConfigValues = Readonly<Record<string, string | number | boolean>>;

/** How a server process is started. */
export interface ServerProcessOptions {
  /** Beside the defaults of config.toml and the loopback addresses that tests use. */
  readonly config?: ConfigValues;
  /** Size of the range of media ports. Default: 5. */
  readonly ports?: number;
  /** What is run instead of the task `start`. */
  readonly launch?: Launch;
  /** Further variables of the host, such as those of a provider. */
  readonly variables?: Readonly<Record<string, string>>;
}

/** A program that is started instead of the task `start`. */
export interface Launch {
  /** The program, then its arguments. */
  readonly command: readonly [program: string, ...args: string[]];
  readonly cwd: string;
  /** All its variables, beside those of the configuration. */
  readonly env: Readonly<Record<string, string>>;
}

/** One line of the server's log. */
export interface LogLine {
  readonly level: string;
  readonly event: string;
  readonly [field: string]: unknown;
}

/**
 * The server as its users run it: a process of its own with the permissions of the task `start`, here on loopback and
 * free ports. `await using` stops it by SIGTERM and expects exit code 0.
 */
export class ServerProcess implements AsyncDisposable {
  /** First UDP port of the media range. */
  readonly portMin: number;
  readonly #child: Deno.ChildProcess;
  readonly #startedMs = performance.now();
  readonly #log: LogLine[] = [];
  /** What is no log line: usage errors, or a crash of the runtime. */
  #words = "";
  readonly #reading: Promise<void>;
  readonly #listening = Promise.withResolvers<LogLine>();
  #origin = "";
  #startup = { listeningMs: Number.NaN, readyMs: Number.NaN };

  private constructor(
    portMin: number,
    config: ConfigValues,
    { launch = startTask(), variables = {} }: ServerProcessOptions,
  ) {
    this.portMin = portMin;
    this.#child = spawnServer(config, { ...launch, env: { ...launch.env, ...variables } });
    this.#reading = this.#read();
  }

  /**
   * Starts a server and waits until it is ready.
   * @throws {Error} With the server's last words when it does not come up.
   */
  static async start(options: ServerProcessOptions = {}): Promise<ServerProcess> {
    const ports = options.ports ?? 5;
    for (let attempt = 0; attempt < START_ATTEMPTS; attempt++) {
      const portMin = findFreeRange(ports);
      const server = new ServerProcess(portMin, {
        "server.listen": "127.0.0.1:0",
        "webrtc.listen": "127.0.0.1",
        // As long as tests are patient: on a busy machine a handshake takes seconds.
        "webrtc.connect_timeout_s": 45,
        // Other tests use the same cores.
        "sessions.refuse_when_busy": false,
        "webrtc.port_min": portMin,
        "webrtc.port_max": portMin + ports - 1,
        ...options.config,
      }, options);
      await server.#becomeReady();
      if (!server.log.some(({ event }) => event === "port_not_bound")) return server;
      await server[Symbol.asyncDispose]();
    }
    throw new Error(`Found no free range of ${ports} UDP ports in ${START_ATTEMPTS} attempts`);
  }

  /** Where HTTP is, and with `ws:` signalling: `http://127.0.0.1:PORT`. */
  get origin(): string {
    return this.#origin;
  }

  /** Process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** From the start of the process until it listened, and until `/readyz` said so, in milliseconds. */
  get startup(): { readonly listeningMs: number; readonly readyMs: number } {
    return this.#startup;
  }

  /** The log so far. */
  get log(): readonly LogLine[] {
    return this.#log;
  }

  /** Warnings and errors of the log so far. */
  get complaints(): readonly LogLine[] {
    return this.#log.filter(({ level }) => level === "warn" || level === "error");
  }

  /** The last of the log, as text. */
  get lastWords(): string {
    const lines = this.#log.slice(-LOG_LINES_SHOWN).map((line) => JSON.stringify(line));
    return [...lines, this.#words].join("\n");
  }

  /**
   * A metric, summed over all its samples that carry these labels; 0 when there is none.
   * @param name Without the prefix `pinhole_`.
   */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const response = await fetch(`${this.origin}/metrics`);
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    let sum = 0;
    for (const line of (await response.text()).split("\n")) {
      const [, sample, given = "", value] = /^pinhole_(\w+)(\{.*\})? (\S+)$/.exec(line) ?? [];
      if (sample === name && wanted.every((label) => given.includes(label))) sum += Number(value);
    }
    return sum;
  }

  /** What `/api/sessions` shows. */
  async sessions(): Promise<readonly SessionReport[]> {
    return await (await fetch(`${this.origin}/api/sessions`)).json();
  }

  /** Tells it to stop by SIGTERM, as disposing of it does, and does not wait. */
  stop(): void {
    this.#signal("SIGTERM");
  }

  /** Waits for its end. @returns The exit code. */
  async ended(): Promise<number> {
    const { code } = await this.#orEnd(within(this.#child.status, { what: "for it to stop" }));
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal("SIGTERM");
    const code = await this.ended();
    await this.#reading;
    assert.equal(code, 0, `The server ended with exit code ${code}:\n${this.lastWords}`);
  }

  async #becomeReady(): Promise<void> {
    const listening = within(this.#listening.promise, { what: "for it to listen" });
    this.#origin = String((await this.#orEnd(listening)).http);
    const listeningMs = performance.now() - this.#startedMs;
    await this.#orEnd(eventually(() => this.#isReady(), { what: "for /readyz to say so" }));
    this.#startup = { listeningMs, readyMs: performance.now() - this.#startedMs };
  }

  /** A server that keeps its test waiting is ended, as nobody else would do it. */
  async #orEnd<T>(expected: Promise<T>): Promise<T> {
    try {
      return await expected;
    } catch (error) {
      this.#signal("SIGKILL");
      await this.#reading;
      throw new Error(`The server does not do its part:\n${this.lastWords}`, { cause: error });
    }
  }

  #signal(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended by itself; its exit code says more.
    }
  }

  async #isReady(): Promise<boolean> {
    const response = await fetch(`${this.origin}/readyz`);
    await response.body?.cancel();
    return response.ok;
  }

  async #read(): Promise<void> {
    let rest = "";
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#note(line);
    }
    this.#listening.reject(new Error("The server ended before it listened"));
    this.#listening.promise.catch(() => {});
  }

  #note(line: string): void {
    if (!line.startsWith("{")) {
      this.#words += `${line}\n`;
      return;
    }
    const entry: LogLine = JSON.parse(line);
    this.#log.push(entry);
    if (entry.event === "listening") this.#listening.resolve(entry);
  }
}

/** The very task that users run, so that its permissions are those that suffice. */
function startTask(): Launch {
  const [program, ...args] = denoJson.tasks.start.split(" ");
  assert.equal(program, "deno");
  const inherited = Object.entries(Deno.env.toObject())
    .filter(([name]) => !name.startsWith("PINHOLE_"));
  return {
    // An empty file is a valid config, and not the one of the working directory.
    command: [Deno.execPath(), ...args, "--config", "/dev/null"],
    cwd: ROOT,
    env: Object.fromEntries(inherited),
  };
}

function spawnServer(config: ConfigValues, { command, cwd, env }: Launch): Deno.ChildProcess {
  const [program, ...args] = command;
  const given = Object.entries({ ...config, "log.format": "json" })
    .map(([key, value]) => [`PINHOLE_${key.replace(".", "_").toUpperCase()}`, String(value)]);
  return new Deno.Command(program, {
    args,
    cwd,
    clearEnv: true,
    env: { ...env, ...Object.fromEntries(given) },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
}

/** A place in the range where as many UDP ports in a row are free as are asked for. */
function findFreeRange(ports: number): number {
  const { min, max } = TEST_PORTS;
  for (let attempt = 0; attempt < 100; attempt++) {
    const first = min + Math.floor(Math.random() * (max - min - ports));
    if (Array.from({ length: ports }, (_, at) => first + at).every(isFree)) return first;
  }
  throw new Error(`Found no ${ports} free UDP ports in a row`);
}

function isFree(port: number): boolean {
  try {
    Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port }).close();
    return true;
  } catch {
    return false;
  }
}
