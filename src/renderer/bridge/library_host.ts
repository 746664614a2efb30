import { sleep, SYSTEM_CLOCK } from "../../base/clock.ts";
import { errorText } from "../../base/errors.ts";
import type { Logger, LogLevel } from "../../base/log.ts";
import type { FrameSourceFactory } from "../../media/frame.ts";
import { openRendererLibrary } from "../library.ts";
import { RendererError } from "../renderer_error.ts";
import { HostedSession } from "./hosted_session.ts";
import { BridgeWriter, type WriterEvent } from "./writer.ts";

/** Job of a host process, on its standard input as JSON. */
export interface HostJob {
  /** Path of the bridge's socket. */
  readonly socketPath: string;
  /** Path of the library. */
  readonly library: string;
  /** Passed to the library as JSON. */
  readonly options: Readonly<Record<string, unknown>>;
  /** The server's log settings, passed on unchanged. */
  readonly log: { readonly level: LogLevel; readonly format: "auto" | "pretty" | "json" };
}

export interface HostOptions {
  /** Standard input; it carries a {@link HostJob}. */
  readonly input: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly openLog: (settings: HostJob["log"]) => Logger;
}

/** Ignored signals: a terminal or systemd sends them to the server and its children, and the server decides. */
const LEFT_TO_THE_SERVER = ["SIGINT", "SIGTERM"] as const;

/** How long a library may take to close after the server is gone, in milliseconds. */
const CLOSE_TIMEOUT_MS = 3_000;

/**
 * Runs a renderer library for a server in another process, until the server closes the connection or exits. If the
 * library crashes this process, the server continues.
 *
 * @returns The exit code. The process must exit then, even if a call of the library still runs.
 * @throws {BridgeError} When no server listens on the bridge.
 */
export async function runBridgeHost({ input, openLog }: HostOptions): Promise<number> {
  const ignore = () => {};
  for (const signal of LEFT_TO_THE_SERVER) Deno.addSignalListener(signal, ignore);
  try {
    const job: HostJob = JSON.parse(await new Response(input).text());
    return await host(job, openLog(job.log));
  } finally {
    for (const signal of LEFT_TO_THE_SERVER) Deno.removeSignalListener(signal, ignore);
  }
}

async function host({ socketPath, library: path, options }: HostJob, log: Logger): Promise<number> {
  const sessions = new HostedSessions(log);
  const writer = new BridgeWriter({ socketPath, onEvent: (event) => sessions.take(event) });
  const over = writer.over.then(() => undefined);
  const opening = openRendererLibrary({ path, options, log }).catch((error: unknown) => {
    const code = error instanceof RendererError ? error.code : "open_failed";
    writer.send({ type: "failed", code, text: errorText(error) });
    return undefined;
  });
  const renderer = await Promise.race([opening, over]);
  if (renderer === undefined) {
    // Wait until the server has read the reason and closed the connection, before the process exits.
    await over;
    await writer.close();
    return 1;
  }
  sessions.begin({ renderer, writer });
  writer.hello(renderer.name);
  await over;
  const closed = new AbortController();
  const late = sleep(SYSTEM_CLOCK, CLOSE_TIMEOUT_MS, closed.signal);
  await Promise.race([sessions.close().then(() => renderer.close()), late]);
  closed.abort();
  await writer.close();
  return 0;
}

/** The sessions of a host, by number. */
class HostedSessions {
  readonly #log: Logger;
  readonly #sessions = new Map<number, HostedSession>();
  readonly #names = new Map<number, string>();
  /** Closing sessions, by name. */
  readonly #closing = new Map<string, Promise<void>>();
  #parts: { readonly renderer: FrameSourceFactory; readonly writer: BridgeWriter } | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** The library is open. */
  begin(parts: { renderer: FrameSourceFactory; writer: BridgeWriter }): void {
    this.#parts = parts;
  }

  /** Handles a message of the server. */
  take(event: WriterEvent): void {
    if (event.type === "open") this.#open(event);
    else if (event.type === "close") this.#close(event.session);
    else void this.#sessions.get(event.session)?.take(event);
  }

  /** Settles when every session is closed. */
  async close(): Promise<void> {
    for (const session of [...this.#sessions.keys()]) this.#close(session);
    await Promise.all(this.#closing.values());
  }

  #open(open: Extract<WriterEvent, { type: "open" }>): void {
    if (this.#parts === undefined) return;
    const session = new HostedSession({
      ...this.#parts,
      open,
      log: this.#log.child({ session: open.id }),
      former: this.#closing.get(open.id) ?? Promise.resolve(),
      sessionCount: () => this.#sessions.size,
    });
    this.#sessions.set(open.session, session);
    this.#names.set(open.session, open.id);
  }

  #close(number: number): void {
    const session = this.#sessions.get(number);
    const name = this.#names.get(number);
    this.#sessions.delete(number);
    this.#names.delete(number);
    if (session === undefined || name === undefined) return;
    const closing = session.close().then(() => {
      if (this.#closing.get(name) === closing) this.#closing.delete(name);
    });
    this.#closing.set(name, closing);
  }
}
