import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import { guarded } from "../base/guard.ts";
import type { Logger } from "../base/log.ts";
import type { AudioEncoder } from "../media/audio_encoder.ts";
import type { EncoderFactory, EncoderSettings, VideoCodec } from "../media/encoder.ts";
import type { FrameSource, FrameSourceFactory, MessageRefusal } from "../media/frame.ts";
import type { IdleClip } from "../media/idle/clip.ts";
import type { PeerMessage } from "../transport/peer_transport.ts";
import { AudioBranch } from "./audio_branch.ts";
import { closeSource } from "./close_source.ts";
import { ViewerError } from "./door.ts";
import { FrameLoop } from "./frame_loop.ts";
import type { KeyframeRequestReason, SessionMeter } from "./metrics.ts";
import { type SourceHealth, UNKNOWN_HEALTH } from "./source_health.ts";
import { VideoLayers } from "./video_layers.ts";
import { VideoProgram } from "./video_program.ts";
import type { Viewer } from "./viewer.ts";
import type { EndReason } from "../base/codes.ts";

/** The picture that every session sends. */
export type VideoSettings = EncoderSettings;

/** What the offer of a session's first viewer asks for. */
export interface SessionWish {
  /** For the renderer. */
  readonly params: Readonly<Record<string, unknown>>;
  /** Name of an idle source. */
  readonly idle?: string;
}

/** What a session needs. */
export interface SessionOptions extends SessionWish {
  readonly id: string;
  readonly renderer: FrameSourceFactory;
  readonly encoders: EncoderFactory;
  /** Opens the encoder for a session's sound; left out where sound is switched off. */
  readonly openAudioEncoder?: () => AudioEncoder;
  /** Leases what viewers see while the renderer has nothing. */
  readonly loadIdleClip: (name: string | undefined, video: VideoSettings) => Promise<IdleClip>;
  readonly video: VideoSettings;
  readonly clock: Clock;
  readonly meter: SessionMeter;
  readonly log: Logger;
}

/** How long a viewer waits for the renderer's session, in milliseconds: models take seconds to load. */
const OPEN_TIMEOUT_MS = 30_000;

/**
 * One stream: a renderer's session, one encoder for each codec that its viewers need, the sound, and the viewers.
 */
export class Session {
  readonly id: string;
  readonly #options: SessionOptions;
  readonly #startedMs: number;
  readonly #viewers = new Set<Viewer>();
  readonly #video: VideoProgram;
  readonly #stop = new AbortController();
  readonly #source: Promise<FrameSource>;
  readonly #over = Promise.withResolvers<void>();
  #audio: AudioBranch | undefined;
  #loop: Promise<{ settled: boolean }> = Promise.resolve({ settled: true });
  #open: FrameSource | undefined;
  #frames: FrameLoop | undefined;
  #isOver = false;

  /** Begins to open the renderer's session. */
  constructor(options: SessionOptions) {
    this.#options = options;
    this.id = options.id;
    this.#startedMs = options.clock.now();
    this.#video = new VideoProgram({
      clock: options.clock,
      timelineUs: () => this.timelineUs,
      openLayers: (codec) => this.#openLayers(codec),
    });
    this.#source = this.#openSource();
    // Whoever joins awaits it; a failure that nobody awaits any more must not end the process.
    this.#source.catch(() => {});
    void this.#loadIdleClip();
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

  /** Whether there is sound to send. Known once the session is ready. */
  get hasAudio(): boolean {
    return this.#audio !== undefined;
  }

  /** Counts up while the session shows something to its viewers; `undefined` before its first picture and after its last. */
  get turns(): number | undefined {
    return this.#isOver || this.#stop.signal.aborted ? undefined : this.#frames?.turns;
  }

  /** How the renderer's session does. */
  get source(): SourceHealth {
    const health = this.#frames?.health ?? UNKNOWN_HEALTH;
    return this.#isOver ? { ...health, state: "ended" } : health;
  }

  /** Milliseconds since the renderer's last frame came; `undefined` before its first. */
  get lastFrameAgeMs(): number | undefined {
    const { lastFrameMs } = this.source;
    return lastFrameMs === undefined ? undefined : this.#options.clock.now() - lastFrameMs;
  }

  /** Settles when no frame will come any more: the renderer ended, or could not be opened. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  /**
   * Settles when the renderer's session is open.
   * @throws {ViewerError} `renderer_failed`
   */
  async ready(): Promise<void> {
    const late = Promise.withResolvers<never>();
    const cancel = this.#options.clock.after(OPEN_TIMEOUT_MS, () =>
      late.reject(
        new ViewerError("renderer_failed", "The renderer did not open a session in time"),
      ));
    try {
      await Promise.race([this.#source, late.promise]);
      if (this.#isOver) throw new ViewerError("renderer_failed", "The renderer ended the session");
    } finally {
      cancel();
    }
  }

  /** Counts a viewer in and opens the encoder that it needs; frames follow with {@link start}. */
  add(viewer: Viewer): void {
    this.#viewers.add(viewer);
    this.#video.layers(viewer.peer.codec);
  }

  /** Sends to a viewer, whose connection is ready for it. */
  start({ peer }: Viewer): void {
    this.#video.layers(peer.codec).add(peer.video);
    if (peer.audio !== undefined) this.#audio?.add(peer.audio);
  }

  /**
   * A further offer of a viewer was answered: sends what it takes now.
   * @param former The codec before.
   */
  follow(viewer: Viewer, former: VideoCodec): void {
    const { peer } = viewer;
    const isStarted = viewer.state !== "connecting";
    if (former !== peer.codec) {
      this.#video.existing(former)?.remove(peer.video);
      const layers = this.#video.layers(peer.codec);
      if (isStarted) layers.add(peer.video);
    } else {
      this.#video.existing(peer.codec)?.placeLimited();
    }
    if (isStarted && peer.audio !== undefined) this.#audio?.add(peer.audio);
  }

  /** Forgets a viewer. */
  remove(viewer: Viewer): void {
    const { codec, video, audio } = viewer.peer;
    this.#viewers.delete(viewer);
    this.#video.existing(codec)?.remove(video);
    if (audio !== undefined) this.#audio?.remove(audio);
  }

  /** A viewer asks for a picture that depends on no other. */
  requestKeyframe(viewer: Viewer, reason: KeyframeRequestReason): void {
    this.#video.existing(viewer.peer.codec)?.requestKeyframe(viewer.peer.video, reason);
  }

  /**
   * A message from a viewer for the renderer.
   * @returns Why it was dropped; `undefined` when it was not.
   */
  message(data: PeerMessage): MessageRefusal | "not_taken" | undefined {
    const { meter } = this.#options;
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    const reason = this.#open?.message === undefined ? "not_taken" : this.#open.message(bytes);
    if (reason === undefined) meter.count("messages_total", { direction: "to_renderer" });
    else meter.count("messages_dropped_total", { direction: "to_renderer", reason });
    return reason;
  }

  /** Stops the renderer, then the encoders. Viewers are the caller's to end. Called once. */
  async close(): Promise<void> {
    this.#stop.abort();
    const source = await this.#source.catch(() => undefined);
    const { settled } = await this.#loop;
    await this.#video.close();
    await this.#audio?.close();
    if (source === undefined) return;
    const { renderer, clock, meter, log } = this.#options;
    await closeSource(source, { renderer: renderer.name, settled, clock, meter, log });
  }

  async #openSource(): Promise<FrameSource> {
    const { renderer, video, params, meter, log, openAudioEncoder } = this.#options;
    try {
      const { width, height, fps } = video;
      const source = await renderer.open({ sessionId: this.id, width, height, fps, params });
      this.#open = source;
      if (source.audio !== undefined && openAudioEncoder !== undefined) {
        this.#audio = new AudioBranch(openAudioEncoder(), { meter, log });
      }
      if (!this.#stop.signal.aborted) this.#loop = this.#run(source);
      return source;
    } catch (error) {
      meter.count("renderer_errors_total", { call: "open" });
      log.error("renderer_open_failed", { renderer: renderer.name, error: errorText(error) });
      this.#over.resolve();
      throw new ViewerError(
        "renderer_failed",
        "The renderer could not open a session; see the server's log",
        {
          cause: error,
        },
      );
    }
  }

  async #run(source: FrameSource): Promise<{ settled: boolean }> {
    const { renderer, video, clock, meter, log } = this.#options;
    this.#frames = new FrameLoop({
      source,
      renderer: renderer.name,
      fps: video.fps,
      clock,
      meter,
      log,
      timelineUs: () => this.timelineUs,
      pictures: this.#video,
      sound: this.#audio,
      message: (data) => this.#tellViewers(data, source),
      signal: this.#stop.signal,
    });
    try {
      const result = await this.#frames.run();
      this.#endAll(result.failed ? "renderer_failed" : "session_over");
      return result;
    } catch (error) {
      // A defect of ours: it costs this session, and no other.
      const fail = () => {
        throw error;
      };
      guarded(fail, { log, meter, part: "session" });
      this.#endAll("internal_error");
      return { settled: false };
    } finally {
      this.#isOver = true;
      this.#over.resolve();
    }
  }

  /** Text where the bytes are UTF-8, as nearly all messages are; pages tell the two apart by type. */
  #tellViewers(data: Uint8Array, source: FrameSource): void {
    const { meter } = this.#options;
    let message: PeerMessage = data;
    try {
      message = new TextDecoder("utf-8", { fatal: true }).decode(data);
    } catch {
      // Not text: goes out as it is.
    }
    for (const viewer of this.#viewers) {
      const outcome = viewer.tell(message);
      if (outcome === "sent") {
        meter.count("messages_total", { direction: "to_viewer" });
      } else if (outcome === "missed") {
        meter.count("messages_dropped_total", { direction: "to_viewer", reason: "no_way" });
        source.messagesDropped?.(1);
      }
    }
  }

  async #loadIdleClip(): Promise<void> {
    const { loadIdleClip, idle, video, log } = this.#options;
    // A named clip may have to be decoded first, which takes seconds; the usual one is there at once.
    const names = idle === undefined ? [undefined] : [undefined, idle];
    try {
      for (const name of names) {
        const clip = await loadIdleClip(name, video);
        if (this.#stop.signal.aborted) return clip.release();
        this.#video.useIdleClip(clip);
      }
    } catch (error) {
      log.error("idle_clip_failed", { error: errorText(error) });
    }
  }

  #openLayers(codec: VideoCodec): VideoLayers {
    const { encoders, video, clock, meter, log } = this.#options;
    return new VideoLayers({
      codec,
      encoders,
      settings: video,
      clock,
      meter,
      log,
      onRate: (kbps) => {
        // Renderers that encode make H.264.
        if (codec === "h264") this.#open?.setBitrate?.(Math.round(kbps * 1000));
      },
      onKeyframeDue: () => this.#open?.requestKeyframe?.(),
      onFailed: () => {
        this.#video.forget(codec);
        this.#endAll("encoder_failed", codec);
      },
    });
  }

  #endAll(reason: EndReason, codec?: VideoCodec): void {
    for (const viewer of [...this.#viewers]) {
      if (codec === undefined || viewer.peer.codec === codec) viewer.end(reason);
    }
  }
}
