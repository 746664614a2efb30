import { sequenceDelta } from "../../../src/base/sequence_numbers.ts";
import { Buffer } from "node:buffer";
import {
  GenericNack,
  PictureLossIndication,
  type RTCDtlsTransport,
  RTCPeerConnection,
  RtcpPayloadSpecificFeedback,
  RtcpTransportLayerFeedback,
  useH264,
  useOPUS,
  useVP8,
} from "werift";
import type { VideoCodec } from "../../../src/media/encoder.ts";
import type { RtpHeaderExtension } from "../../../src/transport/rtp/rtp.ts";
import { eventually, within } from "../deadline.ts";
import { depacketizeH264, depacketizeVp8 } from "../media/depacketize.ts";

/** A signalling message. */
export type ServerMessage = Readonly<Record<string, unknown>>;

/** A packet as it came, decrypted. */
export interface ReceivedPacket {
  readonly sequenceNumber: number;
  readonly timestamp: number;
  readonly marker: boolean;
  readonly payload: Uint8Array;
  readonly ssrc: number;
  readonly extensions: readonly RtpHeaderExtension[];
}

/** One picture, put together of its packets. */
export interface ReceivedFrame {
  readonly timestamp: number;
  readonly keyframe: boolean;
  /** H.264: Annex B. VP8: the frame. */
  readonly data: Uint8Array;
}

/** How a {@link WeriftViewer} joins. */
export interface ViewerOptions {
  /** In the order of preference. Default: H.264, then VP8. */
  readonly codecs?: readonly VideoCodec[];
  /** Whether it offers to take sound too. Default: no. */
  readonly sound?: boolean;
  /** Whether it answers connectivity checks, as RFC 8445 wants it. Default: yes. */
  readonly answersRequests?: boolean;
  /** For the renderer's session. */
  readonly params?: Readonly<Record<string, unknown>>;
  /** Offers data channels too, and leaves their SCTP to {@link WeriftViewer.sendData}. Default: no. */
  readonly rawData?: boolean;
  /** Changes the offer before it goes out. */
  readonly offer?: (sdp: string) => string;
  /** Changes the answer before the viewer acts on it; `undefined` leaves it unused. */
  readonly answer?: (sdp: string) => string | undefined;
}

/**
 * werift opens a socket for each address of the host, each bound to all of them, and on a busy machine moves between
 * them. With this it has one, so that a viewer's address changes only when a test changes it.
 */
export const ONE_SOCKET = {
  iceUseIpv4: false,
  iceUseIpv6: false,
  iceAdditionalHostAddresses: ["127.0.0.1"],
};

const CODECS = { h264: () => useH264(), vp8: () => useVP8() } as const;

/** werift repeats a flight of its handshake after this time unless it was answered, and only then drops the timer. */
const FLIGHT_TIMER_MS = 1_100;

/** Ends a handshake that has yet to begin, or goes on: werift would repeat its flights for half a minute. */
async function giveUp(transport: RTCDtlsTransport | undefined): Promise<void> {
  for (let leftMs = FLIGHT_TIMER_MS; leftMs > 0; leftMs -= 50) {
    const dtls = transport?.dtls?.dtls;
    if (dtls !== undefined) dtls.flight = Number.POSITIVE_INFINITY as typeof dtls.flight;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A viewer of the server: signalling over a WebSocket, and werift's RTCPeerConnection as its browser. */
export class WeriftViewer implements AsyncDisposable {
  readonly peer: RTCPeerConnection;
  /** All packets of video, and of sound where that was offered, in the order in which they came. */
  readonly packets: ReceivedPacket[] = [];
  /** What came over DTLS, where {@link ViewerOptions.rawData} was offered. */
  readonly dataPackets: Uint8Array[] = [];
  /** Messages of the server on the latest WebSocket, in order. */
  readonly messages: ServerMessage[] = [];
  #socket: WebSocket;
  #closed: Promise<CloseEvent>;
  #codec: VideoCodec = "h264";
  #securedMs: number | undefined;

  private constructor(peer: RTCPeerConnection, socket: WebSocket, closed: Promise<CloseEvent>) {
    this.peer = peer;
    this.#socket = socket;
    this.#closed = closed;
  }

  /** Connects to a `ws://` address and offers; settles when the answer, or a refusal, is there. */
  static async join(url: string, options: ViewerOptions = {}): Promise<WeriftViewer> {
    const { codecs = ["h264", "vp8"], params = {}, offer = same, answer = same } = options;
    const peer = new RTCPeerConnection({
      iceServers: [],
      bundlePolicy: "max-bundle",
      ...ONE_SOCKET,
      iceFilterStunResponse: () => options.answersRequests ?? true,
      codecs: { video: codecs.map((codec) => CODECS[codec]()), audio: [useOPUS()] },
    });
    peer.addTransceiver("video", { direction: "recvonly" });
    if (options.sound) peer.addTransceiver("audio", { direction: "recvonly" });
    if (options.rawData) peer.createDataChannel("raw");
    await peer.setLocalDescription(await peer.createOffer());
    const { socket, closed } = await openSocket(url);
    const viewer = new WeriftViewer(peer, socket, closed);
    viewer.#listen();
    if (options.rawData) viewer.#takeOverData();
    viewer.send({ type: "offer", sdp: offer(peer.localDescription?.sdp ?? ""), params });
    const reply = await viewer.nextOf("answer", "error");
    if (reply.type === "answer") await viewer.#take(answer(String(reply.sdp)));
    return viewer;
  }

  /** {@link join}, and waits for the first packet. */
  static async play(url: string, options: ViewerOptions = {}): Promise<WeriftViewer> {
    const viewer = await WeriftViewer.join(url, options);
    await viewer.receives();
    return viewer;
  }

  /** The answer as it came. */
  get answerSdp(): string {
    return String(this.find("answer")?.sdp);
  }

  /** The secret by which this viewer can be taken up again. */
  get id(): string {
    return String(this.find("answer")?.viewer);
  }

  /** Pictures of which every packet came, oldest first. Later copies of a packet are passed over. */
  get frames(): ReceivedFrame[] {
    return assemble(this.packets, this.#codec);
  }

  /** The first message of a type. */
  find(type: string): ServerMessage | undefined {
    return this.messages.find((message) => message.type === type);
  }

  /** Waits for the first message that has one of these types. */
  async nextOf(...types: string[]): Promise<ServerMessage> {
    const found = () => this.messages.find(({ type }) => types.includes(String(type)));
    await eventually(() => found() !== undefined, { what: `for a message of type ${types}` });
    return found() ?? {};
  }

  /** Waits until the server says that the viewer is in a state. */
  async state(state: string): Promise<Record<string, unknown>> {
    const told = () =>
      this.messages.find((message) => message.type === "state" && message.state === state);
    await eventually(() => told() !== undefined, { what: `for the state ${state}` });
    return told() ?? {};
  }

  /** Waits for `count` more packets of video. */
  async receives(count = 1): Promise<void> {
    const enough = this.packets.length + count;
    await eventually(() => this.packets.length >= enough, {
      what: () =>
        `for packet ${enough}, there are ${this.packets.length}; ` +
        `its own DTLS is ${this.peer.dtlsTransports[0]?.state}; ` +
        `told: ${JSON.stringify(this.messages.filter(({ type }) => type === "state"))}`,
    });
  }

  /** Says something by signalling. */
  send(message: unknown): void {
    this.#socket.send(JSON.stringify(message));
  }

  /** Sends bytes to the media port, from the very socket that the media comes to. */
  sendRaw(bytes: Uint8Array): Promise<void> {
    return this.#dtls.iceTransport.connection.send(Buffer.from(bytes));
  }

  /** Sends bytes as the content of a DTLS record. */
  sendData(bytes: Uint8Array): Promise<void> {
    return this.#dtls.sendData(Buffer.from(bytes));
  }

  /** Asks for packets again (RFC 4585 §6.2.1). */
  async nack(...lost: number[]): Promise<void> {
    const feedback = new GenericNack({ ...this.#ssrcs(), lost });
    await this.#dtls.sendRtcp([new RtcpTransportLayerFeedback({ feedback })]);
  }

  /** Asks for a keyframe (RFC 4585 §6.3.1). */
  async pli(): Promise<void> {
    const { senderSsrc, mediaSourceSsrc: mediaSsrc } = this.#ssrcs();
    const feedback = new PictureLossIndication({ senderSsrc, mediaSsrc });
    await this.#dtls.sendRtcp([new RtcpPayloadSpecificFeedback({ feedback })]);
  }

  /** Encrypts RTCP as this viewer does, without sending it. */
  protectRtcp(compound: Uint8Array): Uint8Array {
    return this.#dtls.srtcp.encrypt(Buffer.from(compound));
  }

  /** Opens a new WebSocket beside the former one, whose messages are forgotten. */
  async reopen(url: string): Promise<void> {
    const { socket, closed } = await openSocket(url);
    this.messages.length = 0;
    this.#socket.onmessage = null;
    this.#socket = socket;
    this.#closed = closed;
    this.#hear(socket);
  }

  /** Goes on with signalling over a new WebSocket, and forgets the messages of the former one. */
  async resume(url: string, id: string = this.id): Promise<ServerMessage> {
    await this.reopen(url);
    this.send({ type: "resume", viewer: id });
    return await this.nextOf("resumed", "error");
  }

  /** Waits for the end of the WebSocket. */
  socketClosed(): Promise<CloseEvent> {
    return within(this.#closed, { what: "for the WebSocket to close" });
  }

  /** Closes the WebSocket and waits until it is closed. */
  async closeSocket(code = 1000): Promise<void> {
    this.#socket.close(code);
    await this.socketClosed();
  }

  /** Stops answering and sending, without a word to anybody. */
  async vanish(): Promise<void> {
    await this.peer.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.closeSocket();
    // One that has vanished has none any more.
    const [transport] = this.peer.dtlsTransports;
    await this.peer.close();
    if (transport !== undefined && this.#securedMs === undefined) return await giveUp(transport);
    const securedMs = this.#securedMs ?? Number.NEGATIVE_INFINITY;
    const left = Math.max(0, FLIGHT_TIMER_MS - (performance.now() - securedMs));
    await new Promise((resolve) => setTimeout(resolve, left));
  }

  get #dtls(): RTCDtlsTransport {
    const [transport] = this.peer.dtlsTransports;
    if (transport === undefined) throw new Error("The viewer has no transport");
    return transport;
  }

  #ssrcs(): { senderSsrc: number; mediaSourceSsrc: number } {
    return { senderSsrc: 1, mediaSourceSsrc: this.packets[0]?.ssrc ?? 0 };
  }

  #listen(): void {
    this.#hear(this.#socket);
    this.#dtls.onStateChange.subscribe((state) => {
      if (state === "connected") this.#securedMs = performance.now();
    });
    this.#dtls.onRtp.subscribe(({ header, payload }) => {
      const { sequenceNumber, timestamp, marker, ssrc } = header;
      const extensions = header.extensions.map(({ id, payload }) => ({ id, data: payload }));
      this.packets.push({ sequenceNumber, timestamp, marker, ssrc, payload, extensions });
    });
  }

  #takeOverData(): void {
    const { sctpTransport } = this.peer;
    if (sctpTransport !== undefined) sctpTransport.start = () => Promise.resolve();
    this.#dtls.dataReceiver = (data) => this.dataPackets.push(Uint8Array.from(data));
  }

  #hear(socket: WebSocket): void {
    socket.onmessage = ({ data }) => this.messages.push(JSON.parse(data));
  }

  async #take(sdp: string | undefined): Promise<void> {
    if (sdp === undefined) return;
    this.#codec = /^a=rtpmap:\d+ VP8/m.test(sdp) ? "vp8" : "h264";
    await this.peer.setRemoteDescription({ type: "answer", sdp });
  }
}

function same(sdp: string): string {
  return sdp;
}

async function openSocket(
  url: string,
): Promise<{ socket: WebSocket; closed: Promise<CloseEvent> }> {
  const socket = new WebSocket(url);
  const closed = new Promise<CloseEvent>((resolve) => socket.onclose = resolve);
  const opened = new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve();
    socket.onerror = () => reject(new Error(`Cannot connect to ${url}`));
  });
  await within(opened, { what: "for the WebSocket to open" });
  return { socket, closed };
}

/** Groups packets by their timestamps, and keeps the groups that are whole. */
function assemble(packets: readonly ReceivedPacket[], codec: VideoCodec): ReceivedFrame[] {
  const groups = new Map<number, Map<number, ReceivedPacket>>();
  for (const packet of packets) {
    const group = groups.get(packet.timestamp) ?? new Map<number, ReceivedPacket>();
    groups.set(packet.timestamp, group);
    if (!group.has(packet.sequenceNumber)) group.set(packet.sequenceNumber, packet);
  }
  const frames: ReceivedFrame[] = [];
  let before: number | undefined;
  for (const group of groups.values()) {
    const ordered = [...group.values()].sort((a, b) =>
      sequenceDelta(a.sequenceNumber, b.sequenceNumber)
    );
    const first = ordered[0]?.sequenceNumber ?? 0;
    const last = ordered.at(-1);
    const isWhole = last?.marker === true &&
      ((last.sequenceNumber - first) & 0xffff) === ordered.length - 1 &&
      (before === undefined || ((before + 1) & 0xffff) === first);
    before = last?.sequenceNumber;
    if (isWhole) frames.push(frameOf(ordered, codec));
  }
  return frames;
}

function frameOf(packets: readonly ReceivedPacket[], codec: VideoCodec): ReceivedFrame {
  const timestamp = packets[0]?.timestamp ?? 0;
  const payloads = packets.map(({ payload }) => payload);
  if (codec === "vp8") {
    const { frame } = depacketizeVp8(payloads);
    // RFC 6386 §9.1: the lowest bit of a frame is 0 for a keyframe.
    return { timestamp, keyframe: ((frame[0] ?? 1) & 1) === 0, data: frame };
  }
  const nals = depacketizeH264(payloads);
  const keyframe = nals.some((nal) => ((nal[0] ?? 0) & 0x1f) === 5);
  const startCode = Uint8Array.of(0, 0, 0, 1);
  return { timestamp, keyframe, data: Buffer.concat(nals.flatMap((nal) => [startCode, nal])) };
}
