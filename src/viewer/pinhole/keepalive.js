// @ts-check
/// <reference lib="dom" />
/** Keeps the server told where this browser is. @module */

/**
 * A tunnel that reconnects gives this browser a new source port, which the server learns from the next packet that it
 * gets from here. While nothing arrives, a browser by itself sends one about once a second only.
 */
const KNOCK_MS = 250;

/** Sends an empty message, which the server passes to nobody, whenever nothing has been received for a moment. */
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
    // What waits already will be sent as soon as anything is.
    if (this.#latest === before && readyState === "open" && bufferedAmount === 0) {
      this.#channel.send("");
    }
  }
}

/**
 * When the receiver last played what it received; 0 before that, and where the browser does not tell.
 * @param {RTCRtpReceiver} receiver
 */
function latestOf(receiver) {
  const sources = receiver.getSynchronizationSources?.() ?? [];
  return Math.max(0, ...sources.map(({ timestamp }) => timestamp));
}
