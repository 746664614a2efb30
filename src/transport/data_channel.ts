import { Buffer } from "node:buffer";
import { type RTCDataChannel, type RTCDtlsTransport, RTCSctpTransport } from "werift";
import type { PeerMessage } from "./peer_transport.ts";

/** The one channel that pages and renderers talk over; others are closed. */
export const CHANNEL_LABEL = "pinhole";

/** Longest message either way, in bytes: what renderers may rely on (PINHOLE_MESSAGE_SIZE_MAX). */
export const MESSAGE_BYTES_MAX = 65_536;

/** Our SCTP port, as the answer names it (RFC 8841 §5). */
const SCTP_PORT = 5000;

/** Bytes that may wait for a slow viewer; beyond, messages are refused instead of being buffered without end. */
const BUFFERED_BYTES_MAX = 1024 * 1024;

/**
 * Messages that may wait for one: half a second of all that a renderer can say. Whenever a packet leaves, werift wakes
 * whatever waits; five thousand short messages to a viewer that acknowledged none took a whole core, and 400 MiB.
 */
const WAITING_MESSAGES_MAX = 256;

/** What a {@link DataChannel} needs. */
export interface DataChannelOptions {
  readonly remotePort: number;
  /** Longest message that the browser takes, in bytes; Infinity where it sets no bound. */
  readonly remoteMessageBytesMax: number;
  readonly onMessage: (data: PeerMessage) => void;
}

/** The data channel of one viewer: SCTP over DTLS (RFC 8831), done by werift. */
export class DataChannel {
  readonly #sctp = new RTCSctpTransport(SCTP_PORT, MESSAGE_BYTES_MAX);
  readonly #options: DataChannelOptions;
  #channel: RTCDataChannel | undefined;
  /** Lengths in bytes of the messages that wait, oldest first; some of the first may have left. */
  #waiting: number[] = [];
  #waitingBytes = 0;

  /** @param transport The viewer's DTLS, not yet connected. */
  constructor(transport: RTCDtlsTransport, options: DataChannelOptions) {
    this.#options = options;
    this.#sctp.setDtlsTransport(transport);
    this.#sctp.setRemoteMaxMessageSize(
      Math.min(options.remoteMessageBytesMax, Number.MAX_SAFE_INTEGER),
    );
    this.#sctp.setRemotePort(options.remotePort);
    this.#sctp.onDataChannel.subscribe((channel) => this.#opened(channel));
  }

  /** Begins the association, when DTLS is connected. */
  async start(): Promise<void> {
    await this.#sctp.start(this.#options.remotePort);
  }

  /** Sends a message. @returns False when there is no open channel, the message is too long, or too much waits. */
  send(data: PeerMessage): boolean {
    const channel = this.#channel;
    if (channel?.readyState !== "open") return false;
    const bytes = typeof data === "string" ? Buffer.byteLength(data) : data.byteLength;
    if (bytes > Math.min(MESSAGE_BYTES_MAX, this.#options.remoteMessageBytesMax)) return false;
    if (channel.bufferedAmount + bytes > BUFFERED_BYTES_MAX) return false;
    this.#forgetSent(channel.bufferedAmount);
    if (this.#waiting.length >= WAITING_MESSAGES_MAX) return false;
    channel.send(typeof data === "string" ? data : Buffer.from(data));
    if (bytes > 0) this.#waiting.push(bytes);
    this.#waitingBytes += bytes;
    return true;
  }

  /** Ends the association. */
  async close(): Promise<void> {
    await this.#sctp.stop();
  }

  /** werift tells how many bytes wait, and messages leave in their order. */
  #forgetSent(bufferedBytes: number): void {
    while (this.#waiting.length > 0 && this.#waitingBytes > bufferedBytes) {
      this.#waitingBytes -= this.#waiting.shift() ?? 0;
    }
  }

  #opened(channel: RTCDataChannel): void {
    if (channel.label !== CHANNEL_LABEL || this.#channel?.readyState === "open") {
      channel.close();
      return;
    }
    this.#channel = channel;
    this.#waiting = [];
    this.#waitingBytes = 0;
    channel.onMessage.subscribe((data) => {
      // A page sends nothing, literally, to show where it is when no picture comes.
      if (data.length === 0) return;
      this.#options.onMessage(typeof data === "string" ? data : new Uint8Array(data));
    });
  }
}
