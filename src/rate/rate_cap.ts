import { SlidingSum } from "./sliding_window.ts";
import type { Bandwidth } from "../sdp/model.ts";

/** RTP header, our extensions and SRTP tag, which count in every limit. */
const RTP_BYTES = 12 + 8 + 16;
/** Headers of UDP and IPv4. */
const UDP_BYTES = 28;
/** Assumed packet rate before anything was sent: a small picture is one packet. */
const PACKETS_PER_S_MIN = 30;
/** Minimum fraction of a limit that is left for pictures after headers. */
const PICTURES_SHARE_MIN = 0.5;
const WINDOW_MS = 1_000;
/** Rate of sound within a session limit, including headers: Opus at 48 kbit/s, 50 packets a second. */
const SOUND_KBPS = 72;

/** Limits in a viewer's offer. */
export interface RateCapLimits {
  /** From the video section. */
  readonly video: readonly Bandwidth[];
  /** From the session level, for all streams together. */
  readonly session: readonly Bandwidth[];
  /** Whether the viewer receives sound. */
  readonly hasSound: boolean;
}

/**
 * Keeps one viewer's video within the limits of its offer (`b=AS`, `b=TIAS`), with headers counted as each type
 * defines: how much is left for pictures, and whether the last second has used it up. Pure: times are arguments.
 */
export class RateCap {
  readonly #bytes = new SlidingSum({ windowMs: WINDOW_MS, buckets: 10 });
  readonly #packets = new SlidingSum({ windowMs: WINDOW_MS, buckets: 10 });
  #limits: readonly { readonly kbps: number; readonly headerBytes: number }[] = [];

  /** Sets the limits; a further offer may change them. */
  set limits({ video, session, hasSound }: RateCapLimits) {
    const soundKbps = hasSound ? SOUND_KBPS : 0;
    this.#limits = [
      ...video,
      // Sound has priority, so a limit below its rate leaves almost nothing for pictures.
      ...session.map(({ type, kbps }) => ({ type, kbps: Math.max(kbps - soundKbps, 1) })),
    ].map(({ type, kbps }) => ({ kbps, headerBytes: RTP_BYTES + (type === "AS" ? UDP_BYTES : 0) }));
  }

  /** Records a video packet. */
  sent(payloadBytes: number, nowMs: number): void {
    if (this.#limits.length === 0) return;
    this.#bytes.add(payloadBytes, nowMs);
    this.#packets.add(1, nowMs);
  }

  /** The rate available for pictures, in kbit/s; infinite without a limit. */
  targetKbps(nowMs: number): number {
    if (this.#limits.length === 0) return Number.POSITIVE_INFINITY;
    const perSecond = Math.max(this.#packets.at(nowMs), PACKETS_PER_S_MIN);
    return Math.min(
      ...this.#limits.map(({ kbps, headerBytes }) =>
        Math.max(PICTURES_SHARE_MIN * kbps, kbps - 8 * perSecond * headerBytes / 1000)
      ),
    );
  }

  /**
   * Whether another picture would exceed a limit. Needed because no encoder can keep a rate that is far too low for
   * its pictures.
   */
  isUsedUp(nowMs: number): boolean {
    if (this.#limits.length === 0) return false;
    const [bytes, packets] = [this.#bytes.at(nowMs), this.#packets.at(nowMs)];
    return this.#limits.some(({ kbps, headerBytes }) =>
      8 * (bytes + packets * headerBytes) >= kbps * WINDOW_MS
    );
  }
}
