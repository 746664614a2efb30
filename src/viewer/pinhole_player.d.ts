/// <reference lib="dom" />
import type { PinholePlayer, PinholePlayerEventMap } from "./pinhole.d.ts";

/** Events of the element: those of its player, which do not bubble, and `volumechange` of its video. */
export interface PinholePlayerElementEventMap
  extends
    Omit<HTMLElementEventMap, keyof PinholePlayerEventMap>,
    Omit<PinholePlayerEventMap, "autoplay-blocked"> {}

/**
 * `<pinhole-player server="http://host:9000/" session="demo">`: plays a session while it is in a document. Importing
 * the module defines the element.
 *
 * Each attribute is also a property. A change of `server`, `session` or `idle` starts a new stream. A new `token` is
 * used for the next try, and does not interrupt a stream that plays.
 *
 * @example
 * ```js
 * const element = document.createElement("pinhole-player");
 * element.session = "demo";
 * element.addEventListener("error", ({ detail }) => console.log(detail.message));
 * document.body.append(element);
 * ```
 */
export declare class PinholePlayerElement extends HTMLElement {
  /** Address of the server, relative to the page. Default: the server that the module was loaded from. */
  server: string;
  /** Session to watch. Without one, the element plays nothing. */
  session: string;
  /** Access token, for servers that require one. */
  token: string;
  /** Name of the idle source to show while the renderer has no frames. */
  idle: string;
  /**
   * Keeps the sound off. Otherwise the first click or key press on the page turns it on. `video.muted` is the current
   * state.
   */
  muted: boolean;
  /** The player of the latest attributes; `null` before there is one. Replaced when they change. */
  readonly player: PinholePlayer | null;
  /** The video element in the shadow tree; CSS selects it with `::part(video)`. */
  readonly video: HTMLVideoElement;
  /**
   * Plays after `stop()` or `failed`; in a click handler also plays a video that the browser refused to play.
   * @returns The promise of {@link PinholePlayer.start}.
   * @throws {DOMException} `InvalidStateError`: there is no session, or the element is not in a document.
   * @throws {TypeError} When the session id or the server is invalid.
   */
  play(): Promise<void>;
  /** Stops, until `play()` is called. */
  stop(): void;
  addEventListener<Type extends keyof PinholePlayerElementEventMap>(
    type: Type,
    listener: (this: PinholePlayerElement, event: PinholePlayerElementEventMap[Type]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<Type extends keyof PinholePlayerElementEventMap>(
    type: Type,
    listener: (this: PinholePlayerElement, event: PinholePlayerElementEventMap[Type]) => void,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

declare global {
  interface HTMLElementTagNameMap {
    "pinhole-player": PinholePlayerElement;
  }
}
