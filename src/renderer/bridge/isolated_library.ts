import { sleep } from "../../base/clock.ts";
import { errorText } from "../../base/errors.ts";
import type { FrameSource, FrameSourceFactory, FrameSourceOptions } from "../../media/frame.ts";
import { RendererError, type RendererErrorCode } from "../renderer_error.ts";
import { Bridge, type BridgeOptions, type BridgeParts } from "./bridge.ts";
import { BridgeError } from "./bridge_error.ts";
import type { HostJob } from "./library_host.ts";

export interface IsolatedLibraryOptions extends Omit<BridgeOptions, "name"> {
  /** Path of the shared library. */
  readonly path: string;
  /** Passed to the library as JSON. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Log settings of the library's process, applied by its command. */
  readonly logSettings: HostJob["log"];
  /** Command of a process that calls `runBridgeHost` with its standard input: the program, then its arguments. */
  readonly command: readonly [program: string, ...args: string[]];
}

/** Bridges of isolated libraries on one host. Their names have a dot, so they never clash with configured ones. */
const BRIDGES_MAX = 64;

/** Doubling pauses before a library is restarted, in milliseconds. */
const RESTART_PAUSE_MS = { min: 500, max: 10_000 } as const;

/** A library that ran this long, in milliseconds, is restarted after the shortest pause. */
const STEADY_MS = 30_000;

/** How long a library's process may take to exit by itself, in milliseconds. */
const LEAVE_TIMEOUT_MS = 5_000;

/**
 * Opens a renderer library in a separate process, which sends its frames over a bridge: one copy more than in this
 * process. If that process crashes, sessions stay open and are idle until it runs again: it is restarted after 0.5 s,
 * doubling to 10 s while it keeps failing, and all sessions are opened again.
 *
 * @throws {RendererError} Like `openRendererLibrary`, when the library cannot be opened the first time.
 * @throws {BridgeError} `library_process` when the process ended instead; `bridge_files`, `bridge_unsupported`.
 */
export async function openIsolatedLibrary(
  options: IsolatedLibraryOptions,
): Promise<FrameSourceFactory> {
  const library = new IsolatedLibrary(options);
  try {
    await library.start();
    return library;
  } catch (error) {
    await library.close();
    throw error;
  }
}

class IsolatedLibrary implements FrameSourceFactory {
  readonly name: string;
  readonly #options: IsolatedLibraryOptions;
  readonly #closing = new AbortController();
  readonly #ready = Promise.withResolvers<void>();
  #bridge: Bridge | undefined;
  #child: Deno.ChildProcess | undefined;
  #running: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;

  constructor(options: IsolatedLibraryOptions) {
    this.#options = options;
    this.name = options.path.slice(options.path.lastIndexOf("/") + 1);
  }

  /** Settles when the library is open. Called once. */
  async start(): Promise<void> {
    this.#bridge = await this.#openBridge();
    this.#running = this.#run(this.#bridge);
    await this.#ready.promise;
  }

  async open(options: FrameSourceOptions): Promise<FrameSource> {
    if (this.#bridge === undefined) throw new TypeError("The library has not been started");
    return await this.#bridge.open(options);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #openBridge(): Promise<Bridge> {
    for (let number = 1;; number++) {
      try {
        return await Bridge.open({ ...this.#options, ...this.#parts(`isolated.${number}`) });
      } catch (error) {
        const taken = error instanceof BridgeError && error.code === "bridge_taken";
        if (!taken || number === BRIDGES_MAX) throw error;
      }
    }
  }

  #parts(name: string): Omit<BridgeParts, keyof BridgeOptions> & { name: string } {
    return {
      name,
      pace: "server",
      rendererName: this.name,
      mayWrite: (pid) => pid === this.#child?.pid,
      onWriter: () => this.#ready.resolve(),
      onFailed: ({ code, text }) =>
        this.#ready.reject(new RendererError(code as RendererErrorCode, text)),
    };
  }

  /** Keeps a process running until the library is closed, or if it could not be opened the first time. */
  async #run(bridge: Bridge): Promise<void> {
    const { clock, log, meter } = this.#options;
    const { signal } = this.#closing;
    let isReady = false;
    this.#ready.promise.then(() => isReady = true, () => {});
    let pauseMs: number = RESTART_PAUSE_MS.min;
    while (!signal.aborted) {
      const startedMs = clock.now();
      const end = await this.#runOnce(bridge);
      if (signal.aborted) return;
      if (!isReady) {
        const message = `Renderer library "${this.#options.path}" could not be opened: ${end}`;
        return this.#ready.reject(new BridgeError("library_process", message));
      }
      if (clock.now() - startedMs >= STEADY_MS) pauseMs = RESTART_PAUSE_MS.min;
      meter.count("renderer_errors_total", { call: "process" });
      log.error("renderer_process_ended", { renderer: this.name, end, restart_ms: pauseMs });
      await sleep(clock, pauseMs, signal);
      pauseMs = Math.min(pauseMs * 2, RESTART_PAUSE_MS.max);
    }
  }

  /** @returns How the process ended, as text. */
  async #runOnce({ socketPath }: Bridge): Promise<string> {
    const { path: library, options, logSettings, command: [program, ...args], log } = this.#options;
    const job: HostJob = { socketPath, library, options, log: logSettings };
    let child: Deno.ChildProcess;
    try {
      const settings = { args, stdin: "piped", stdout: "inherit", stderr: "inherit" } as const;
      child = new Deno.Command(program, settings).spawn();
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) {
        return 'renderer.isolation = "process" needs `deno task start-isolated` or the executable';
      }
      return `its process "${program}" cannot be started: ${errorText(error)}`;
    }
    this.#child = child;
    log.info("renderer_process_started", { renderer: this.name, pid: child.pid });
    // If the process ends before it has read its input, its exit status tells.
    const told = new Blob([JSON.stringify(job)]).stream().pipeTo(child.stdin).catch(() => {});
    const { code, signal } = await child.status;
    await told;
    this.#child = undefined;
    return signal === null
      ? `its process ended with exit code ${code}`
      : `its process was ended by ${signal}`;
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    // The process exits when its connection is closed.
    await this.#bridge?.close();
    const cancel = this.#options.clock.after(LEAVE_TIMEOUT_MS, () => {
      this.#options.log.error("renderer_process_killed", { renderer: this.name });
      try {
        this.#child?.kill("SIGKILL");
      } catch {
        // It exited in the meantime.
      }
    });
    await this.#running;
    cancel();
  }
}
