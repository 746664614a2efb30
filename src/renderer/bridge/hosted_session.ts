import { errorText } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { FrameSource, FrameSourceFactory } from "../../media/frame.ts";
import type { OpenMessage } from "./server_messages.ts";
import type { BridgeWriter, WriterEvent } from "./writer.ts";

/** Messages fetched per picture; the rest wait for the next picture. */
const MESSAGES_PER_FRAME_MAX = 16;

export interface HostedSessionOptions {
  readonly open: OpenMessage;
  readonly renderer: FrameSourceFactory;
  readonly writer: BridgeWriter;
  readonly log: Logger;
  /** Settles when the previous session of that name is closed, because a library identifies sessions by name. */
  readonly former: Promise<void>;
  /** Number of open sessions. */
  readonly sessionCount: () => number;
}

/** One session of a library that runs in this process for a server in another process. */
export class HostedSession {
  readonly #options: HostedSessionOptions;
  readonly #number: number;
  readonly #source: Promise<FrameSource | undefined>;

  /** Starts opening the library's session, and reports the result to the server. */
  constructor(options: HostedSessionOptions) {
    this.#options = options;
    this.#number = options.open.session;
    this.#source = this.#open();
  }

  /** Handles a message of the server. */
  async take(event: WriterEvent): Promise<void> {
    // Copy: the event's buffer is reused before the source is open.
    const data = event.type === "message" ? event.data.slice() : undefined;
    const source = await this.#source;
    if (source === undefined) return;
    switch (event.type) {
      case "want_frame":
        return await this.#render(source, event.timestampUs);
      case "want_audio":
        return await this.#listen(source, event.timestampUs);
      case "message":
        source.message?.(data ?? event.data);
        return;
      case "bitrate":
        return source.setBitrate?.(event.bitsPerSecond);
      case "keyframe":
        return source.requestKeyframe?.();
    }
  }

  /** Closes the library's session. Called once. */
  async close(): Promise<void> {
    const source = await this.#source;
    try {
      await source?.close();
    } catch (error) {
      this.#options.log.warn("renderer_close_failed", { error: errorText(error) });
    }
  }

  async #open(): Promise<FrameSource | undefined> {
    const { open, renderer, writer, former } = this.#options;
    const { session, id: sessionId, width, height, fps, params } = open;
    await former;
    try {
      const source = await renderer.open({ sessionId, width, height, fps, params });
      writer.send({
        type: "ready",
        session,
        audio: source.audio !== undefined,
        takesMessages: source.message !== undefined,
        givesMessages: source.pollMessage !== undefined,
        encodes: source.setBitrate !== undefined || source.requestKeyframe !== undefined,
      });
      return source;
    } catch (error) {
      writer.send({ type: "refused", session, text: errorText(error) });
      return undefined;
    }
  }

  async #render(source: FrameSource, timestampUs: number): Promise<void> {
    const { writer, sessionCount } = this.#options;
    const session = this.#number;
    try {
      const result = await source.render(timestampUs);
      if (result.status === "frame") {
        await writer.frame(result.frame, { session, sessions: sessionCount() });
      } else {
        writer.send({ type: result.status === "end" ? "end" : "idle", session });
      }
      await this.#poll(source);
    } catch (error) {
      writer.send({ type: "error", session, call: "render", text: errorText(error) });
    }
  }

  async #poll(source: FrameSource): Promise<void> {
    for (let count = 0; count < MESSAGES_PER_FRAME_MAX; count++) {
      const data = await source.pollMessage?.();
      if (data === undefined) return;
      this.#options.writer.send({ type: "message", session: this.#number, data });
    }
  }

  async #listen(source: FrameSource, timestampUs: number): Promise<void> {
    const { writer } = this.#options;
    const session = this.#number;
    try {
      const sound = await source.audio?.(timestampUs);
      const samples = sound?.samples ?? new Int16Array(0);
      writer.send({
        type: "audio",
        session,
        sampleRate: sound?.sampleRate ?? 48_000,
        channels: sound?.channels ?? 1,
        timestampUs: Math.round(sound?.timestampUs ?? 0),
        samples: new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength),
      });
    } catch (error) {
      writer.send({ type: "error", session, call: "audio", text: errorText(error) });
    }
  }
}
