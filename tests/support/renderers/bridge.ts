import assert from "assert";
import { SYSTEM_CLOCK } from "../../../src/base/clock.ts";
import type { LogFields, Logger } from "../../../src/base/log.ts";
import type { FrameSource, FrameSourceFactory, RawFrame } from "../../../src/media/frame.ts";
import { openBridge } from "../../../src/renderer/bridge/bridge.ts";
import {
  parseServerMessage,
  type ServerMessage,
} from "../../../src/renderer/bridge/server_messages.ts";
import { WireReader } from "../../../src/renderer/bridge/wire.ts";
import {
  formatWriterMessage,
  type FrameMessage,
  type WriterMessage,
} from "../../../src/renderer/bridge/writer_messages.ts";
import { eventually, within } from "../deadline.ts";
import { RecordingMeter } from "../parts/recording_meter.ts";

/** Where shared memory is. */
export const FOLDER = "/dev/shm";

/** Events of a log, with their fields. */
export class LogRecord {
  readonly events: {
    readonly level: string;
    readonly event: string;
    readonly fields: LogFields;
  }[] = [];

  /** Writes into this record. */
  get logger(): Logger {
    return this.#logger({});
  }

  /** The fields of each event of that name. */
  all(event: string): LogFields[] {
    return this.events.filter((each) => each.event === event).map(({ fields }) => fields);
  }

  #logger(inherited: LogFields): Logger {
    const write = (level: string) => (event: string, fields: LogFields = {}) => {
      this.events.push({ level, event, fields: { ...inherited, ...fields } });
    };
    return {
      debug: write("debug"),
      info: write("info"),
      warn: write("warn"),
      error: write("error"),
      child: (fields) => this.#logger({ ...inherited, ...fields }),
    };
  }
}

/** A bridge that is open for a test. */
export interface TestBridge {
  readonly name: string;
  readonly factory: FrameSourceFactory;
  readonly log: LogRecord;
  readonly meter: RecordingMeter;
}

/** A name that no other test has. */
export function bridgeName(): string {
  return `test-${crypto.randomUUID()}`;
}

/** Opens a bridge for a test, and expects that nothing of it is left afterwards. */
export async function withBridge(
  use: (bridge: TestBridge) => Promise<void>,
  { name = bridgeName() }: { name?: string } = {},
): Promise<void> {
  const log = new LogRecord();
  const meter = new RecordingMeter();
  const factory = await openBridge({ name, log: log.logger, meter, clock: SYSTEM_CLOCK });
  try {
    await use({ name, factory, log, meter });
  } finally {
    await factory.close();
  }
  assert.deepEqual(await filesOf(name), []);
}

/** Files of a bridge that are there now. */
export async function filesOf(name: string): Promise<string[]> {
  const files = [];
  for await (const entry of Deno.readDir(FOLDER)) {
    if (entry.name.startsWith(`pinhole-${name}`)) files.push(entry.name);
  }
  return files.sort();
}

/** Opens a session of 64×32 at 25 frames a second unless told otherwise. */
export function openSource(
  factory: FrameSourceFactory,
  { sessionId = "one", width = 64, height = 32, fps = 25, params = {} }: {
    sessionId?: string;
    width?: number;
    height?: number;
    fps?: number;
    params?: Readonly<Record<string, unknown>>;
  } = {},
): Promise<FrameSource> {
  return factory.open({ sessionId, width, height, fps, params });
}

/** Renders until there is a picture, on a timeline that began with this process. */
export async function nextFrame(source: FrameSource): Promise<RawFrame> {
  let frame: RawFrame | undefined;
  await eventually(async () => {
    const result = await source.render(performance.now() * 1000);
    if (result.status === "frame" && result.frame.kind === "raw") frame = result.frame;
    return frame !== undefined;
  }, { what: "for a picture" });
  assert(frame !== undefined);
  return frame;
}

/** Renders until a session is idle. */
export async function untilIdle(source: FrameSource): Promise<void> {
  const idle = async () => (await source.render(performance.now() * 1000)).status === "idle";
  await eventually(idle, { what: "for the session to be idle" });
}

/** A writer in this process that says whatever a test wants to be said. */
export class RawWriter implements Disposable {
  readonly messages: ServerMessage[] = [];
  /** Settles when the server has ended the connection. */
  readonly over: Promise<void>;
  readonly #connection: Deno.UnixConn;

  private constructor(connection: Deno.UnixConn) {
    this.#connection = connection;
    this.over = this.#read();
  }

  static async connect(name: string): Promise<RawWriter> {
    const path = `${FOLDER}/pinhole-${name}.sock`;
    return new RawWriter(await Deno.connect({ transport: "unix", path }));
  }

  /** Connects and says hello. */
  static async greet(name: string): Promise<RawWriter> {
    const writer = await RawWriter.connect(name);
    await writer.say({ type: "hello", version: 1, writer: "raw", clockUs: 0, pace: "writer" });
    return writer;
  }

  /** Sends a message. A server that is gone by then is no failure: the tests look at why. */
  async say(message: WriterMessage): Promise<void> {
    await this.sayBytes(formatWriterMessage(message));
  }

  async sayBytes(bytes: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < bytes.byteLength;) {
        at += await this.#connection.write(bytes.subarray(at));
      }
    } catch (error) {
      const gone = error instanceof Deno.errors.BrokenPipe ||
        error instanceof Deno.errors.ConnectionReset;
      if (!gone) throw error;
    }
  }

  /** Waits for the first message of a type. */
  async hear<T extends ServerMessage["type"]>(
    type: T,
  ): Promise<Extract<ServerMessage, { type: T }>> {
    const find = () => this.messages.find((message) => message.type === type);
    await eventually(() => find() !== undefined, { what: `for the server to say "${type}"` });
    return find() as Extract<ServerMessage, { type: T }>;
  }

  /** Waits for the end of the connection. @returns The server's last words. */
  async lastWords(): Promise<string> {
    await within(this.over, { what: "for the server to end the connection" });
    const bye = this.messages.find((message) => message.type === "bye");
    return bye === undefined ? "" : `${bye.code}: ${bye.text}`;
  }

  [Symbol.dispose](): void {
    try {
      this.#connection.close();
    } catch {
      // The server was faster.
    }
  }

  async #read(): Promise<void> {
    const reader = new WireReader();
    const buffer = new Uint8Array(65536);
    try {
      for (;;) {
        const count = await this.#connection.read(buffer);
        if (count === null) break;
        for (const wire of reader.push(buffer.subarray(0, count))) {
          const message = parseServerMessage(wire);
          if (message !== undefined) this.messages.push(message);
        }
      }
    } catch {
      // The connection was reset, or this end closed it.
    }
    this[Symbol.dispose]();
  }
}

/** A grey picture of 64×32 in slot 0, with changes. */
export function greyFrame(changes: Partial<FrameMessage> = {}): FrameMessage {
  return {
    type: "frame",
    session: 1,
    generation: 1,
    slot: 0,
    format: 6,
    width: 64,
    height: 32,
    timestampUs: 0,
    keyframe: false,
    byteSize: 0,
    planes: [{ offset: 0, strideBytes: 192 }, { offset: 0, strideBytes: 0 }, {
      offset: 0,
      strideBytes: 0,
    }],
    ...changes,
  };
}
