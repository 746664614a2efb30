// @ts-check
/// <reference lib="dom" />
/** Keeps the server informed of this browser's source port. @module */

/**
 * A tunnel that reconnects gives this browser a new source port, which the server detects with the next packet. While
 * nothing arrives, a browser sends only about one packet a second.
 */
const KNOCK_MS = 250;

/** Sends an empty message, which the server does not forward, whenever nothing was received for a moment. */
export class KeepAlive {
  #receivers;
  #channel;
  #timer;
  #latest = 0;

  /**
   * @param {readonly RTCRtpReceiver[]} receivers
   * @param {RTCDataChannel} channel
   */
  constructor(receivers, channel) {
    this.#receivers = receivers;
    this.#channel = channel;
    this.#timer = setInterval(() => this.#look(), KNOCK_MS);
  }

  /** Idempotent. */
  close() {
    clearInterval(this.#timer);
  }

  #look() {
    const before = this.#latest;
    this.#latest = Math.max(0, ...this.#receivers.map(latestOf));
    const { readyState, bufferedAmount } = this.#channel;
    // Queued messages already have the same effect.
    if (this.#latest === before && readyState === "open" && bufferedAmount === 0) {
      this.#channel.send("");
    }
  }
}

/**
 * Time at which the receiver last played received media; 0 before that, and if the browser does not report it.
 * @param {RTCRtpReceiver} receiver
 */
function latestOf(receiver) {
  const sources = receiver.getSynchronizationSources?.() ?? [];
  return Math.max(0, ...sources.map(({ timestamp }) => timestamp));
}
