import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Meter } from "../base/meter.ts";
import type { EncoderFactory, VideoCodec } from "../media/encoder.ts";
import type { FrameSource, FrameSourceFactory, RawFrame } from "../media/frame.ts";
import { ViewerError } from "./door.ts";
import { runFrameLoop } from "./frame_loop.ts";
import { type KeyframeReason, VideoBranch } from "./video_branch.ts";
import type { Viewer } from "./viewer.ts";
import type { EndReason } from "./viewer_state.ts";

/** The picture that every session sends. */
export interface VideoSettings {
  /** Pixels, even. */
  readonly width: number;
  /** Pixels, even. */
  readonly height: number;
  readonly fps: number;
  readonly bitrateKbps: number;
}

/** What a session needs. */
export interface SessionOptions {
  readonly id: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly renderer: FrameSourceFactory;
  readonly encoders: EncoderFactory;
  readonly video: VideoSettings;
  readonly clock: Clock;
  readonly meter: Meter;
  readonly log: Logger;
}

/** A renderer that fails this often in a row is given up. */
const RENDER_ERRORS_MAX = 10;

/** How long a viewer waits for the renderer's session, in milliseconds: models take seconds to load. */
const OPEN_TIMEOUT_MS = 30_000;

/**
 * One stream: a renderer's session, one encoder for each codec that its viewers need, and the viewers.
 */
export class Session {
  readonly id: string;
  readonly #options: SessionOptions;
  readonly #startedMs: number;
  readonly #viewers = new Set<Viewer>();
  readonly #branches = new Map<VideoCodec, VideoBranch>();
  readonly #stop = new AbortController();
  readonly #source: Promise<FrameSource>;
  readonly #over = Promise.withResolvers<void>();
  #loop: Promise<void> = Promise.resolve();
  #open: FrameSource | undefined;

  /** Begins to open the renderer's session. */
  constructor(options: SessionOptions) {
    this.#options = options;
    this.id = options.id;
    this.#startedMs = options.clock.now();
    this.#source = this.#openSource();
    // Whoever joins awaits it; a failure that nobody awaits any more must not end the process.
    this.#source.catch(() => {});
  }

  get viewers(): ReadonlySet<Viewer> {
    return this.#viewers;
  }

  /** Milliseconds since the session began. */
  get ageMs(): number {
    return this.#options.clock.now() - this.#startedMs;
  }

  /** The session's time now, in microseconds. */
  get timelineUs(): number {
    return this.ageMs * 1000;
  }

  /** Settles when no frame will come any more: the renderer ended or failed. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  /**
   * Settles when the renderer's session is open.
   * @throws {ViewerError} `renderer_failed`
   */
  async ready(): Promise<void> {
    const { clock } = this.#options;
    const late = Promise.withResolvers<never>();
    const cancel = clock.after(OPEN_TIMEOUT_MS, () =>
      late.reject(
        new ViewerError("renderer_failed", "The renderer takes too long to open a session"),
      ));
    try {
      await Promise.race([this.#source, late.promise]);
    } finally {
      cancel();
    }
  }

  /** Counts a viewer in and opens the encoder that it needs; frames follow with {@link start}. */
  add(viewer: Viewer): void {
    this.#viewers.add(viewer);
    this.#branch(viewer.peer.codec);
  }

  /** Sends frames to a viewer, whose connection is ready for them. */
  start(viewer: Viewer): void {
    if (this.#viewers.has(viewer)) this.#branch(viewer.peer.codec).add(viewer.peer.video);
  }

  /** Forgets a viewer. */
  remove(viewer: Viewer): void {
    this.#viewers.delete(viewer);
    this.#branches.get(viewer.peer.codec)?.remove(viewer.peer.video);
  }

  /** A viewer asks for a picture that depends on no other. */
  requestKeyframe(viewer: Viewer, reason: KeyframeReason): void {
    this.#branches.get(viewer.peer.codec)?.requestKeyframe(reason);
  }

  /** Text from a viewer for the renderer. */
  message(data: string): void {
    this.#open?.message?.(new TextEncoder().encode(data));
  }

  /** Stops the renderer, then the encoders. Viewers are the caller's to end. Called once. */
  async close(): Promise<void> {
    this.#stop.abort();
    const source = await this.#source.catch(() => undefined);
    await this.#loop;
    await Promise.all([...this.#branches.values()].map((branch) => branch.close()));
    try {
      await source?.close();
    } catch (error) {
      this.#options.log.error("renderer_close_failed", { error: errorText(error) });
    }
  }

  async #openSource(): Promise<FrameSource> {
    const { renderer, video, params, meter, log } = this.#options;
    try {
      const source = await renderer.open({ ...video, sessionId: this.id, params });
      this.#open = source;
      if (!this.#stop.signal.aborted) this.#loop = this.#run(source);
      return source;
    } catch (error) {
      meter.count("renderer_errors_total", { call: "open" });
      log.error("renderer_open_failed", { renderer: renderer.name, error: errorText(error) });
      this.#over.resolve();
      throw new ViewerError("renderer_failed", "The renderer cannot open a session", {
        cause: error,
      });
    }
  }

  async #run(source: FrameSource): Promise<void> {
    const { clock, meter, log, video, renderer } = this.#options;
    await runFrameLoop({
      source,
      fps: video.fps,
      clock,
      meter,
      timelineUs: () => this.timelineUs,
      deliver: (frame) => this.#deliver(frame),
      onError: (error, inARow) => {
        const fields = { renderer: renderer.name, in_a_row: inARow, error: errorText(error) };
        log.error("render_failed", fields);
        if (inARow >= RENDER_ERRORS_MAX) {
          this.#endAll("renderer_failed");
          this.#stop.abort();
        }
      },
      signal: this.#stop.signal,
    });
    this.#endAll("session_over");
    this.#over.resolve();
  }

  async #deliver(frame: RawFrame): Promise<void> {
    await Promise.all([...this.#branches.values()].map((branch) => branch.take(frame)));
  }

  #branch(codec: VideoCodec): VideoBranch {
    const known = this.#branches.get(codec);
    if (known !== undefined) return known;
    const { encoders, video, clock, meter, log } = this.#options;
    const branch = new VideoBranch({
      codec,
      encoders,
      settings: video,
      clock,
      meter,
      log,
      onFailed: () => {
        this.#branches.delete(codec);
        this.#endAll("encoder_failed", codec);
      },
    });
    this.#branches.set(codec, branch);
    return branch;
  }

  #endAll(reason: EndReason, codec?: VideoCodec): void {
    for (const viewer of [...this.#viewers]) {
      if (codec === undefined || viewer.peer.codec === codec) viewer.end(reason);
    }
  }
}
