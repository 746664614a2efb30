import type { OfferIdentity, ReadOffer } from "../transport/peer_transport.ts";
import { type JoinRequest, ViewerError } from "./door.ts";
import type { Viewer } from "./viewer.ts";

/**
 * Viewers that have ended and are known again: a page that goes on with its RTCPeerConnection does so at once, or when its
 * computer wakes up. Half a kilobyte each.
 */
const ENDED_MAX = 256;

/** The viewers of all sessions, and those that ended lately. */
export class ViewerTable {
  readonly #viewers = new Map<string, Viewer>();
  /** Of viewers that have ended, the latest last. */
  readonly #ended: OfferIdentity[] = [];
  #emptied = Promise.withResolvers<void>();

  get size(): number {
    return this.#viewers.size;
  }

  /** The living viewers; they may end while the caller goes through them. */
  get all(): Viewer[] {
    return [...this.#viewers.values()];
  }

  /** Settles when there is no viewer, now or for the first time from now on. */
  get empty(): Promise<void> {
    if (this.#viewers.size === 0) return Promise.resolve();
    this.#emptied = Promise.withResolvers();
    return this.#emptied.promise;
  }

  add(viewer: Viewer): void {
    this.#viewers.set(viewer.id, viewer);
  }

  /** Forgets a viewer that has ended, but for what its further offers are known by. */
  remove(viewer: Viewer): void {
    this.#viewers.delete(viewer.id);
    if (viewer.hasKeys) this.#ended.push(viewer.peer.identity);
    if (this.#ended.length > ENDED_MAX) this.#ended.shift();
    if (this.#viewers.size === 0) this.#emptied.resolve();
  }

  find(sessionId: string, viewerId: string): Viewer | undefined {
    const viewer = this.#viewers.get(viewerId);
    return viewer?.sessionId === sessionId ? viewer : undefined;
  }

  /**
   * Answers an offer that a viewer's RTCPeerConnection makes by another signalling connection: a page whose WebSocket
   * broke off may know nothing of `resume`. Only of a viewer that has keys: its browser would use them with no other.
   * @returns That viewer; `undefined` when the offer is of a new RTCPeerConnection.
   * @throws {ViewerError} `no_such_viewer` when that viewer has ended, and the keys with it.
   */
  renegotiate({ sessionId, sdp }: JoinRequest, offer: ReadOffer): Viewer | undefined {
    for (const viewer of this.#viewers.values()) {
      const isKnown = viewer.sessionId === sessionId && viewer.hasKeys &&
        offer.continues(viewer.peer.identity);
      if (isKnown && viewer.renegotiate(sdp)) return viewer;
    }
    if (this.#ended.some((ended) => offer.isLateFor(ended))) {
      const message = "The viewer of this RTCPeerConnection has ended; send an offer of a new one";
      throw new ViewerError("no_such_viewer", message);
    }
    return undefined;
  }
}
