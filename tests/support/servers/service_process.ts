import { fileURLToPath } from "node:url";
import denoJson from "../../../deno.json" with { type: "json" };
import { eventually, within } from "../deadline.ts";
import type { LogLine } from "./server_process.ts";
import { freePortRange } from "./test_server.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** Ports of a service: one for HTTP, the rest for media. */
const PORTS = 3;

/** Somebody else may take a port between our look and the server's. */
const START_ATTEMPTS = 5;

/** How a {@link ServiceProcess} is started. */
export interface ServiceOptions {
  /** The text of its config.toml, without the addresses. */
  readonly config?: string;
  /** Further variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** What runs the server instead of nothing, such as a shell; the server's own command line follows. */
  readonly wrapper?: readonly string[];
}

/**
 * The server as systemd runs it, by its task `start`, with a notification socket that is the test's own. `await using`
 * ends what is left of it.
 */
export class ServiceProcess implements AsyncDisposable {
  readonly httpPort: number;
  readonly mediaPorts: readonly number[];
  /** What the service manager was told, one datagram each. */
  readonly told: string[] = [];
  /** Lines of the log, as they were written. */
  readonly lines: string[] = [];
  readonly #folder: string;
  readonly #systemd: Deno.DatagramConn;
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<unknown>;
  #hasEnded = false;

  private constructor(folder: string, options: ServiceOptions) {
    this.#folder = folder;
    const { portMin } = freePortRange(PORTS);
    this.httpPort = portMin;
    this.mediaPorts = [portMin + 1, portMin + 2];
    this.#systemd = Deno.listenDatagram({ transport: "unixpacket", path: `${folder}/notify` });
    this.writeConfig(options.config ?? "");
    this.#child = this.#spawn(options);
    void this.#child.status.then(() => this.#hasEnded = true);
    this.#reading = Promise.all([this.#hear(), this.#read()]);
  }

  /** Starts a service; it is not ready yet. */
  static async start(options: ServiceOptions = {}): Promise<ServiceProcess> {
    return new ServiceProcess(await Deno.makeTempDir({ prefix: "pinhole-service-" }), options);
  }

  /** Starts a service and waits until it has told that it is ready, and is warm. */
  static async ready(options: ServiceOptions = {}): Promise<ServiceProcess> {
    for (let attempt = 0; attempt < START_ATTEMPTS; attempt++) {
      const service = await ServiceProcess.start(options);
      if (await service.#becomesReady()) return service;
      await service[Symbol.asyncDispose]();
    }
    throw new Error(`Found no free ports in ${START_ATTEMPTS} attempts`);
  }

  /** @returns False when somebody else has taken one of its ports meanwhile. */
  async #becomesReady(): Promise<boolean> {
    try {
      const isThere = () => this.told.includes("READY=1\n");
      await eventually(() => isThere() || this.#hasEnded, { what: "for READY" });
      if (!isThere()) throw new Error("It ended");
      await eventually(async () => await this.status("/readyz") === 200, { what: "for /readyz" });
    } catch (error) {
      const text = this.lines.join("\n");
      if (text.includes("another program uses it")) return false;
      await this[Symbol.asyncDispose]();
      throw new Error(text, { cause: error });
    }
    return !this.lines.some((line) => line.includes("port_not_bound"));
  }

  /** Puts a text in the place of its config.toml; the addresses are added. */
  writeConfig(text: string): void {
    const [first, last] = this.mediaPorts;
    const addresses = [
      `server.listen = "127.0.0.1:${this.httpPort}"`,
      `webrtc.listen = "127.0.0.1"`,
      `webrtc.port_min = ${first}`,
      `webrtc.port_max = ${last}`,
      `video.width = 160`,
      `video.height = 120`,
    ];
    Deno.writeTextFileSync(this.#config, [...addresses, text, ""].join("\n"));
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** The log so far. */
  get log(): readonly LogLine[] {
    return this.lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  }

  /** All lines of one event. */
  events(event: string): readonly LogLine[] {
    return this.log.filter((line) => line.event === event);
  }

  /** Waits until an event is in the log. */
  async logs(event: string, count = 1): Promise<LogLine> {
    await eventually(() => this.events(event).length >= count, {
      what: () => `for ${event} in:\n${this.lines.join("\n")}`,
    });
    return this.events(event).at(-1) ?? { level: "", event: "" };
  }

  /** Waits until the service manager is told something that holds this line. */
  async hears(line: string): Promise<void> {
    await eventually(() => this.told.some((each) => each.split("\n").includes(line)), {
      what: () => `to hear ${line} in:\n${this.told.join("")}${this.lines.join("\n")}`,
    });
  }

  /** HTTP status of a path. */
  async status(path: string): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.httpPort}${path}`);
    await response.body?.cancel();
    return response.status;
  }

  /** Where viewers of a session connect. */
  signallingUrl(session: string): string {
    return `ws://127.0.0.1:${this.httpPort}/ws/${session}`;
  }

  signal(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Waits for its end. @returns The exit code. */
  async ended(): Promise<number> {
    const what = () => `for it to end:\n${this.lines.join("\n")}`;
    return (await within(this.#child.status, { what })).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.signal("SIGKILL");
    } catch {
      // It has ended, as it should.
    }
    await this.#child.status;
    this.#systemd.close();
    await this.#reading;
    await Deno.remove(this.#folder, { recursive: true });
  }

  get #config(): string {
    return `${this.#folder}/config.toml`;
  }

  #spawn({ env = {}, wrapper = [] }: ServiceOptions): Deno.ChildProcess {
    const [, ...task] = denoJson.tasks.start.split(" ");
    const server = [Deno.execPath(), ...task, "--config", this.#config];
    const [program = "", ...args] = [...wrapper, ...server];
    const inherited = Object.entries(Deno.env.toObject())
      .filter(([name]) => !/^(PINHOLE_|NOTIFY_SOCKET|WATCHDOG_|JOURNAL_STREAM)/.test(name));
    return new Deno.Command(program, {
      args,
      cwd: ROOT,
      clearEnv: true,
      env: {
        ...Object.fromEntries(inherited),
        NOTIFY_SOCKET: `${this.#folder}/notify`,
        ...env,
      },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
  }

  async #hear(): Promise<void> {
    try {
      for await (const [datagram] of this.#systemd) {
        this.told.push(new TextDecoder().decode(datagram));
      }
    } catch (error) {
      // Its end comes while it waits.
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }

  async #read(): Promise<void> {
    let rest = "";
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      this.lines.push(...lines);
    }
  }
}
