import type { OfferIdentity, ReadOffer } from "../transport/peer_transport.ts";
import { type JoinRequest, ViewerError } from "./session_api.ts";
import type { Viewer } from "./viewer.ts";

/**
 * How many ended viewers are remembered: a page that reuses its RTCPeerConnection does so at once, or when its
 * computer wakes up. Half a kilobyte each.
 */
const ENDED_MAX = 256;

/** The viewers of all sessions, and those that ended recently. */
export class ViewerTable {
  readonly #viewers = new Map<string, Viewer>();
  /** Identities of ended viewers, the latest last. */
  readonly #ended: OfferIdentity[] = [];
  #emptied = Promise.withResolvers<void>();

  get size(): number {
    return this.#viewers.size;
  }

  /** The viewers that have not ended; a copy, since they may end during the iteration. */
  get all(): Viewer[] {
    return [...this.#viewers.values()];
  }

  /** Settles as soon as there are no viewers. */
  get empty(): Promise<void> {
    if (this.#viewers.size === 0) return Promise.resolve();
    this.#emptied = Promise.withResolvers();
    return this.#emptied.promise;
  }

  add(viewer: Viewer): void {
    this.#viewers.set(viewer.id, viewer);
  }

  /** Removes a viewer that has ended, and remembers the identity of its offers. */
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
   * Answers a further offer of a viewer's RTCPeerConnection that comes over another signalling connection, because a
   * page whose WebSocket broke may not support `resume`. Only for a viewer that has DTLS keys, which its browser can
   * use with no other viewer.
   * @returns That viewer; `undefined` if the offer is of a new RTCPeerConnection.
   * @throws {ViewerError} `no_such_viewer` if that viewer has ended, because its keys are gone.
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
