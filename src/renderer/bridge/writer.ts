import type { Plane, SourceFrame } from "../../media/frame.ts";
import { cString } from "../library_calls.ts";
import { FORMAT_H264, PIXEL_FORMAT_CODES } from "../pixel_layout.ts";
import { BridgeError } from "./bridge_error.ts";
import { Libc, LINUX } from "./libc.ts";
import { BRIDGE_VERSION, READ_BYTES, RING_BYTES_MAX, SLOTS_MAX } from "./limits.ts";
import { ringBytes } from "./ring.ts";
import { parseServerMessage, type RingMessage, type ServerMessage } from "./server_messages.ts";
import { UnixConnection } from "./unix_socket.ts";
import { WireReader } from "./wire.ts";
import { formatWriterMessage, type WriterMessage } from "./writer_messages.ts";

/** Alignment of planes, for SIMD. */
const PLANE_ALIGNMENT = 64;

/** Slots per session: one shown, one waiting, one being written. */
const SLOTS_PER_SESSION = 3;

const FORMAT_CODES = new Map<string, number>(
  Object.entries(PIXEL_FORMAT_CODES).map(([code, format]) => [format, Number(code)]),
);

/** Events from the server. */
export type WriterEvent = Exclude<
  ServerMessage,
  { type: "welcome" | "bye" | "ring" | "release" }
>;

/** The ring, as mapped by the writer. */
interface WritableRing {
  readonly layout: RingMessage;
  readonly mapping: MemoryMapping;
  /** Slots that the writer owns. */
  readonly free: number[];
}

/** The writer's end of a bridge, for a process that the server paces. */
export class BridgeWriter {
  readonly #libc: Libc;
  readonly #socketPath: string;
  readonly #connection: UnixConnection;
  readonly #onEvent: (event: WriterEvent) => void;
  readonly #over: Promise<string>;
  #ring: WritableRing | undefined;
  #made: PromiseWithResolvers<void> | undefined;
  /** The last request for which the server had too little memory; it is not repeated. */
  #denied: { readonly slotBytes: number; readonly sessions: number } | undefined;
  #bye = "The server closed the connection";
  #isOver = false;
  #sending: Promise<void> = Promise.resolve();

  /**
   * Connects and starts reading; {@link hello} must follow.
   * @throws {BridgeError} `bridge_closed`, `bridge_unsupported`
   */
  constructor(
    { socketPath, onEvent }: { socketPath: string; onEvent: (event: WriterEvent) => void },
  ) {
    this.#libc = new Libc();
    this.#socketPath = socketPath;
    this.#onEvent = onEvent;
    try {
      this.#connection = UnixConnection.connect(this.#libc, socketPath);
    } catch (error) {
      this.#libc.close();
      throw error;
    }
    this.#over = this.#read();
  }

  /** Settles when the connection has ended, with the server's reason. */
  get over(): Promise<string> {
    return this.#over;
  }

  /** Sends HELLO; the sessions follow. */
  hello(writer: string): void {
    const clockUs = Math.round(performance.now() * 1000);
    this.send({ type: "hello", version: BRIDGE_VERSION, writer, clockUs, pace: "server" });
  }

  /** Sends a message after all earlier ones. Does nothing after the connection has ended. */
  send(message: WriterMessage): void {
    const bytes = formatWriterMessage(message);
    this.#sending = this.#sending.then(() => this.#write(bytes));
  }

  /**
   * Copies a picture into the ring and sends it.
   * @param options.sessions Number of open sessions, for the size of the ring.
   * @throws {BridgeError} `bridge_closed`; `bridge_refused` if no slot is free, or none is large enough.
   */
  async frame(
    frame: SourceFrame,
    { session, sessions }: { session: number; sessions: number },
  ): Promise<void> {
    const parts = frame.kind === "raw" ? frame.planes : [{ data: frame.data, strideBytes: 0 }];
    const ring = await this.#ringFor(bytesOf(parts), sessions);
    const slot = ring.free.pop();
    if (slot === undefined) throw new BridgeError("bridge_refused", "No slot of the ring is free");
    const { generation, slotsOffset, slotBytes } = ring.layout;
    const planes = [];
    let offset = 0;
    for (const { data, strideBytes } of parts) {
      const start = slotsOffset + slot * slotBytes + offset;
      ring.mapping.bytes(start, data.byteLength).set(data);
      planes.push({ offset, strideBytes });
      offset += aligned(data.byteLength);
    }
    while (planes.length < 3) planes.push({ offset: 0, strideBytes: 0 });
    const timestampUs = Math.round(frame.timestampUs);
    const common = { type: "frame", session, generation, slot, timestampUs, planes } as const;
    if (frame.kind === "raw") {
      const { width, height } = frame;
      const format = FORMAT_CODES.get(frame.format) ?? 0;
      this.send({ ...common, format, width, height, keyframe: false, byteSize: 0 });
    } else {
      const { keyframe, data: { byteLength: byteSize } } = frame;
      this.send({ ...common, format: FORMAT_H264, width: 0, height: 0, keyframe, byteSize });
    }
  }

  /** Flushes sent messages and closes everything. Called once. */
  async close(): Promise<void> {
    await this.#sending;
    await this.#connection.close();
    await this.#over;
    this.#ring?.mapping.close();
    this.#libc.close();
  }

  async #ringFor(bytes: number, sessions: number): Promise<WritableRing> {
    for (;;) {
      if (this.#isOver) throw new BridgeError("bridge_closed", this.#bye);
      const ring = this.#ring;
      const slots = slotsFor(sessions, bytes);
      const fits = ring !== undefined && ring.layout.slotBytes >= bytes &&
        ring.layout.slotCount >= Math.min(slots, slotsFor(sessions, ring.layout.slotBytes));
      // Between the request for a new ring and the answer, a picture would be in neither ring.
      if (this.#made !== undefined) {
        await this.#made.promise;
        continue;
      }
      if (fits) return ring;
      const slotBytes = Math.max(bytes, ring?.layout.slotBytes ?? 0);
      if (ring !== undefined && this.#isDenied({ slotBytes, sessions })) {
        if (ring.layout.slotBytes >= bytes) return ring;
        throw new BridgeError(
          "bridge_refused",
          "The server has not enough shared memory for this picture",
        );
      }
      this.#made = Promise.withResolvers();
      this.#denied = { slotBytes, sessions };
      this.send({ type: "ring", slotBytes, slotCount: slotsFor(sessions, slotBytes) });
    }
  }

  #isDenied({ slotBytes, sessions }: { slotBytes: number; sessions: number }): boolean {
    return this.#denied?.slotBytes === slotBytes && this.#denied.sessions >= sessions;
  }

  #useRing(layout: RingMessage): void {
    // The current ring stays, with its pictures.
    if (layout.generation === this.#ring?.layout.generation) return this.#settleRing();
    const { symbols } = this.#libc;
    const path = this.#socketPath.replace(/\.sock$/, "");
    const fd = symbols.open(cString(path), LINUX.O_RDWR | LINUX.O_CLOEXEC);
    if (fd < 0) throw this.#libc.failure("bridge_files", `Cannot open "${path}"`);
    try {
      const byteLength = ringBytes(layout);
      const mapping = new MemoryMapping(this.#libc, { fd, byteLength, writable: true });
      this.#ring?.mapping.close();
      this.#ring = {
        layout,
        mapping,
        free: Array.from({ length: layout.slotCount }, (_, at) => at),
      };
    } finally {
      symbols.close(fd);
    }
    this.#settleRing();
  }

  #settleRing(): void {
    this.#made?.resolve();
    this.#made = undefined;
  }

  async #read(): Promise<string> {
    const reader = new WireReader();
    const buffer = new Uint8Array(READ_BYTES);
    try {
      for (;;) {
        const count = await this.#connection.read(buffer);
        if (count === 0) break;
        for (const wire of reader.push(buffer.subarray(0, count))) {
          const message = parseServerMessage(wire);
          if (message !== undefined) this.#onMessage(message);
        }
      }
    } catch (error) {
      this.#bye = `The server sent an invalid message: ${error}`;
    }
    this.#isOver = true;
    this.#settleRing();
    return this.#bye;
  }

  #onMessage(message: ServerMessage): void {
    switch (message.type) {
      case "welcome":
        return;
      case "bye":
        this.#bye = message.text;
        return;
      case "ring":
        return this.#useRing(message);
      case "release":
        if (message.generation === this.#ring?.layout.generation) {
          this.#ring.free.push(message.slot);
        }
        return;
      default:
        this.#onEvent(message);
    }
  }

  async #write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    let rest = bytes.subarray(this.#connection.writeNow(bytes));
    while (rest.byteLength > 0 && !this.#isOver) {
      const count = await this.#connection.write(rest);
      if (count === 0) return;
      rest = rest.subarray(count);
    }
  }
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / PLANE_ALIGNMENT) * PLANE_ALIGNMENT;
}

function bytesOf(planes: readonly Plane[]): number {
  return planes.reduce((sum, { data }) => sum + aligned(data.byteLength), 0);
}

/** Slots for twice the current sessions, so that not every new session needs another ring. */
function slotsFor(sessions: number, slotBytes: number): number {
  const doubled = 2 ** Math.ceil(Math.log2(Math.max(1, sessions)));
  const most = Math.floor(RING_BYTES_MAX / Math.max(1, slotBytes)) - 1;
  return Math.max(1, Math.min(SLOTS_PER_SESSION * doubled + 1, SLOTS_MAX, most));
}

/** A memory mapping of a file. */
class MemoryMapping {
  readonly #libc: Libc;
  readonly #pointer: Deno.PointerObject;
  readonly #buffer: ArrayBuffer;
  readonly #byteLength: number;

  /**
   * Maps the first `byteLength` bytes of a file.
   * @param options.writable If false, writing crashes the process.
   * @throws {BridgeError} `bridge_files`
   */
  constructor(
    libc: Libc,
    { fd, byteLength, writable }: { fd: number; byteLength: number; writable: boolean },
  ) {
    const protection = LINUX.PROT_READ | (writable ? LINUX.PROT_WRITE : 0);
    const length = BigInt(byteLength);
    const pointer = libc.symbols.mmap(null, length, protection, LINUX.MAP_SHARED, fd, 0n);
    // MAP_FAILED is the address of all ones.
    if (pointer === null || BigInt.asIntN(64, Deno.UnsafePointer.value(pointer)) === -1n) {
      throw libc.failure("bridge_files", `Cannot map ${byteLength} bytes of shared memory`);
    }
    this.#libc = libc;
    this.#pointer = pointer;
    this.#byteLength = byteLength;
    // A single ArrayBuffer: V8 counts the bytes of each towards garbage collection.
    this.#buffer = Deno.UnsafePointerView.getArrayBuffer(pointer, byteLength);
  }

  /** A view of a part, which becomes empty when the mapping is closed. */
  bytes(offset: number, byteLength: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#buffer, offset, byteLength);
  }

  /** Unmaps the file. No thread may be reading it. Called once. */
  close(): void {
    // Detach first, so that remaining views are empty instead of crashing.
    this.#buffer.transfer(0);
    this.#libc.symbols.munmap(this.#pointer, BigInt(this.#byteLength));
  }
}
