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
import type { EncodingTurns } from "./encoding_turns.ts";
import { ViewerError } from "./session_api.ts";
import { FrameLoop } from "./frame_loop.ts";
import type { KeyframeRequestReason, SessionMeter } from "./metrics.ts";
import { type SourceHealth, UNKNOWN_HEALTH } from "./source_health.ts";
import type { IdleLoops } from "./loop_player.ts";
import { VideoLayers, VideoProgram } from "./video_layers.ts";
import type { Viewer } from "./viewer.ts";
import type { EndReason } from "../base/codes.ts";

export type VideoSettings = EncoderSettings;

/** What the offer of a session's first viewer requests. */
export interface SessionWish {
  /** Passed to the renderer. */
  readonly params: Readonly<Record<string, unknown>>;
  /** Name of an idle source. */
  readonly idle?: string;
}

export interface SessionOptions extends SessionWish {
  readonly id: string;
  readonly renderer: FrameSourceFactory;
  readonly encoders: EncoderFactory;
  /** Opens the encoder for a session's sound; missing if sound is disabled. */
  readonly openAudioEncoder?: () => AudioEncoder;
  /** Leases the clip that viewers see while the renderer has no picture. */
  readonly loadIdleClip: (name: string | undefined, video: VideoSettings) => Promise<IdleClip>;
  /** Idle loops that all sessions share; missing if each session encodes its idle pictures. */
  readonly idleLoops?: IdleLoops;
  /** Shared by all sessions; missing if pictures are compressed at once. */
  readonly turns?: EncodingTurns;
  readonly video: VideoSettings;
  readonly clock: Clock;
  readonly meter: SessionMeter;
  readonly log: Logger;
}

/** How long a viewer waits for the renderer's session, in milliseconds. Models take seconds to load. */
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

  /** Starts opening the renderer's session. */
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
    // Joins await it. If no join awaits it any more, its failure must not end the process.
    this.#source.catch(() => {});
    void this.#loadIdleClip();
  }

  get viewers(): ReadonlySet<Viewer> {
    return this.#viewers;
  }

  /** Milliseconds since the session started. */
  get ageMs(): number {
    return this.#options.clock.now() - this.#startedMs;
  }

  /** The session's time now, in microseconds. */
  get timelineUs(): number {
    return this.ageMs * 1000;
  }

  /** Whether the session has sound. Valid once the session is ready. */
  get hasAudio(): boolean {
    return this.#audio !== undefined;
  }

  /**
   * Increases while the session shows pictures to its viewers; `undefined` before the first picture and after the
   * last.
   */
  get steps(): number | undefined {
    return this.#isOver || this.#stop.signal.aborted ? undefined : this.#frames?.steps;
  }

  /** State of the renderer's session. */
  get source(): SourceHealth {
    const health = this.#frames?.health ?? UNKNOWN_HEALTH;
    return this.#isOver ? { ...health, state: "ended" } : health;
  }

  /** Milliseconds since the renderer's last frame; `undefined` before its first. */
  get lastFrameAgeMs(): number | undefined {
    const { lastFrameMs } = this.source;
    return lastFrameMs === undefined ? undefined : this.#options.clock.now() - lastFrameMs;
  }

  /** Settles when there will be no more frames: the renderer ended, or could not be opened. */
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

  /** Adds a viewer and opens the encoder that it needs; {@link start} starts sending frames. */
  add(viewer: Viewer): void {
    this.#viewers.add(viewer);
    this.#video.layers(viewer.peer.codec);
  }

  /** Starts sending to a viewer whose connection is ready. */
  start({ peer }: Viewer): void {
    this.#video.layers(peer.codec).add(peer.video);
    if (peer.audio !== undefined) this.#audio?.add(peer.audio);
  }

  /**
   * Applies a further offer of a viewer that was answered.
   * @param former The codec before.
   */
  follow(viewer: Viewer, former: VideoCodec): void {
    const { peer } = viewer;
    const isStarted = viewer.state !== "connecting";
    if (former !== peer.codec) {
      this.#video.layersIfOpen(former)?.remove(peer.video);
      const layers = this.#video.layers(peer.codec);
      if (isStarted) layers.add(peer.video);
    } else {
      this.#video.layersIfOpen(peer.codec)?.placeLimited();
    }
    if (isStarted && peer.audio !== undefined) this.#audio?.add(peer.audio);
  }

  /** Forgets a viewer. */
  remove(viewer: Viewer): void {
    const { codec, video, audio } = viewer.peer;
    this.#viewers.delete(viewer);
    this.#video.layersIfOpen(codec)?.remove(video);
    if (audio !== undefined) this.#audio?.remove(audio);
  }

  /** Requests a keyframe for a viewer. */
  requestKeyframe(viewer: Viewer, reason: KeyframeRequestReason): void {
    this.#video.layersIfOpen(viewer.peer.codec)?.requestKeyframe(viewer.peer.video, reason);
  }

  /**
   * Passes a viewer's message to the renderer.
   * @returns Why it was dropped; `undefined` if it was not.
   */
  message(data: PeerMessage): MessageRefusal | "not_taken" | undefined {
    const { meter } = this.#options;
    // The renderer often answers with pictures.
    this.#video.stir();
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    const reason = this.#open?.message === undefined ? "not_taken" : this.#open.message(bytes);
    if (reason === undefined) meter.count("messages_total", { direction: "to_renderer" });
    else meter.count("messages_dropped_total", { direction: "to_renderer", reason });
    return reason;
  }

  /** Stops the renderer, then the encoders. The caller ends the viewers. Called once. */
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

  /** Sends text if the bytes are UTF-8, as nearly all messages are; pages tell text and bytes apart by type. */
  #tellViewers(data: Uint8Array, source: FrameSource): void {
    const { meter } = this.#options;
    let message: PeerMessage = data;
    try {
      message = new TextDecoder("utf-8", { fatal: true }).decode(data);
    } catch {
      // Not UTF-8: sent as bytes.
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
    // A named clip may have to be decoded first, which takes seconds; the default one is ready at once.
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
    const { encoders, idleLoops, turns, video, clock, meter, log } = this.#options;
    return new VideoLayers({
      codec,
      encoders,
      idleLoops,
      turns,
      settings: video,
      clock,
      meter,
      log,
      onRate: (kbps) => {
        // Renderers that encode produce H.264.
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
