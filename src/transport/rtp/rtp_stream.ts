import { extendSequenceNumber } from "../../base/sequence_numbers.ts";
import { randomInt } from "node:crypto";
import { RTP_HEADER_BYTES_MAX } from "../../media/packetizer.ts";
import type { Clock } from "../../base/clock.ts";
import { type RtpHeaderExtension, writeRtpHeader } from "./rtp.ts";
import { SRTP_OVERHEAD_BYTES_MAX, type SrtpSender } from "./srtp.ts";

/** Packets kept for retransmission: 2 s at 2.5 Mbit/s, about 600 kB for each viewer. */
const HISTORY_PACKETS = 512;

/** A lost packet is asked for again and again until it arrives; within this time it is sent but once. */
const RESEND_INTERVAL_MS = 40;

/** Time between the two copies of a packet that is sent twice: losses come in bursts. */
const REPEAT_AFTER_MS = 8;

/**
 * A packet is sent again at most so often: then a viewer that asks for everything all the time gets five times the
 * stream, and not what its requests are able to multiply to.
 */
const RESENDS_MAX = 4;

/**
 * What is older is better replaced by a keyframe: a player that gets a picture so late takes it for the pace of the
 * stream, and holds all that follow back.
 */
const RESEND_AGE_MS_MAX = 1_000;

/** What the packets of a stream carry, as an offer has it. */
export interface RtpMarks {
  readonly payloadType: number;
  /** A new packet leaves now. @returns Its number among those of all streams of the connection, 16 bits. */
  readonly sent?: (payloadBytes: number) => number;
  /** Where the viewer reports on such numbers: the header extension that carries them, 1–14 by `a=extmap`. */
  readonly numberExtensionId?: number | undefined;
}

/** What a stream is made of. */
export interface RtpStreamOptions extends RtpMarks {
  /** Hz. */
  readonly clockRate: number;
  readonly clock: Clock;
  /** Takes a packet, which is only valid until the call returns: its memory is used again. */
  readonly send: (packet: Uint8Array) => void;
  /** Decides whether so much is lost at present that each packet is worth sending twice. Default: never. */
  readonly repetition?: {
    readonly isRepeating: boolean;
    /** So many packets are sent again for the first time. */
    resent(packets: number, nowMs: number): void;
  };
}

/** The packets of one frame, or one packet of sound. */
export interface Burst {
  /** Only read, and only until the call returns: all viewers of a session share them. */
  readonly payloads: readonly Uint8Array[];
  /** Capture time on the session's timeline, in microseconds. */
  readonly timestampUs: number;
  /** Marker bit of the last packet (RFC 3550 §5.1): ends a video frame, or begins a talkspurt. */
  readonly marker: boolean;
  /** Whether nothing before it is needed to decode it and what follows. */
  readonly keyframe?: boolean;
  /** Header extensions of each packet. */
  readonly extensions?: readonly RtpHeaderExtension[];
}

/** A packet that was sent, in memory that a later one uses again. */
interface SentPacket {
  index: number;
  /** As long as the longest packet that it has held. */
  buffer: Uint8Array<ArrayBuffer>;
  /** Bytes of the packet. */
  bytes: number;
  sentAtMs: number;
  resends: number;
  resentAtMs: number;
}

/** Buffers grow by so many bytes: packets of one frame differ by few. */
const BUFFER_STEP_BYTES = 256;

/** What became of a request to send packets again. */
export interface Resent {
  /** Packets that were sent. */
  readonly packets: number;
  /** Some are needed, and cannot be had any more: only a keyframe helps. */
  readonly isTooLate: boolean;
}

/** RTP of one media stream to one viewer: numbers, encrypts, sends, and sends again what a NACK asks for. */
export class RtpStream {
  readonly ssrc: number = randomInt(1, 2 ** 32);
  readonly #options: RtpStreamOptions;
  readonly #timestampOffset = randomInt(2 ** 32);
  /** The number of the packet that is being written. */
  readonly #number: DataView<ArrayBuffer> = new DataView(new ArrayBuffer(2));
  #marks: RtpMarks;
  readonly #history = new Array<SentPacket | undefined>(HISTORY_PACKETS);
  #srtp: SrtpSender | undefined;
  /** Counts on without wrapping: the low 16 bits are sent, the rest is the rollover counter (RFC 3711 §3.3.1). */
  #nextIndex: number = randomInt(2 ** 15);
  /** What was sent before this is not needed any more: a keyframe took its place, or is about to. */
  #neededFrom = this.#nextIndex;
  #packetsSent = 0;
  #payloadBytesSent = 0;
  #bytesSent = 0;
  #packetsRetransmitted = 0;

  constructor(options: RtpStreamOptions) {
    this.#options = options;
    this.#marks = options;
  }

  /** Marks packets in another way from the next one on: a further offer was answered. */
  mark(marks: RtpMarks): void {
    this.#marks = marks;
  }

  /** Packets sent, retransmissions not counted. */
  get packetsSent(): number {
    return this.#packetsSent;
  }

  /** Bytes of payload sent, as sender reports count them (RFC 3550 §6.4.1). */
  get payloadBytesSent(): number {
    return this.#payloadBytesSent;
  }

  /** Bytes of all packets sent, retransmissions included. */
  get bytesSent(): number {
    return this.#bytesSent;
  }

  get packetsRetransmitted(): number {
    return this.#packetsRetransmitted;
  }

  /** Lets packets out from now on; before, frames are dropped. */
  start(srtp: SrtpSender): void {
    this.#srtp = srtp;
  }

  /** The RTP timestamp of a moment on the session's timeline. */
  timestampOf(timelineUs: number): number {
    const ticks = Math.floor((timelineUs * this.#options.clockRate) / 1_000_000);
    return (ticks + this.#timestampOffset) % 2 ** 32;
  }

  /** Numbers, encrypts and sends packets of one timestamp. */
  send({ payloads, timestampUs, marker, extensions = [], keyframe = false }: Burst): void {
    if (this.#srtp === undefined) return;
    if (keyframe) this.#neededFrom = this.#nextIndex;
    const timestamp = this.timestampOf(timestampUs);
    const nowMs = this.#options.clock.now();
    const { payloadType, sent, numberExtensionId: id } = this.#marks;
    const number = new Uint8Array(this.#number.buffer);
    const numbered = id === undefined ? extensions : [...extensions, { id, data: number }];
    const firstIndex = this.#nextIndex;
    for (const [at, payload] of payloads.entries()) {
      this.#number.setUint16(0, sent?.(payload.length) ?? 0);
      const index = this.#nextIndex++;
      const sequenceNumber = index & 0xffff;
      const slot = this.#slotFor(index, payload.length, nowMs);
      const headerBytes = writeRtpHeader(slot.buffer, {
        payloadType,
        sequenceNumber,
        timestamp,
        ssrc: this.ssrc,
        marker: marker && at === payloads.length - 1,
        extensions: numbered,
      });
      const rolloverCounter = Math.floor(index / 2 ** 16);
      slot.bytes = this.#srtp.protect(
        { headerBytes, payload, ssrc: this.ssrc, sequenceNumber, rolloverCounter },
        slot.buffer,
      );
      this.#packetsSent++;
      this.#payloadBytesSent += payload.length;
      this.#send(slot);
    }
    if (this.#options.repetition?.isRepeating) {
      this.#repeatLater(Array.from(payloads, (_, at) => firstIndex + at));
    }
  }

  /** Nothing that was sent so far is worth sending again: a keyframe follows. */
  forget(): void {
    this.#neededFrom = this.#nextIndex;
  }

  /**
   * Sends packets again that the receiver misses (RFC 4585 §6.2.1): the same bytes, so that the receiver's replay
   * protection takes each once. Those before the last keyframe are not needed any more.
   */
  resend(sequenceNumbers: readonly number[]): Resent {
    const nowMs = this.#options.clock.now();
    let packets = 0;
    let isTooLate = false;
    const resent: number[] = [];
    let firstTime = 0;
    for (const sequenceNumber of sequenceNumbers) {
      const index = extendSequenceNumber(sequenceNumber, this.#nextIndex - 1);
      if (index < this.#neededFrom || index >= this.#nextIndex) continue;
      const sent = this.#history[index % HISTORY_PACKETS];
      if (sent?.index !== index || nowMs - sent.sentAtMs > RESEND_AGE_MS_MAX) {
        isTooLate = true;
        continue;
      }
      if (sent.resends >= RESENDS_MAX || nowMs - sent.resentAtMs < RESEND_INTERVAL_MS) continue;
      if (sent.resends === 0) firstTime++;
      sent.resends++;
      sent.resentAtMs = nowMs;
      this.#send(sent);
      resent.push(index);
      packets++;
    }
    this.#options.repetition?.resent(firstTime, nowMs);
    if (this.#options.repetition?.isRepeating) this.#repeatLater(resent);
    this.#packetsRetransmitted += packets;
    return { packets, isTooLate };
  }

  /**
   * Sends the second copy of packets: the same bytes, of which the receiver's replay protection takes
   * one.
   */
  #repeatLater(indexes: readonly number[]): void {
    if (indexes.length === 0) return;
    this.#options.clock.after(REPEAT_AFTER_MS, () => {
      for (const index of indexes) {
        const slot = this.#history[index % HISTORY_PACKETS];
        if (slot?.index === index && index >= this.#neededFrom) this.#send(slot);
      }
    });
  }

  /** Memory for a packet, which it keeps until {@link HISTORY_PACKETS} others have followed. */
  #slotFor(index: number, payloadBytes: number, nowMs: number): SentPacket {
    const needed = RTP_HEADER_BYTES_MAX + payloadBytes + SRTP_OVERHEAD_BYTES_MAX;
    const at = index % HISTORY_PACKETS;
    const slot = this.#history[at] ??= { ...NO_PACKET };
    if (slot.buffer.length < needed) {
      const bytes = Math.ceil(needed / BUFFER_STEP_BYTES) * BUFFER_STEP_BYTES;
      slot.buffer = new Uint8Array(bytes);
    }
    slot.index = index;
    slot.sentAtMs = nowMs;
    slot.resends = 0;
    slot.resentAtMs = Number.NEGATIVE_INFINITY;
    return slot;
  }

  #send({ buffer, bytes }: SentPacket): void {
    this.#bytesSent += bytes;
    this.#options.send(buffer.subarray(0, bytes));
  }
}

const NO_PACKET: SentPacket = {
  index: -1,
  buffer: new Uint8Array(0),
  bytes: 0,
  sentAtMs: 0,
  resends: 0,
  resentAtMs: 0,
};
