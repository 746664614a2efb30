import { MESSAGE_BYTES_MAX } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import type {
  AudioChunk,
  FrameSource,
  MessageRefusal,
  Plane,
  RenderResult,
  SourceFrame,
} from "../media/frame.ts";
import { LibraryAudio } from "./library_audio.ts";
import { failureOf, holding, SerialCalls } from "./library_calls.ts";
import type { RendererLibrary } from "./library_symbols.ts";
import { RendererError } from "./renderer_error.ts";
import {
  ACCESS_UNIT_BYTES_MAX,
  FORMAT_H264,
  FRAME_SIDE_MAX,
  PIXEL_FORMAT_CODES,
  PLANE_PARTS,
} from "./pixel_layout.ts";

/** Messages that may be queued during a call; more means that the library is too slow. */
const WAITING_MESSAGES_MAX = 64;

/** Results of `pinhole_render`. */
const FRAME = 0;
const IDLE = 1;
const END = 2;

/** One open `pinhole_session`. */
export interface OpenSession {
  readonly library: RendererLibrary;
  readonly libraryName: string;
  readonly session: Deno.PointerObject;
  /** Adds the session's id to its events. */
  readonly log: Logger;
  /** Called once, when the library has closed the session. */
  readonly onClosed: () => void;
}

/** A session of a renderer library. Its calls run one after another, in the order in which they were made. */
export class LibrarySession implements FrameSource {
  // Each of these exists only if the library has the function.
  readonly message?: (data: Uint8Array) => MessageRefusal | undefined;
  readonly audio?: (timestampUs: number) => Promise<AudioChunk | undefined>;
  readonly pollMessage?: () => Promise<Uint8Array | undefined>;
  readonly setBitrate?: (bitsPerSecond: number) => void;
  readonly requestKeyframe?: () => void;
  readonly #open: OpenSession;
  readonly #calls: SerialCalls = new SerialCalls();
  readonly #frame: LibraryFrame;
  readonly #audioChunk: LibraryAudio;
  readonly #polled = new Uint8Array(MESSAGE_BYTES_MAX);
  #waitingMessages = 0;
  #closed: Promise<void> | undefined;

  constructor(open: OpenSession) {
    this.#open = open;
    this.#frame = new LibraryFrame(open.libraryName);
    this.#audioChunk = new LibraryAudio(open.libraryName);
    const { symbols } = open.library;
    if (symbols.pinhole_message !== null) this.message = (data) => this.#enqueueMessage(data);
    if (symbols.pinhole_audio !== null) this.audio = (timestampUs) => this.#listen(timestampUs);
    if (symbols.pinhole_poll_message !== null) this.pollMessage = () => this.#poll();
    const { pinhole_set_bitrate: setBitrate, pinhole_request_keyframe: requestKeyframe } = symbols;
    if (setBitrate !== null) {
      this.setBitrate = (bitsPerSecond) =>
        this.#tell(
          "pinhole_set_bitrate",
          () => setBitrate(open.session, Math.round(bitsPerSecond)),
        );
    }
    if (requestKeyframe !== null) {
      this.requestKeyframe = () =>
        this.#tell("pinhole_request_keyframe", () => requestKeyframe(open.session));
    }
  }

  /**
   * @throws {RendererError} `render_failed`, `bad_frame`. The session stays usable.
   */
  async render(timestampUs: number): Promise<RenderResult> {
    return await this.#serial(() => this.#render(Math.round(timestampUs)));
  }

  /** Waits for calls in progress. Frames of the session are empty afterwards. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#calls.run(() => this.#close());
    return this.#closed;
  }

  async #render(timestampUs: number): Promise<RenderResult> {
    const { library, session } = this.#open;
    this.#frame.clear();
    const status = await holding(
      [this.#frame.bytes],
      library.symbols.pinhole_render(session, BigInt(timestampUs), this.#frame.bytes),
    );
    switch (status) {
      case FRAME:
        return { status: "frame", frame: this.#frame.read(timestampUs) };
      case IDLE:
        return { status: "idle" };
      case END:
        return { status: "end" };
      default:
        throw await this.#failure("pinhole_render", status);
    }
  }

  /** No function may be called on a closed session, because its memory is freed. */
  async #serial<T>(call: () => Promise<T>): Promise<T> {
    if (this.#closed !== undefined) throw new TypeError("The renderer's session is closed");
    return await this.#calls.run(call);
  }

  #listen(timestampUs: number): Promise<AudioChunk | undefined> {
    const { library, session } = this.#open;
    return this.#serial(async () => {
      const listen = library.symbols.pinhole_audio;
      if (listen === null) return undefined;
      this.#audioChunk.clear();
      const { bytes } = this.#audioChunk;
      const status = await holding(
        [bytes],
        listen(session, BigInt(Math.round(timestampUs)), bytes),
      );
      if (status !== 0) throw await this.#failure("pinhole_audio", status);
      return this.#audioChunk.read(timestampUs);
    });
  }

  #poll(): Promise<Uint8Array | undefined> {
    const { library, session, libraryName } = this.#open;
    return this.#serial(async () => {
      const poll = library.symbols.pinhole_poll_message;
      if (poll === null) return undefined;
      const capacity = this.#polled.byteLength;
      const length = await holding([this.#polled], poll(session, this.#polled, BigInt(capacity)));
      if (length < 0) throw await this.#failure("pinhole_poll_message", length);
      if (length > capacity) {
        throw new RendererError(
          "render_failed",
          `${libraryName}: pinhole_poll_message returned ${length}, more than the capacity of ${capacity}`,
        );
      }
      return length === 0 ? undefined : this.#polled.slice(0, length);
    });
  }

  /** Calls a function whose only result is its status. */
  #tell(call: string, run: () => Promise<number>): void {
    const { log } = this.#open;
    if (this.#closed !== undefined) return;
    this.#calls.run(async () => {
      const status = await run();
      if (status !== 0) throw await this.#failure(call, status);
    }).catch((error) => log.warn("renderer_call_failed", { call, error: error.message }));
  }

  #enqueueMessage(data: Uint8Array): MessageRefusal | undefined {
    // Not an error: a viewer may send messages until the last moment.
    if (this.#closed !== undefined) return undefined;
    const waiting = this.#waitingMessages;
    const bytes = data.byteLength;
    if (waiting >= WAITING_MESSAGES_MAX || bytes > MESSAGE_BYTES_MAX) {
      this.#open.log.warn("renderer_message_dropped", { waiting, bytes });
      return bytes > MESSAGE_BYTES_MAX ? "too_long" : "too_many";
    }
    this.#waitingMessages++;
    // Copy: the bytes belong to the caller again when this function returns.
    const copy = new Uint8Array(data);
    this.#calls.run(() => this.#message(copy))
      .catch((error) => this.#open.log.warn("renderer_message_failed", { error: error.message }))
      .finally(() => this.#waitingMessages--);
    return undefined;
  }

  async #message(data: Uint8Array<ArrayBuffer>): Promise<void> {
    const { library, session } = this.#open;
    const send = library.symbols.pinhole_message;
    if (send === null) return;
    const status = await holding([data], send(session, data, BigInt(data.byteLength)));
    if (status !== 0) throw await this.#failure("pinhole_message", status);
  }

  async #close(): Promise<void> {
    const { library, session, log, onClosed } = this.#open;
    this.#frame.detach();
    const status = await library.symbols.pinhole_session_close(session);
    if (status !== 0) log.warn("renderer_close_failed", { call: "pinhole_session_close", status });
    onClosed();
  }

  #failure(call: string, status: number): Promise<RendererError> {
    const { library, libraryName, session } = this.#open;
    return failureOf(library, {
      target: { session },
      failed: { code: "render_failed", libraryName, call, status },
    });
  }
}

/** The byte order of every architecture that Deno supports. */
const LITTLE_ENDIAN = true;

/** `pinhole_frame` of native/include/pinhole.h. */
const FRAME_BYTES = 104;
const OFFSET = { format: 4, width: 8, height: 12, flags: 16, timestampUs: 24, planes: 32 } as const;
const PLANE_BYTES = 24;
const PLANE_OFFSET = { data: 0, byteSize: 8, strideBytes: 16 } as const;

/** `PINHOLE_FRAME_KEYFRAME`. */
const FLAG_KEYFRAME = 1;

/** Enough for three planes in each of two or three buffers, plus a change of size. */
const WINDOWS_MAX = 16;

/** The `pinhole_frame` of one session, and a reader that validates what the library wrote. */
class LibraryFrame {
  /** The structure; C writes it. */
  readonly bytes: Uint8Array<ArrayBuffer> = new Uint8Array(FRAME_BYTES);
  readonly #fields: DataView = new DataView(this.bytes.buffer);
  readonly #libraryName: string;
  /**
   * Views of the library's memory by address, the most recently used last. A view is cheap, but V8 counts its bytes
   * towards garbage collection: new ones for each frame would trigger it continuously.
   */
  readonly #windows = new Map<bigint, ArrayBuffer>();

  /** @param libraryName For messages. */
  constructor(libraryName: string) {
    this.#libraryName = libraryName;
  }

  /** Resets the structure for a call. */
  clear(): void {
    this.bytes.fill(0);
    this.#fields.setUint32(0, FRAME_BYTES, LITTLE_ENDIAN);
  }

  /**
   * Reads and validates what the library wrote. The planes are views of its memory, not copies.
   * @param requestedUs Used if the frame has no timestamp.
   * @throws {RendererError} `bad_frame`
   */
  read(requestedUs: number): SourceFrame {
    const givenUs = Number(this.#fields.getBigInt64(OFFSET.timestampUs, LITTLE_ENDIAN));
    const timestampUs = givenUs > 0 ? givenUs : requestedUs;
    const code = this.#fields.getUint32(OFFSET.format, LITTLE_ENDIAN);
    if (code === FORMAT_H264) return this.#accessUnit(timestampUs);
    const format = PIXEL_FORMAT_CODES[code];
    if (format === undefined) throw this.#bad(`its format is ${code}, not 1 to 7`);
    const width = this.#side("width");
    const height = this.#side("height");
    const planes = PLANE_PARTS[format].map((part, index) =>
      this.#plane(index, { rowBytes: width * part.rowBytes, rows: height * part.rows })
    );
    return { kind: "raw", format, width, height, planes, timestampUs };
  }

  /** Detaches every frame from its memory, so that reading one too late yields nothing instead of a crash. */
  detach(): void {
    this.#detachOldest(0);
  }

  #accessUnit(timestampUs: number): SourceFrame {
    const { address, byteSize } = this.#planeAt(0);
    if (byteSize === 0 || byteSize > ACCESS_UNIT_BYTES_MAX) {
      throw this.#bad(`its access unit has ${byteSize} bytes, not 1 to ${ACCESS_UNIT_BYTES_MAX}`);
    }
    const flags = this.#fields.getUint32(OFFSET.flags, LITTLE_ENDIAN);
    const keyframe = (flags & FLAG_KEYFRAME) !== 0;
    return { kind: "h264", data: this.#window(address, byteSize), keyframe, timestampUs };
  }

  #side(name: "width" | "height"): number {
    const pixels = this.#fields.getUint32(OFFSET[name], LITTLE_ENDIAN);
    if (pixels === 0 || pixels % 2 !== 0 || pixels > FRAME_SIDE_MAX) {
      throw this.#bad(
        `its ${name} is ${pixels}, which is not an even number from 2 to ${FRAME_SIDE_MAX}`,
      );
    }
    return pixels;
  }

  #plane(index: number, { rowBytes, rows }: { rowBytes: number; rows: number }): Plane {
    const { address, byteSize, strideBytes } = this.#planeAt(index);
    if (strideBytes < rowBytes) {
      throw this.#bad(
        `plane ${index} has a stride of ${strideBytes} bytes, but a row has ${rowBytes}`,
      );
    }
    const neededBytes = strideBytes * (rows - 1) + rowBytes;
    if (byteSize < neededBytes) {
      throw this.#bad(`plane ${index} has ${byteSize} bytes, but its rows need ${neededBytes}`);
    }
    return { data: this.#window(address, neededBytes), strideBytes };
  }

  #planeAt(index: number): { address: bigint; byteSize: number; strideBytes: number } {
    const start = OFFSET.planes + index * PLANE_BYTES;
    const address = this.#fields.getBigUint64(start + PLANE_OFFSET.data, LITTLE_ENDIAN);
    if (address === 0n) throw this.#bad(`plane ${index} is null`);
    return {
      address,
      byteSize: Number(this.#fields.getBigUint64(start + PLANE_OFFSET.byteSize, LITTLE_ENDIAN)),
      strideBytes: this.#fields.getUint32(start + PLANE_OFFSET.strideBytes, LITTLE_ENDIAN),
    };
  }

  #window(address: bigint, byteLength: number): Uint8Array {
    let buffer = this.#windows.get(address);
    this.#windows.delete(address);
    if (buffer === undefined || buffer.byteLength < byteLength) {
      buffer?.transfer(0);
      const pointer = Deno.UnsafePointer.create(address);
      if (pointer === null) throw this.#bad("a plane is null");
      buffer = Deno.UnsafePointerView.getArrayBuffer(pointer, byteLength);
    }
    this.#windows.set(address, buffer);
    this.#detachOldest(WINDOWS_MAX);
    return new Uint8Array(buffer, 0, byteLength);
  }

  #detachOldest(kept: number): void {
    for (const [address, buffer] of this.#windows) {
      if (this.#windows.size <= kept) return;
      buffer.transfer(0);
      this.#windows.delete(address);
    }
  }

  #bad(why: string): RendererError {
    return new RendererError("bad_frame", `Cannot use a frame of ${this.#libraryName}: ${why}`);
  }
}
