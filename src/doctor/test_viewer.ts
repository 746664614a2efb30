import {
  type RTCDtlsTransport,
  type RTCIceTransport,
  RTCPeerConnection,
  type RtpHeader,
  useH264,
  useVP8,
} from "werift";
import { errorText } from "../base/errors.ts";

/** werift checks each flight of its handshake again, up to this long after the handshake is done. */
const FLIGHT_TIMER_MS = 1_100;

/** Progress of a {@link TestViewer}, in milliseconds since the answer; `undefined` for steps that were not reached. */
export interface Viewing {
  /** The path answered ICE checks. */
  readonly pathMs: number | undefined;
  /** DTLS is done. */
  readonly securedMs: number | undefined;
  /** The first authentic video packet arrived. */
  readonly packetMs: number | undefined;
  /** Every packet of one picture arrived. */
  readonly frameMs: number | undefined;
  /** Why it ended early. */
  readonly problem: string | undefined;
}

/** Receives a session like a browser, to test whether that works, without decoding. */
export class TestViewer {
  readonly #peer: RTCPeerConnection;
  readonly #reached: { -readonly [Step in keyof Viewing]?: Viewing[Step] } = {};
  readonly #whole = Promise.withResolvers<void>();
  #securedAtMs = Number.NEGATIVE_INFINITY;

  private constructor(peer: RTCPeerConnection) {
    this.#peer = peer;
  }

  /** A viewer with its offer. */
  static async create(): Promise<TestViewer> {
    const peer = new RTCPeerConnection({
      iceServers: [],
      // Omitted by default.
      iceAdditionalHostAddresses: ["127.0.0.1"],
      codecs: { video: [useH264(), useVP8()] },
    });
    peer.addTransceiver("video", { direction: "recvonly" });
    await peer.setLocalDescription(await peer.createOffer());
    return new TestViewer(peer);
  }

  /** The offer for the server. */
  get offerSdp(): string {
    return this.#peer.localDescription?.sdp ?? "";
  }

  /** Connects, and waits for a complete picture or the deadline. Called once; never rejects. */
  async watch(answerSdp: string, { deadlineMs }: { deadlineMs: number }): Promise<Viewing> {
    const startMs = performance.now();
    const [ice] = this.#peer.iceTransports;
    const [dtls] = this.#peer.dtlsTransports;
    if (ice !== undefined) this.#followIce(ice, startMs);
    if (dtls !== undefined) this.#followDtls(dtls, startMs);
    const timer = setTimeout(() => this.#whole.resolve(), deadlineMs);
    try {
      await this.#peer.setRemoteDescription({ type: "answer", sdp: answerSdp });
      await this.#whole.promise;
    } catch (error) {
      this.#reached.problem = errorText(error);
    } finally {
      clearTimeout(timer);
    }
    const { pathMs, securedMs, packetMs, frameMs, problem } = this.#reached;
    return { pathMs, securedMs, packetMs, frameMs, problem };
  }

  /** Ends the connection, and waits until all its timers have ended. */
  async close(): Promise<void> {
    // Otherwise werift would repeat the flight of an unfinished handshake for half a minute.
    const dtls = this.#peer.dtlsTransports[0]?.dtls?.dtls;
    if (dtls !== undefined) dtls.flight = Number.POSITIVE_INFINITY as typeof dtls.flight;
    await this.#peer.close();
    const leftMs = FLIGHT_TIMER_MS - (performance.now() - this.#securedAtMs);
    if (leftMs > 0) await new Promise((resolve) => setTimeout(resolve, leftMs));
  }

  #followIce(ice: RTCIceTransport, startMs: number): void {
    ice.onStateChange.subscribe((state) => {
      if (state === "connected" || state === "completed") {
        this.#reached.pathMs ??= performance.now() - startMs;
      }
    });
  }

  #followDtls(dtls: RTCDtlsTransport, startMs: number): void {
    const picture = new PictureWatch();
    dtls.onStateChange.subscribe((state) => {
      if (state === "failed") this.#fail("The DTLS handshake failed");
      if (state !== "connected") return;
      this.#securedAtMs = performance.now();
      this.#reached.securedMs ??= this.#securedAtMs - startMs;
    });
    dtls.onRtp.subscribe(({ header }) => {
      this.#reached.packetMs ??= performance.now() - startMs;
      if (!picture.takes(header)) return;
      this.#reached.frameMs ??= performance.now() - startMs;
      this.#whole.resolve();
    });
  }

  #fail(problem: string): void {
    this.#reached.problem ??= problem;
    this.#whole.resolve();
  }
}

/** Detects when every packet of one picture has arrived, in any order. */
class PictureWatch {
  readonly #packets = new Map<number, RtpHeader>();
  /** Lowest sequence number so far; earlier packets are unknown. */
  #first: number | undefined;

  /** @returns Whether a picture is complete now. */
  takes(header: RtpHeader): boolean {
    const { sequenceNumber } = header;
    this.#packets.set(sequenceNumber, header);
    if (this.#first === undefined || isBefore(sequenceNumber, this.#first)) {
      this.#first = sequenceNumber;
    }
    return [...this.#packets.values()].some((last) => last.marker && this.#isWhole(last));
  }

  #isWhole(last: RtpHeader): boolean {
    let number = last.sequenceNumber;
    while (number !== this.#first) {
      const before = this.#packets.get((number - 1) & 0xffff);
      if (before === undefined) return false;
      if (before.timestamp !== last.timestamp) return true;
      number = before.sequenceNumber;
    }
    return true;
  }
}

/** Whether a sequence number comes before another, modulo 2^16 (RFC 3550 §5.1). */
function isBefore(one: number, other: number): boolean {
  return ((one - other) << 16) < 0;
}
