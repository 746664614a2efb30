import type {
  AnnouncedCandidate,
  ViewerControl,
  ViewerHandle,
  ViewerListener,
  ViewerState,
} from "./session_api.ts";

/** A viewer as its attachments use it. */
interface AttachedViewer extends Omit<ViewerHandle, "message" | "candidate"> {
  readonly peer: { readonly candidate: AnnouncedCandidate };
  say(data: string): void;
  isAttachedTo(listener: ViewerListener): boolean;
}

/**
 * Binds a viewer to one signalling connection. It does nothing once the viewer is attached to another connection or
 * has ended, because a broken connection may be detected much later.
 */
export class Attachment implements ViewerHandle {
  readonly #viewer: AttachedViewer;
  readonly #listener: ViewerListener;

  constructor(viewer: AttachedViewer, listener: ViewerListener) {
    this.#viewer = viewer;
    this.#listener = listener;
  }

  get id(): string {
    return this.#viewer.id;
  }

  get sessionId(): string {
    return this.#viewer.sessionId;
  }

  get answerSdp(): string {
    return this.#viewer.answerSdp;
  }

  get candidate(): AnnouncedCandidate {
    return this.#viewer.peer.candidate;
  }

  get state(): ViewerState {
    return this.#viewer.state;
  }

  get iceUfrag(): string {
    return this.#viewer.iceUfrag;
  }

  restartIce(
    remote: { readonly ufrag: string; readonly pwd: string },
  ): ReturnType<ViewerControl["restartIce"]> {
    return this.#viewer.restartIce(remote);
  }

  renegotiate(sdp: string): boolean {
    return this.#isCurrent && this.#viewer.renegotiate(sdp);
  }

  message(data: string): void {
    if (this.#isCurrent) this.#viewer.say(data);
  }

  bye(): void {
    if (this.#isCurrent) this.#viewer.bye();
  }

  detach(): void {
    if (this.#isCurrent) this.#viewer.detach();
  }

  get #isCurrent(): boolean {
    return this.#viewer.isAttachedTo(this.#listener);
  }
}
