import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import type { CancelTimer, Clock } from "../../base/clock.ts";
import { errorText } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { TransportMeter } from "../metrics.ts";
import type { PeerMessage } from "../peer_transport.ts";
import { type ChannelEvent, Channels } from "./channels.ts";
import type { AssociationEnd } from "./events.ts";
import { INIT_WAIT_MS, MESSAGE_BYTES_MAX } from "./limits.ts";

/** Label of the only channel that is used; others are closed. */
const CHANNEL_LABEL = "pinhole";

/** SCTP port of the server, as in the answer (RFC 8841 §5). */
const SCTP_PORT = 5000;

/** Ordinary ends, when a page is closed, which are not logged. */
const ORDINARY_ENDS: ReadonlySet<string> = new Set(["aborted_by_viewer", "shut_down_by_viewer"]);

export interface DataChannelOptions {
  readonly remotePort: number;
  /** Maximum message that the browser accepts, in bytes; Infinity if it sets no limit. */
  readonly remoteMessageBytesMax: number;
  readonly clock: Clock;
  readonly meter: TransportMeter;
  readonly log: Logger;
  /** Sends an SCTP packet over DTLS. */
  readonly send: (packet: Uint8Array) => void;
  readonly onMessage: (data: PeerMessage) => void;
}

/**
 * The data channel of one viewer: SCTP over DTLS (RFC 8831, RFC 8261). Invalid input ends at most the channel; the
 * viewer continues.
 */
export class DataChannel {
  readonly #options: DataChannelOptions;
  readonly #channels: Channels;
  /** Stream of the channel. */
  #stream: number | undefined;
  #timer: { readonly atMs: number; readonly cancel: CancelTimer } | undefined;
  #cancelStart: CancelTimer | undefined;
  #closed = false;

  constructor(options: DataChannelOptions) {
    this.#options = options;
    this.#channels = new Channels({
      address: { sourcePort: SCTP_PORT, destinationPort: options.remotePort },
      random: (bytes) => randomBytes(bytes),
    });
  }

  /** DTLS is connected. Browsers start the association then; if this one does not, the server does. */
  start(): void {
    if (this.#closed) return;
    const begin = () => this.#run((nowMs) => this.#channels.connect(nowMs));
    this.#cancelStart = this.#options.clock.after(INIT_WAIT_MS, begin);
  }

  /** Processes the content of a DTLS record, which is not used after the call. */
  receive(packet: Uint8Array): void {
    this.#run((nowMs) => this.#channels.receive(packet, nowMs));
  }

  /** Sends a message. @returns False if there is no open channel, the message is too long, or too much is queued. */
  send(data: PeerMessage): boolean {
    const stream = this.#stream;
    if (stream === undefined) return false;
    const bytes = typeof data === "string" ? Buffer.byteLength(data) : data.byteLength;
    if (bytes > Math.min(MESSAGE_BYTES_MAX, this.#options.remoteMessageBytesMax)) return false;
    let isSent = false;
    this.#run((nowMs) => isSent = this.#channels.send(stream, data, nowMs));
    return isSent;
  }

  /** Ends the association. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#run(() => this.#channels.close());
    this.#stop();
  }

  /** Runs a step of the association, then handles its output. */
  #run(step: (nowMs: number) => void): void {
    if (this.#closed) return;
    try {
      step(this.#options.clock.now());
      for (const packet of this.#channels.takePackets()) this.#options.send(packet);
      for (const event of this.#channels.takeEvents()) this.#handle(event);
      for (const packet of this.#channels.takePackets()) this.#options.send(packet);
      this.#schedule();
    } catch (error) {
      // An internal error must end neither the process nor the viewer.
      this.#stop();
      this.#options.log.error("data_channel_broken", { error: errorText(error) });
    }
  }

  #handle(event: ChannelEvent): void {
    const { meter, clock, onMessage } = this.#options;
    switch (event.kind) {
      case "opened":
        if (event.request.label === CHANNEL_LABEL && this.#stream === undefined) {
          this.#stream = event.stream;
        } else this.#channels.closeChannel(event.stream, clock.now());
        break;
      case "message":
        // Empty messages only show the page's address while no picture arrives.
        if (event.stream === this.#stream && event.data.length > 0) onMessage(event.data);
        break;
      case "closed":
        if (event.stream === this.#stream) this.#stream = undefined;
        break;
      case "dropped":
        meter.count("data_packets_dropped_total", { reason: event.reason });
        break;
      case "ended":
        this.#ended(event.reason);
        break;
      default:
        break;
    }
  }

  #ended(reason: AssociationEnd): void {
    this.#stream = undefined;
    if (reason === "closed") return;
    const { meter, log } = this.#options;
    meter.count("data_channels_ended_total", { reason });
    if (ORDINARY_ENDS.has(reason)) log.debug("data_channel_ended", { reason });
    else log.warn("data_channel_failed", { reason });
  }

  /** Sets the timer to the next due time. */
  #schedule(): void {
    const atMs = this.#channels.timeoutAtMs;
    if (atMs === this.#timer?.atMs) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (atMs === undefined || this.#closed) return;
    const { clock } = this.#options;
    const fire = () => {
      this.#timer = undefined;
      this.#run((nowMs) => this.#channels.timeout(nowMs));
    };
    this.#timer = { atMs, cancel: clock.after(Math.max(0, atMs - clock.now()), fire) };
  }

  #stop(): void {
    this.#closed = true;
    this.#stream = undefined;
    this.#cancelStart?.();
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
