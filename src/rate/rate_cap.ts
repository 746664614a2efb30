import { SlidingSum } from "./sliding.ts";
import type { Bandwidth } from "../sdp/model.ts";

/** Header of RTP, our extensions and the tag of SRTP: they count in every limit. */
const RTP_BYTES = 12 + 8 + 16;
/** Headers of UDP and IPv4. */
const UDP_BYTES = 28;
/** Before anything was sent: a small picture is one packet. */
const PACKETS_PER_S_MIN = 30;
/** However many packets there are, so much of a limit is for pictures. */
const PICTURES_SHARE_MIN = 0.5;
const WINDOW_MS = 1_000;
/** What sound takes of a limit that is for all streams together, headers included: Opus at 48 kbit/s, 50 packets a second. */
const SOUND_KBPS = 72;

/** What a viewer limits its video to, by its offer. */
export interface RateCapLimits {
  /** Of the video section. */
  readonly video: readonly Bandwidth[];
  /** Of the session, so of all streams. */
  readonly session: readonly Bandwidth[];
  /** Whether the viewer is sent sound. */
  readonly hasSound: boolean;
}

/**
 * Keeps the video of one viewer within what its offer allows (`b=AS`, `b=TIAS`), headers included as each type wants it:
 * what is left for pictures, and whether the last second has used it up. Pure: times are arguments.
 */
export class RateCap {
  readonly #bytes = new SlidingSum({ windowMs: WINDOW_MS, buckets: 10 });
  readonly #packets = new SlidingSum({ windowMs: WINDOW_MS, buckets: 10 });
  #limits: readonly { readonly kbps: number; readonly headerBytes: number }[] = [];

  /** Another offer may change them at any time. */
  set limits({ video, session, hasSound }: RateCapLimits) {
    const soundKbps = hasSound ? SOUND_KBPS : 0;
    this.#limits = [
      ...video,
      // Sound is not given up for pictures, so that a limit below its rate leaves them next to nothing.
      ...session.map(({ type, kbps }) => ({ type, kbps: Math.max(kbps - soundKbps, 1) })),
    ].map(({ type, kbps }) => ({ kbps, headerBytes: RTP_BYTES + (type === "AS" ? UDP_BYTES : 0) }));
  }

  /** Notes a packet of video. */
  sent(payloadBytes: number, nowMs: number): void {
    if (this.#limits.length === 0) return;
    this.#bytes.add(payloadBytes, nowMs);
    this.#packets.add(1, nowMs);
  }

  /** What pictures may take, in kbit/s; infinite without a limit. */
  targetKbps(nowMs: number): number {
    if (this.#limits.length === 0) return Number.POSITIVE_INFINITY;
    const perSecond = Math.max(this.#packets.at(nowMs), PACKETS_PER_S_MIN);
    return Math.min(
      ...this.#limits.map(({ kbps, headerBytes }) =>
        Math.max(PICTURES_SHARE_MIN * kbps, kbps - 8 * perSecond * headerBytes / 1000)
      ),
    );
  }

  /** Whether a picture more would go beyond a limit: no encoder keeps to a rate that is far too small for its pictures. */
  isUsedUp(nowMs: number): boolean {
    if (this.#limits.length === 0) return false;
    const [bytes, packets] = [this.#bytes.at(nowMs), this.#packets.at(nowMs)];
    return this.#limits.some(({ kbps, headerBytes }) =>
      8 * (bytes + packets * headerBytes) >= kbps * WINDOW_MS
    );
  }
}
