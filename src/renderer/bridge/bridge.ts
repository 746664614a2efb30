import { type Clock, sleep } from "../../base/clock.ts";
import type { Logger } from "../../base/log.ts";
import type { SharedMeter } from "../../base/shared_metrics.ts";
import type { FrameSource, FrameSourceFactory, FrameSourceOptions } from "../../media/frame.ts";
import { RendererError } from "../renderer_error.ts";
import { BridgeFiles } from "./bridge_files.ts";
import { BridgeSession } from "./bridge_session.ts";
import { Libc } from "./libc.ts";
import {
  ACCEPT_PAUSE_MS,
  AUDIO_AHEAD_MS_MAX,
  BRIDGE_VERSION,
  CONNECTIONS_MAX,
  SHARED_MEMORY_FOLDER,
} from "./limits.ts";
import { Probation, QUARANTINE_MS } from "./probation.ts";
import { RingMaker } from "./ring_maker.ts";
import { RingRate } from "./ring_plan.ts";
import type { ByeCode } from "./server_messages.ts";
import { type UnixConnection, UnixListener } from "./unix_socket.ts";
import type { Pace, SessionFeatures } from "./writer_messages.ts";
import {
  type BridgeContext,
  type RingOwner,
  type Writer,
  WriterConnection,
} from "./writer_connection.ts";

export interface BridgeOptions {
  /** 1 to 64 of `A-Z a-z 0-9 _ - .`. */
  readonly name: string;
  readonly log: Logger;
  readonly meter: SharedMeter;
  readonly clock: Clock;
  /** Folder of the ring and the socket. Default: `/dev/shm`. */
  readonly folder?: string;
}

/**
 * Opens a bridge: a ring in shared memory and a socket, through which another process sends frames, sound and
 * messages. docs/bridge_wire.md is its contract. The bridge is open when the promise settles. Writers may connect and
 * disconnect at any time; without a writer the sessions are idle.
 *
 * @throws {BridgeError} `bridge_taken`, `bridge_files`, `bridge_unsupported`
 */
export async function openBridge(options: BridgeOptions): Promise<FrameSourceFactory> {
  return await Bridge.open({ ...options, pace: "writer", rendererName: `bridge ${options.name}` });
}

/** Options that only the bridge of an isolated library uses. */
export interface BridgeParts extends BridgeOptions {
  readonly pace: Pace;
  /** Name of the renderer, for logs. */
  readonly rendererName: string;
  /** Whether a process may write. Default: any. */
  readonly mayWrite?: (pid: number) => boolean;
  /** A writer was accepted. */
  readonly onWriter?: () => void;
  /** A writer reports that it cannot start, and why. */
  readonly onFailed?: (failure: { readonly code: string; readonly text: string }) => void;
}

/** Features of a session whose writer is not connected yet. */
const ALL_FEATURES: SessionFeatures = {
  audio: true,
  takesMessages: true,
  givesMessages: true,
  encodes: false,
};

const NAME = /^[A-Za-z0-9_.-]{1,64}$/;

/** The server's side of a bridge. */
export class Bridge implements FrameSourceFactory, BridgeContext {
  readonly name: string;
  readonly pace: Pace;
  readonly clock: Clock;
  readonly #parts: BridgeParts;
  readonly #libc: Libc;
  readonly #files: BridgeFiles;
  readonly #listener: UnixListener;
  readonly #closing = new AbortController();
  readonly #accepting: Promise<void>;
  readonly #sessions = new Map<number, BridgeSession>();
  readonly #connections = new Set<WriterConnection>();
  readonly #rings: RingMaker;
  /** Shared by all writers, so that reconnecting does not raise the limit. */
  readonly #ringRate: RingRate = new RingRate();
  readonly #makingRings = new Set<Promise<void>>();
  readonly #probation: Probation<BridgeSession>;
  #writer: WriterConnection | undefined;
  #lastSession = 0;
  #features: SessionFeatures = ALL_FEATURES;
  #closed: Promise<void> | undefined;

  private constructor(
    parts: BridgeParts,
    owned: { libc: Libc; files: BridgeFiles; listener: UnixListener },
  ) {
    this.name = parts.rendererName;
    this.pace = parts.pace;
    this.clock = parts.clock;
    this.#parts = parts;
    this.#libc = owned.libc;
    this.#files = owned.files;
    this.#listener = owned.listener;
    this.#rings = new RingMaker({
      ...owned,
      bridge: parts.name,
      log: parts.log,
    });
    this.#probation = new Probation(parts.clock, (session) => {
      if (this.#writer !== undefined) session.attach(this.#writer);
    });
    this.#accepting = this.#accept();
  }

  /** See {@link openBridge}. */
  static async open(parts: BridgeParts): Promise<Bridge> {
    const { name, folder = SHARED_MEMORY_FOLDER, log } = parts;
    if (!NAME.test(name)) throw new TypeError(`"${name}" cannot be the name of a bridge`);
    const libc = new Libc();
    try {
      const files = await BridgeFiles.claim(libc, { folder, name });
      try {
        const listener = new UnixListener(libc, files.socketPath);
        log.info("bridge_opened", { bridge: name, socket: files.socketPath });
        return new Bridge(parts, { libc, files, listener });
      } catch (error) {
        await files.remove();
        throw error;
      }
    } catch (error) {
      libc.close();
      throw error;
    }
  }

  /** Path of the socket to which writers connect. */
  get socketPath(): string {
    return this.#files.socketPath;
  }

  /**
   * Opens a session, whether or not a writer is connected.
   * @throws {RendererError} `session_open_failed`, when an isolated library refuses it or keeps crashing because of
   * it, or when there is no shared memory for its pictures.
   */
  async open(options: FrameSourceOptions): Promise<FrameSource> {
    if (this.#closed !== undefined) throw new TypeError("The bridge is closed");
    const { sessionId: id, width, height, fps, params } = options;
    const { pace, clock } = this;
    if (pace === "server" && this.#probation.isQuarantined(id)) {
      const words = `The session "${id}" has crashed the library's process too often`;
      throw new RendererError("session_open_failed", words);
    }
    const refusal = this.#refusal();
    if (refusal !== undefined) throw new RendererError("session_open_failed", refusal);
    const number = ++this.#lastSession;
    const session = new BridgeSession({
      open: { type: "open", session: number, id, width, height, fps, params },
      pace,
      clock,
      meter: this.#parts.meter,
      log: this.#parts.log.child({ session: id }),
      onAnswered: () => this.#probation.answered(session),
      onClosed: () => {
        this.#sessions.delete(number);
        this.#probation.remove(session);
      },
    });
    this.#sessions.set(number, session);
    this.#probation.add(session);
    if (pace === "writer") return sourceOf(session, ALL_FEATURES);
    const opened = await session.opened;
    if (opened instanceof RendererError) {
      await session.close();
      throw opened;
    }
    this.#features = opened ?? this.#features;
    return sourceOf(session, this.#features);
  }

  /** Disconnects the writer, closes all sessions, and removes the files. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** See {@link BridgeContext}. */
  admit(connection: WriterConnection): { code: ByeCode; text: string } | undefined {
    const { name, log, mayWrite, onWriter } = this.#parts;
    if (mayWrite?.(connection.pid) === false) {
      return { code: "not_expected", text: "This bridge accepts only the library's process" };
    }
    if (this.#writer !== undefined) {
      const { name: writer, pid } = this.#writer;
      const text = `Another writer feeds the bridge "${name}": ${writer}, process ${pid}`;
      return { code: "taken", text };
    }
    this.#writer = connection;
    connection.send({ type: "welcome", version: BRIDGE_VERSION, sound_ms: AUDIO_AHEAD_MS_MAX });
    log.info("bridge_writer_connected", {
      bridge: name,
      writer: connection.name,
      pid: connection.pid,
    });
    this.#probation.begin(this.#sessions.values());
    onWriter?.();
    return undefined;
  }

  /** See {@link BridgeContext}. */
  session(number: number): BridgeSession | "closed" | undefined {
    const known = number > 0 && number <= this.#lastSession;
    return this.#sessions.get(number) ?? (known ? "closed" : undefined);
  }

  /** See {@link BridgeContext}. */
  makeRing(slots: { bytes: number; count: number }, owner: RingOwner): void {
    this.#ringRate.take(slots.bytes * slots.count, this.clock.now());
    const making = this.#makeRing(slots, owner).catch(owner.onFailed)
      .finally(() => this.#makingRings.delete(making));
    this.#makingRings.add(making);
  }

  /** See {@link BridgeContext}. */
  refused({ name: writer, pid }: Writer, code: ByeCode, reason: string): void {
    const { name: bridge, meter } = this.#parts;
    meter.count("renderer_errors_total", { call: "bridge" });
    this.#parts.log.warn("bridge_writer_refused", { bridge, writer, pid, code, reason });
  }

  /** See {@link BridgeContext}. */
  failed({ pid }: Writer, failure: { readonly code: string; readonly text: string }): void {
    const { name: bridge, mayWrite, onFailed } = this.#parts;
    this.#parts.log.warn("bridge_writer_failed", { bridge, pid, error: failure.text });
    if (mayWrite?.(pid) !== false) onFailed?.(failure);
  }

  /** See {@link BridgeContext}. */
  left(connection: WriterConnection, violation: string | undefined): void {
    const { name: bridge, meter } = this.#parts;
    const { name: writer, pid } = connection;
    this.#connections.delete(connection);
    if (violation !== undefined) {
      meter.count("renderer_errors_total", { call: "bridge" });
      this.#parts.log.warn("bridge_violated", { bridge, writer, pid, reason: violation });
    }
    if (this.#writer !== connection) return;
    this.#writer = undefined;
    if (!this.#closing.signal.aborted) {
      this.#parts.log.warn("bridge_writer_gone", { bridge, writer, pid });
    }
    for (const session of this.#sessions.values()) session.detach();
    this.#judge();
  }

  /** The writer is gone: finds out whether a session of an isolated library caused that. */
  #judge(): void {
    const { log } = this.#parts;
    if (this.pace === "writer" || this.#closing.signal.aborted) return this.#probation.close();
    const session = this.#probation.ended();
    if (session === undefined) return;
    log.error("renderer_session_quarantined", { session: session.id, ms: QUARANTINE_MS });
    session.fail();
  }

  /** Why there is no memory for another session; `undefined` if there is. */
  #refusal(): string | undefined {
    const layout = this.#writer?.ring;
    if (layout === undefined) return undefined;
    return this.#rings.refusal({ layout, sessions: this.#sessions.size + 1 });
  }

  /** Makes a ring, and fails the newest sessions that do not fit into it. */
  async #makeRing(slots: { bytes: number; count: number }, owner: RingOwner): Promise<void> {
    const sessions = [...this.#sessions.values()];
    const roomy = await this.#rings.make({ ...slots, sessions: sessions.length }, owner);
    for (const session of sessions.slice(Math.max(1, roomy))) session.fail();
  }

  async #accept(): Promise<void> {
    const { signal } = this.#closing;
    while (!this.#listener.closed) {
      const connection = await this.#listener.accept();
      if (connection !== undefined) await this.#receive(connection);
      await sleep(this.clock, ACCEPT_PAUSE_MS, signal);
    }
  }

  async #receive(connection: UnixConnection): Promise<void> {
    if (this.#closing.signal.aborted || this.#connections.size >= CONNECTIONS_MAX) {
      return await connection.close();
    }
    this.#connections.add(new WriterConnection(connection, this));
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    await this.#listener.close();
    await this.#accepting;
    const goodbyes = [...this.#connections].map((connection) =>
      connection.end("closing", "The server stops")
    );
    await Promise.all(goodbyes);
    await Promise.all([...this.#sessions.values()].map((session) => session.close()));
    await Promise.all(this.#makingRings);
    await this.#files.remove();
    await this.#libc.closed();
    this.#libc.close();
  }
}

/** Wraps a session as a source with only the functions that its renderer supports. */
function sourceOf(session: BridgeSession, features: SessionFeatures): FrameSource {
  const { audio, takesMessages, givesMessages, encodes } = features;
  return {
    render: (timestampUs) => session.render(timestampUs),
    idleReason: () => session.idleReason(),
    close: () => session.close(),
    ...(audio ? { audio: (timestampUs: number) => session.audio(timestampUs) } : {}),
    ...(takesMessages ? { message: (data: Uint8Array) => session.message(data) } : {}),
    ...(givesMessages
      ? {
        pollMessage: () => session.pollMessage(),
        messagesDropped: (count: number) => session.messagesDropped(count),
      }
      : {}),
    ...(encodes
      ? {
        setBitrate: (bitsPerSecond: number) => session.setBitrate(bitsPerSecond),
        requestKeyframe: () => session.requestKeyframe(),
      }
      : {}),
  };
}
