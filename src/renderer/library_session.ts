import { MESSAGE_BYTES_MAX } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import type { AudioChunk, FrameSource, MessageRefusal, RenderResult } from "../media/frame.ts";
import { LibraryAudio } from "./library_audio.ts";
import { failureOf, holding, SerialCalls } from "./library_calls.ts";
import { LibraryFrame } from "./library_frame.ts";
import type { RendererLibrary } from "./library_symbols.ts";
import { RendererError } from "./renderer_error.ts";

/** Messages that may wait while a picture is rendered; more of them means that the library does not keep up. */
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
  // Each of these is there only where the library has the function for it.
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

  /** Waits for calls that are under way. Frames of the session have no bytes afterwards. Idempotent. */
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

  /** A closed session's memory is gone: nothing may be called on it any more. */
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

  /** Calls a function that has no result but its status. */
  #tell(call: string, run: () => Promise<number>): void {
    const { log } = this.#open;
    if (this.#closed !== undefined) return;
    this.#calls.run(async () => {
      const status = await run();
      if (status !== 0) throw await this.#failure(call, status);
    }).catch((error) => log.warn("renderer_call_failed", { call, error: error.message }));
  }

  #enqueueMessage(data: Uint8Array): MessageRefusal | undefined {
    // A viewer may speak up to the last moment, and no one is to blame for it.
    if (this.#closed !== undefined) return undefined;
    const waiting = this.#waitingMessages;
    const bytes = data.byteLength;
    if (waiting >= WAITING_MESSAGES_MAX || bytes > MESSAGE_BYTES_MAX) {
      this.#open.log.warn("renderer_message_dropped", { waiting, bytes });
      return bytes > MESSAGE_BYTES_MAX ? "too_long" : "too_many";
    }
    this.#waitingMessages++;
    // The caller's bytes are the caller's again when this function returns.
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
