import assert from "assert";
import { RTCPeerConnection, useH264, useVP8 } from "werift";
import { eventually } from "../deadline.ts";
import { ONE_SOCKET } from "./werift_viewer.ts";

/** werift repeats a flight of its handshake after this time unless it was answered, and only then drops the timer. */
const FLIGHT_TIMER_MS = 1_100;

/** A viewer that joins by WHEP: requests by hand, and werift's RTCPeerConnection as its browser. */
export class WhepViewer implements AsyncDisposable {
  readonly peer: RTCPeerConnection;
  /** Packets of video that came. */
  packets = 0;
  /** Address of the resource. */
  resource = "";
  etag = "";

  private constructor(peer: RTCPeerConnection) {
    this.peer = peer;
  }

  /** Offers to an endpoint and acts on the answer. @throws {Error} When the offer is refused. */
  static async join(endpoint: string, headers: Record<string, string> = {}): Promise<WhepViewer> {
    const peer = new RTCPeerConnection({
      iceServers: [],
      ...ONE_SOCKET,
      codecs: { video: [useH264(), useVP8()] },
    });
    peer.addTransceiver("video", { direction: "recvonly" });
    await peer.setLocalDescription(await peer.createOffer());
    const viewer = new WhepViewer(peer);
    try {
      await viewer.#offer(endpoint, headers);
    } catch (error) {
      await peer.close();
      throw error;
    }
    return viewer;
  }

  /** Waits for `count` more packets of video. */
  async receives(count = 1): Promise<void> {
    const enough = this.packets + count;
    await eventually(() => this.packets >= enough, { what: `for ${count} packets of video` });
  }

  /** Ends the resource. @returns The status. */
  async leave(): Promise<number> {
    const response = await fetch(this.resource, { method: "DELETE" });
    await response.body?.cancel();
    return response.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Otherwise werift would repeat the flight of a handshake that never ended for half a minute.
    const dtls = this.peer.dtlsTransports[0]?.dtls?.dtls;
    if (dtls !== undefined) dtls.flight = Number.POSITIVE_INFINITY as typeof dtls.flight;
    await this.peer.close();
    await new Promise((resolve) => setTimeout(resolve, FLIGHT_TIMER_MS));
  }

  async #offer(endpoint: string, headers: Record<string, string>): Promise<void> {
    const [transport] = this.peer.dtlsTransports;
    transport?.onRtp.subscribe(() => this.packets++);
    const response = await fetch(endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/sdp", ...headers },
      body: this.peer.localDescription?.sdp ?? "",
    });
    const sdp = await response.text();
    assert.equal(response.status, 201, sdp);
    this.resource = new URL(response.headers.get("Location") ?? "", endpoint).href;
    this.etag = response.headers.get("ETag") ?? "";
    await this.peer.setRemoteDescription({ type: "answer", sdp });
  }
}
