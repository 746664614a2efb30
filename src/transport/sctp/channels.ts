import { Association, type AssociationOptions } from "./association.ts";
import {
  type ChannelRequest,
  decodeText,
  formatDcepAck,
  formatDcepOpen,
  parseDcep,
  PPID,
} from "./dcep.ts";
import type { AssociationEnd, SctpDrop } from "./events.ts";
import { CHANNELS_MAX, WAITING_BYTES_MAX, WAITING_MESSAGES_MAX } from "./limits.ts";
import type { IncomingMessage } from "./reassembly.ts";

/** Why a message of the peer was dropped. */
export type ChannelDrop =
  | SctpDrop
  | "bad_dcep"
  | "channel_twice"
  | "too_many_channels"
  | "unknown_channel"
  | "unknown_ppid";

/** Events, in order. */
export type ChannelEvent =
  | { readonly kind: "connected" }
  /** The peer opened a channel, which can be used from now on. */
  | { readonly kind: "opened"; readonly stream: number; readonly request: ChannelRequest }
  /** The receiver of the event owns the bytes. */
  | { readonly kind: "message"; readonly stream: number; readonly data: string | Uint8Array }
  | { readonly kind: "closed"; readonly stream: number }
  | { readonly kind: "dropped"; readonly reason: ChannelDrop }
  | { readonly kind: "ended"; readonly reason: AssociationEnd };

interface Channel {
  readonly request: ChannelRequest;
  /** Closed on our side, but not yet by the peer. */
  isClosing: boolean;
}

/** Data channels over one association (RFC 8831, RFC 8832). Pure: times are arguments. */
export class Channels {
  readonly #association: Association;
  readonly #channels = new Map<number, Channel>();
  #events: ChannelEvent[] = [];

  constructor(options: AssociationOptions) {
    this.#association = new Association(options);
  }

  /** Whether neither side has started. */
  get isListening(): boolean {
    return this.#association.isListening;
  }

  /** Whether it has ended. */
  get isEnded(): boolean {
    return this.#association.isEnded;
  }

  /** When {@link timeout} has to be called; `undefined` if not needed. */
  get timeoutAtMs(): number | undefined {
    return this.#association.timeoutAtMs;
  }

  /** Bytes of received data that waits for missing parts, including objects. */
  get heldBytes(): number {
    return this.#association.heldBytes;
  }

  /** Takes the packets to send. */
  takePackets(): Uint8Array[] {
    return this.#association.takePackets();
  }

  /** Takes the events since the last call. */
  takeEvents(): ChannelEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** Starts the association from our side, unless the peer did. */
  connect(nowMs: number): void {
    this.#association.connect(nowMs);
  }

  /** Processes a packet, which is not used after the call. */
  receive(packet: Uint8Array, nowMs: number): void {
    this.#association.receive(packet, nowMs);
    this.#digest(nowMs);
  }

  /** Handles expired timers. */
  timeout(nowMs: number): void {
    this.#association.timeout(nowMs);
    this.#digest(nowMs);
  }

  /** Opens a channel from our side, on a free stream. @returns Whether it was opened. */
  open(stream: number, request: ChannelRequest, nowMs: number): boolean {
    if (this.#channels.has(stream) || this.#channels.size >= CHANNELS_MAX) return false;
    if (!this.#sendDcep(stream, formatDcepOpen(request), nowMs)) return false;
    this.#channels.set(stream, { request, isClosing: false });
    return true;
  }

  /**
   * Sends a message on an open channel. Bytes are copied.
   * @returns Whether it was queued.
   */
  send(stream: number, data: string | Uint8Array, nowMs: number): boolean {
    const channel = this.#channels.get(stream);
    if (channel === undefined || channel.isClosing) return false;
    const isText = typeof data === "string";
    const bytes = isText ? new TextEncoder().encode(data) : data.slice();
    const { messages, bytes: waitingBytes } = this.#association.waiting;
    if (messages >= WAITING_MESSAGES_MAX || waitingBytes + bytes.length > WAITING_BYTES_MAX) {
      return false;
    }
    const { unordered, retransmissionsMax, lifetimeMs } = channel.request;
    const isEmpty = bytes.length === 0;
    const full = isText ? PPID.text : PPID.binary;
    return this.#association.send({
      stream,
      // DATA cannot be empty, so an empty message is one byte with a special identifier (RFC 8831 §6.6).
      ppid: isEmpty ? (isText ? PPID.emptyText : PPID.emptyBinary) : full,
      data: isEmpty ? new Uint8Array(1) : bytes,
      unordered,
      retransmissionsMax,
      expiresAtMs: lifetimeMs === undefined ? undefined : nowMs + lifetimeMs,
    }, nowMs);
  }

  /** Closes a channel (RFC 8831 §6.7). Queued messages are still sent. */
  closeChannel(stream: number, nowMs: number): void {
    const channel = this.#channels.get(stream);
    if (channel === undefined || channel.isClosing) return;
    channel.isClosing = true;
    this.#association.resetStream(stream, nowMs);
  }

  /** Ends the association. Idempotent. */
  close(): void {
    this.#association.close();
  }

  #digest(nowMs: number): void {
    for (const event of this.#association.takeEvents()) {
      if (event.kind === "message") this.#take(event.message, nowMs);
      else if (event.kind === "streams_reset") this.#reset(event.streams, nowMs);
      else if (event.kind === "established") this.#events.push({ kind: "connected" });
      else this.#events.push(event);
    }
  }

  #take({ stream, ppid, data }: IncomingMessage, nowMs: number): void {
    if (ppid === PPID.dcep) return this.#takeDcep(stream, data, nowMs);
    const channel = this.#channels.get(stream);
    if (channel === undefined || channel.isClosing) return this.#drop("unknown_channel");
    const content = contentOf(ppid, data);
    if (content === undefined) return this.#drop("unknown_ppid");
    this.#events.push({ kind: "message", stream, data: content });
  }

  #takeDcep(stream: number, data: Uint8Array, nowMs: number): void {
    const message = parseDcep(data);
    if (message === undefined) return this.#drop("bad_dcep");
    if (message.kind === "ack") {
      // Our channels can be used before the ACK, so nothing depends on it.
      if (!this.#channels.has(stream)) this.#drop("unknown_channel");
      return;
    }
    if (this.#channels.has(stream) || this.#association.isResetting(stream)) {
      return this.#drop("channel_twice");
    }
    if (!this.#hasRoom) return this.#drop("too_many_channels");
    this.#channels.set(stream, { request: message.request, isClosing: false });
    this.#sendDcep(stream, formatDcepAck(), nowMs);
    this.#events.push({ kind: "opened", stream, request: message.request });
  }

  /**
   * A channel whose streams are not reset yet still counts, and so do queued acknowledgements: otherwise a page that
   * keeps opening and closing channels would fill the queue.
   */
  get #hasRoom(): boolean {
    const { resetting, waiting } = this.#association;
    return this.#channels.size + resetting < CHANNELS_MAX &&
      waiting.messages < WAITING_MESSAGES_MAX;
  }

  #sendDcep(stream: number, data: Uint8Array, nowMs: number): boolean {
    return this.#association.send({ stream, ppid: PPID.dcep, data, unordered: false }, nowMs);
  }

  /** The peer closed channels: closes our half of them (RFC 8831 §6.7). */
  #reset(streams: readonly number[], nowMs: number): void {
    for (const stream of streams.length > 0 ? streams : [...this.#channels.keys()]) {
      const channel = this.#channels.get(stream);
      if (channel === undefined) continue;
      this.#channels.delete(stream);
      if (!channel.isClosing) this.#association.resetStream(stream, nowMs);
      this.#events.push({ kind: "closed", stream });
    }
  }

  #drop(reason: ChannelDrop): void {
    this.#events.push({ kind: "dropped", reason });
  }
}

/** Decodes a message; `undefined` if its identifier is not one of data channels. */
function contentOf(ppid: number, data: Uint8Array): string | Uint8Array | undefined {
  switch (ppid) {
    case PPID.text:
      return decodeText(data);
    case PPID.binary:
      return data;
    case PPID.emptyText:
      return "";
    case PPID.emptyBinary:
      return new Uint8Array(0);
    default:
      return undefined;
  }
}
