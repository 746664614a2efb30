import type { Logger } from "../base/log.ts";
import type { FrameSource, RenderResult } from "../media/frame.ts";
import { failureOf, holding, SerialCalls } from "./library_calls.ts";
import { LibraryFrame } from "./library_frame.ts";
import type { RendererLibrary } from "./library_symbols.ts";
import type { RendererError } from "./renderer_error.ts";

/** Messages that may wait while a picture is rendered; more of them means that the library does not keep up. */
const WAITING_MESSAGES_MAX = 64;

/** `PINHOLE_MESSAGE_SIZE_MAX` of native/pinhole.h: what libraries may rely on. */
const MESSAGE_BYTES_MAX = 65536;

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
  /** There is no such function where the library takes no messages. */
  readonly message?: (data: Uint8Array) => void;
  readonly #open: OpenSession;
  readonly #calls: SerialCalls = new SerialCalls();
  readonly #frame: LibraryFrame;
  #waitingMessages = 0;
  #closed: Promise<void> | undefined;

  constructor(open: OpenSession) {
    this.#open = open;
    this.#frame = new LibraryFrame(open.libraryName);
    if (open.library.symbols.pinhole_message !== null) {
      this.message = (data) => this.#enqueueMessage(data);
    }
  }

  /**
   * @throws {RendererError} `render_failed`, `bad_frame`, `unsupported_format`. The session stays usable.
   */
  async render(timestampUs: number): Promise<RenderResult> {
    if (this.#closed !== undefined) throw new TypeError("The renderer's session is closed");
    return await this.#calls.run(() => this.#render(Math.round(timestampUs)));
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

  #enqueueMessage(data: Uint8Array): void {
    // A viewer may speak up to the last moment, and no one is to blame for it.
    if (this.#closed !== undefined) return;
    const { log } = this.#open;
    const waiting = this.#waitingMessages;
    if (waiting >= WAITING_MESSAGES_MAX || data.byteLength > MESSAGE_BYTES_MAX) {
      log.warn("renderer_message_dropped", { waiting, bytes: data.byteLength });
      return;
    }
    this.#waitingMessages++;
    // The caller's bytes are the caller's again when this function returns.
    const copy = new Uint8Array(data);
    this.#calls.run(() => this.#message(copy))
      .catch((error) => log.warn("renderer_message_failed", { error: error.message }))
      .finally(() => this.#waitingMessages--);
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
