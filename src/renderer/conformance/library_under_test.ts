import { Buffer } from "node:buffer";
import { errorText } from "../../base/errors.ts";
import type { FrameSource, SourceFrame } from "../../media/frame.ts";
import type { FrameRecord, RenderRecord, SoundRecord } from "./records.ts";
import { returning, StuckError } from "./time_limit.ts";

/** Splits an Annex B access unit into views of its NAL units, without start codes. */
export type NalUnits = (accessUnit: Uint8Array) => readonly Uint8Array[];

/**
 * A session under examination: records the results of calls instead of throwing.
 *
 * Every method throws a {@link StuckError} when a call does not return.
 */
export class Subject {
  readonly source: FrameSource;
  readonly #nalUnits: NalUnits;
  readonly #callMaxMs: number;
  #ended = false;
  #newest: SourceFrame | undefined;
  /** Copies of the newest frame's planes. */
  #copies: readonly Uint8Array[] = [];

  constructor(
    source: FrameSource,
    { nalUnits, callMaxMs }: { nalUnits: NalUnits; callMaxMs: number },
  ) {
    this.source = source;
    this.#nalUnits = nalUnits;
    this.#callMaxMs = callMaxMs;
  }

  /** Whether the library returned END; it must not be called again then. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Renders one frame. */
  async render(requestedUs: number): Promise<RenderRecord> {
    this.#newest = undefined;
    const startMs = performance.now();
    try {
      const result = await this.#limited("pinhole_render", this.source.render(requestedUs));
      const ms = performance.now() - startMs;
      this.#ended = result.status === "end";
      if (result.status !== "frame") return { requestedUs, ms, outcome: { status: result.status } };
      this.#newest = result.frame;
      return { requestedUs, ms, outcome: { status: "frame", frame: this.#describe(result.frame) } };
    } catch (error) {
      if (error instanceof StuckError) throw error;
      const outcome = { status: "error", text: errorText(error) } as const;
      return { requestedUs, ms: performance.now() - startMs, outcome };
    }
  }

  /** Copies the frame of the last {@link render}, for {@link overwritten} to compare. */
  remember(): void {
    this.#copies = memoryOf(this.#newest).map((memory) => memory.slice());
  }

  /** Whether the frame was written since {@link remember}. */
  overwritten(): boolean {
    return memoryOf(this.#newest).some((memory, index) => {
      const copy = this.#copies[index];
      return copy !== undefined && Buffer.compare(memory, copy) !== 0;
    });
  }

  /** Fetches the sound up to a time; `undefined` if the library has none. */
  async listen(requestedUs: number): Promise<SoundRecord | undefined> {
    if (this.source.audio === undefined) return undefined;
    try {
      const chunk = await this.#limited("pinhole_audio", this.source.audio(requestedUs));
      if (chunk === undefined) return { requestedUs, outcome: { status: "silence" } };
      const { sampleRate, channels, samples, timestampUs } = chunk;
      const sampleCount = samples.length / channels;
      return {
        requestedUs,
        outcome: { status: "sound", sampleRate, channels, sampleCount, timestampUs },
      };
    } catch (error) {
      if (error instanceof StuckError) throw error;
      return { requestedUs, outcome: { status: "error", text: errorText(error) } };
    }
  }

  /** Fetches a message from the library, if it sends any. @throws When it fails. */
  async poll(): Promise<Uint8Array | undefined> {
    if (this.source.pollMessage === undefined) return undefined;
    return await this.#limited("pinhole_poll_message", this.source.pollMessage());
  }

  /** Closes the session. */
  async close(): Promise<void> {
    this.#newest = undefined;
    await this.#limited("pinhole_session_close", this.source.close());
  }

  #limited<T>(name: string, call: Promise<T>): Promise<T> {
    return returning(call, { name, limitMs: this.#callMaxMs });
  }

  #describe(frame: SourceFrame): FrameRecord {
    const { timestampUs } = frame;
    if (frame.kind === "raw") {
      const { format, width, height } = frame;
      const size = { width, height };
      return { format, size, timestampUs, overwritten: false, encoded: undefined };
    }
    const nalTypes = this.#nalUnits(frame.data).map((nal) => (nal[0] ?? 0) & 0x1f);
    const encoded = { keyframe: frame.keyframe, nalTypes };
    return { format: "h264", size: undefined, timestampUs, overwritten: false, encoded };
  }
}

function memoryOf(frame: SourceFrame | undefined): readonly Uint8Array[] {
  if (frame === undefined) return [];
  return frame.kind === "raw" ? frame.planes.map(({ data }) => data) : [frame.data];
}
