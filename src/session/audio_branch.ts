import { errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { AudioEncoder } from "../media/audio_encoder.ts";
import type { AudioChunk } from "../media/frame.ts";
import type { AudioSink } from "../transport/peer_transport.ts";
import type { SessionMeter } from "./metrics.ts";

/** Limit of chunks that wait for the encoder. It is a hundred times faster than real time, so none should ever wait. */
const WAITING_MAX = 16;

/** The sound of one session: chunks go in, one encoder makes packets, and every viewer with sound gets them. */
export class AudioBranch {
  readonly #encoder: AudioEncoder;
  readonly #meter: SessionMeter;
  readonly #log: Logger;
  readonly #sinks = new Set<AudioSink>();
  #waiting = 0;
  #failed = false;

  /** The branch owns the encoder and closes it. */
  constructor(encoder: AudioEncoder, { meter, log }: { meter: SessionMeter; log: Logger }) {
    this.#encoder = encoder;
    this.#meter = meter;
    this.#log = log;
  }

  /** Starts sending to a viewer. */
  add(sink: AudioSink): void {
    this.#sinks.add(sink);
  }

  /** Stops sending to a viewer. */
  remove(sink: AudioSink): void {
    this.#sinks.delete(sink);
  }

  /** Whether a viewer receives sound. */
  get isHeard(): boolean {
    return !this.#failed && [...this.#sinks].some(({ isPaused }) => !isPaused);
  }

  /** Encodes the next chunk; drops it while there are no viewers with sound. */
  take(chunk: AudioChunk): void {
    if (!this.isHeard) return;
    if (this.#waiting >= WAITING_MAX) {
      this.#meter.count("audio_dropped_total", { reason: "encoder_busy" });
      return;
    }
    this.#waiting++;
    void this.#encode(chunk).finally(() => this.#waiting--);
  }

  /** Frees the encoder. */
  async close(): Promise<void> {
    this.#sinks.clear();
    await this.#encoder.close();
  }

  async #encode(chunk: AudioChunk): Promise<void> {
    try {
      for (const packet of await this.#encoder.encode(chunk)) {
        this.#meter.count("audio_packets_total");
        for (const sink of this.#sinks) if (!sink.isPaused) sink.sendPacket(packet);
      }
    } catch (error) {
      // The stream continues without sound.
      this.#failed = true;
      this.#log.error("audio_failed", { error: errorText(error) });
    }
  }
}
