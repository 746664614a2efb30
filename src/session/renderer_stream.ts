import type { EncodedSourceFrame } from "../media/frame.ts";
import { ParameterSetCache } from "../media/h264.ts";

/** Time between two requests to a renderer, in milliseconds: one that takes a while must not make several keyframes. */
const ASK_INTERVAL_MS = 300;

/**
 * The access units of a renderer that encodes, between which viewers may see other pictures. Decoders then lack the
 * frames that the renderer's next one refers to, so it has to be a keyframe. Pure: times are arguments.
 */
export class RendererStream {
  readonly #onKeyframeDue: () => void;
  readonly #parameterSets = new ParameterSetCache();
  #isShown = false;
  #isEncoded = false;
  #askedMs = Number.NEGATIVE_INFINITY;

  /** @param onKeyframeDue Asks the renderer for a keyframe. */
  constructor(onKeyframeDue: () => void) {
    this.#onKeyframeDue = onKeyframeDue;
  }

  /** Whether the last frame that viewers received is one of its access units. */
  get isShown(): boolean {
    return this.#isShown;
  }

  /** Whether the renderer's last frame was encoded, so that only idle pictures need an encoder here. */
  get isEncoded(): boolean {
    return this.#isEncoded;
  }

  /** The renderer has an access unit. @returns Its bytes, with parameter sets if it is a keyframe. */
  read({ data }: EncodedSourceFrame): Uint8Array {
    this.#isEncoded = true;
    return this.#parameterSets.complete(data);
  }

  /** The renderer has a picture that is not encoded. */
  skip(): void {
    this.#isEncoded = false;
  }

  /** Viewers receive an access unit. */
  show(): void {
    this.#isShown = true;
  }

  /** An access unit is sent to no viewer, so that those who come back need a keyframe. */
  hide(): void {
    this.#isShown = false;
  }

  /** Viewers receive another frame. Requests a keyframe ahead, so that the renderer comes back with one. */
  leave(nowMs: number): void {
    if (!this.#isShown) return;
    this.#isShown = false;
    this.ask(nowMs);
  }

  /** Requests a keyframe of the renderer. */
  ask(nowMs: number): void {
    if (nowMs - this.#askedMs < ASK_INTERVAL_MS) return;
    this.#askedMs = nowMs;
    this.#onKeyframeDue();
  }
}
