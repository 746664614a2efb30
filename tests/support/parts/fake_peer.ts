import { AppError } from "../../../src/base/errors.ts";
import type { VideoCodec } from "../../../src/media/encoder.ts";
import type { PublicAddresses } from "../../../src/base/public_ports.ts";
import type {
  FrameInfo,
  Peer,
  PeerFactory,
  PeerListener,
  PeerMessage,
  PeerStats,
  ReadOffer,
  VideoSink,
} from "../../../src/transport/peer_transport.ts";

/** A frame as a viewer's video stream took it. */
export interface TakenFrame extends FrameInfo {
  readonly payloads: readonly Uint8Array[];
}

/** Keeps what it is sent. */
export class FakeSink implements VideoSink {
  readonly frames: TakenFrame[] = [];
  targetKbps = 100;
  limitKbps = Number.POSITIVE_INFINITY;
  isFull = false;
  isPaused = false;

  /** Whether its address takes what is sent. */
  isReached = true;

  sendFrame(payloads: readonly Uint8Array[], info: FrameInfo): boolean {
    if (this.isReached) this.frames.push({ payloads, ...info });
    return this.isReached;
  }
}

/** A viewer's connection without a network; the test says what happens to it. */
export class FakePeer implements Peer {
  codec: VideoCodec;
  answerSdp: string;
  readonly candidate: Peer["candidate"];
  readonly video: FakeSink = new FakeSink();
  audio: Peer["audio"] = undefined;
  readonly port: number;
  /** Tells the session what the connection sees. */
  readonly listener: PeerListener;
  readonly messages: PeerMessage[] = [];
  readonly stats: PeerStats = {
    transport: "udp",
    roundTripMs: undefined,
    fractionLost: 0,
    jitterMs: 0,
    bitrateKbps: 0,
    targetKbps: 100,
    queueMs: undefined,
    pathViewers: 1,
    packetsSent: 0,
    bytesSent: 0,
    packetsRetransmitted: 0,
  };
  heardAtMs = 0;
  /** Whether the data channel is there and has room. */
  takesMessages = true;
  isClosed = false;

  constructor(
    codec: VideoCodec,
    options: { localPort: number; publicAddresses: PublicAddresses; listener: PeerListener },
  ) {
    const { address, port } = options.publicAddresses.udp ?? { address: "", port: 0 };
    this.codec = codec;
    this.port = options.localPort;
    this.listener = options.listener;
    this.answerSdp = `answer for ${address} ${port}`;
    const candidate = `candidate:1 1 udp 1 ${address} ${port} typ host`;
    this.candidate = { candidate, sdpMid: "0", sdpMLineIndex: 0 };
  }

  readonly identity = {
    fingerprints: [],
    sessionId: "",
    sessionVersion: 0,
    iceUfrag: "",
    icePwd: "",
  };
  iceUfrag = "ufrag0";
  /** Offers that came later: those that begin with `further`, and maybe a codec. */
  readonly furtherOffers: string[] = [];

  renegotiate(sdp: string): readonly never[] | undefined {
    const [word, codec] = sdp.split(" ");
    if (word === "bad") throw new AppError("bad_sdp", `"${sdp}" is no offer`);
    if (word !== "further") return undefined;
    this.furtherOffers.push(sdp);
    this.answerSdp = `answer to ${sdp}`;
    if (codec === "h264" || codec === "vp8") this.codec = codec;
    return [];
  }

  restartIce(): { ufrag: string; pwd: string } | undefined {
    this.iceUfrag = `ufrag${Number(this.iceUfrag.slice(5)) + 1}`;
    return { ufrag: this.iceUfrag, pwd: "p".repeat(32) };
  }

  sendMessage(data: PeerMessage): boolean {
    if (this.takesMessages) this.messages.push(data);
    return this.takesMessages;
  }

  close(): void {
    this.isClosed = true;
  }
}

/** Makes a {@link FakePeer} of each offer. An offer is the name of a codec; anything else is refused. */
export class FakePeers implements PeerFactory {
  /** Every connection that was made, oldest first. */
  readonly made: FakePeer[] = [];

  /** Connections that are not closed. */
  get open(): FakePeer[] {
    return this.made.filter(({ isClosed }) => !isClosed);
  }

  read(sdp: string): ReadOffer {
    if (sdp !== "h264" && sdp !== "vp8") throw new AppError("bad_sdp", `"${sdp}" is no offer`);
    return {
      codec: sdp,
      unused: [],
      continues: () => false,
      isLateFor: () => false,
      accept: (options) => {
        const peer = new FakePeer(sdp, options);
        this.made.push(peer);
        return peer;
      },
    };
  }
}
