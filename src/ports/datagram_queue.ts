import { DATAGRAM_BYTES_MAX } from "../base/limits.ts";
import { SOCKADDR_BYTES } from "./sockaddr.ts";
import type { SocketAddress } from "../base/ip.ts";

/** Bytes of a slot: the longest datagram, at a whole number of cache lines. */
const SLOT_BYTES = Math.ceil(DATAGRAM_BYTES_MAX / 64) * 64;
/** Bytes of a slot's `sockaddr`. */
const NAME_BYTES = 32;
/** `struct iovec` of Linux on processors of 64 bits: address and length. */
const IOVEC_BYTES = 16;
/** `struct mmsghdr`: a `struct msghdr` of 56 bytes, then what was sent of it, padded. */
const MESSAGE_BYTES = 64;
/** One control message with 2 bytes of data: a `struct cmsghdr` of 16 bytes, and padding. */
const CONTROL_BYTES = 24;
/** What of it counts. */
const CONTROL_LENGTH = 18;

/** Where fields of a `struct mmsghdr` lie, in words of 4 bytes. */
const FIELD = { name: 0, nameBytes: 2, iovec: 4, iovecs: 6, control: 8, controlBytes: 10 } as const;

/** `SOL_UDP` and `UDP_SEGMENT` of Linux. */
const SEGMENT_OPTION = { level: 17, type: 103 } as const;

/** Most datagrams that the host cuts one message into: `UDP_MAX_SEGMENTS` of Linux was 64 first. */
const SEGMENTS_MAX = 64;
/** Longest message: what fits into an IP packet, with room for every header. */
const MESSAGE_BYTES_MAX = 65_000;

/** Most messages that are written at one time. */
const MESSAGES_MAX = 128;

/** Slots that a queue begins with, and has at most: four pictures of 1 MB each. */
const SLOTS = { first: 256, most: 4096 } as const;

/** Memory whose address the host is told. It does not move, since V8 keeps buffers of this size outside its heap. */
class Memory {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly words: Uint32Array<ArrayBuffer>;
  readonly #base: bigint;

  constructor(length: number, addressOf: AddressOf) {
    this.bytes = new Uint8Array(length);
    this.words = new Uint32Array(this.bytes.buffer);
    this.#base = addressOf(this.bytes);
  }

  /** Writes the address of one of these bytes into another memory, as a pointer of 64 bits. */
  point(target: Memory, word: number, offset: number): void {
    const address = this.#base + BigInt(offset);
    target.words[word] = Number(address & 0xffff_ffffn);
    target.words[word + 1] = Number(address >> 32n);
  }
}

/** Tells where bytes lie in the memory of the process. */
export type AddressOf = (bytes: Uint8Array<ArrayBuffer>) => bigint;

/** A datagram that waits, beside its bytes. */
interface Slot {
  bytes: number;
  /** Of the sockaddr. */
  nameBytes: number;
  to: SocketAddress;
}

/**
 * Datagrams on their way to `sendmmsg`, in the form that it takes. It makes no calls itself. What is pushed is copied
 * into memory that stays where it is, so that the host never reads what JavaScript has moved or freed.
 *
 * Datagrams of one length to one address become one message where {@link segments} says so: the host cuts it up again
 * (`UDP_SEGMENT`), which costs it a third.
 */
export class DatagramQueue {
  /** Whether the host cuts messages up. */
  segments: boolean;
  readonly #addressOf: AddressOf;
  readonly #messages: Memory;
  readonly #controls: Memory;
  /** Slots that each message of the latest {@link prepare} took. */
  readonly #taken = new Uint16Array(MESSAGES_MAX);
  #slots: Slot[] = [];
  #data: Memory;
  #names: Memory;
  #iovecs: Memory;
  /** Slot of the oldest datagram, and how many wait. */
  #head = 0;
  #length = 0;

  constructor({ addressOf, segments }: { addressOf: AddressOf; segments: boolean }) {
    this.segments = segments;
    this.#addressOf = addressOf;
    this.#messages = new Memory(MESSAGES_MAX * MESSAGE_BYTES, addressOf);
    this.#controls = new Memory(MESSAGES_MAX * CONTROL_BYTES, addressOf);
    for (let at = 0; at < MESSAGES_MAX; at++) this.#prepareControl(at);
    [this.#data, this.#names, this.#iovecs] = this.#open(SLOTS.first);
  }

  /** Whether another datagram makes the memory grow, or is refused. */
  get isFull(): boolean {
    return this.#length === this.#slots.length;
  }

  /** The array of `struct mmsghdr` that {@link prepare} fills. */
  get messages(): Uint8Array<ArrayBuffer> {
    return this.#messages.bytes;
  }

  /**
   * Appends a copy of a datagram of at most {@link DATAGRAM_BYTES_MAX} bytes.
   * @param sockaddr What the host calls `to`.
   * @returns False when as many wait as may.
   */
  push(
    datagram: Uint8Array,
    { to, sockaddr }: { to: SocketAddress; sockaddr: Uint8Array },
  ): boolean {
    if (this.isFull && !this.#grow()) return false;
    const at = (this.#head + this.#length) % this.#slots.length;
    this.#data.bytes.set(datagram, at * SLOT_BYTES);
    this.#names.bytes.set(sockaddr, at * NAME_BYTES);
    this.#iovecs.words[(at * IOVEC_BYTES) / 4 + 2] = datagram.length;
    const slot = this.#slots[at];
    if (slot === undefined) return false;
    slot.bytes = datagram.length;
    slot.nameBytes = sockaddr.length;
    slot.to = to;
    this.#length++;
    return true;
  }

  /** Writes the next messages. @returns How many; 0 when nothing waits. */
  prepare(): number {
    // Slots of one message have to lie side by side: what lies at the start of the ring comes next time.
    const end = Math.min(this.#head + this.#length, this.#slots.length);
    let count = 0;
    for (let at = this.#head; at < end && count < MESSAGES_MAX; count++) {
      const slots = this.segments ? this.#countSegments(at, end) : 1;
      this.#write(count, at, slots);
      at += slots;
    }
    return count;
  }

  /** Forgets the first of the messages that were prepared: they were sent, or never will be. */
  release(messages: number): void {
    for (let at = 0; at < messages; at++) {
      const slots = this.#taken[at] ?? 0;
      this.#head = (this.#head + slots) % this.#slots.length;
      this.#length -= slots;
    }
    // From the start of the ring more datagrams lie side by side.
    if (this.#length === 0) this.#head = 0;
  }

  /** Datagrams of one of the messages that were prepared. */
  datagramsOf(message: number): number {
    return this.#taken[message] ?? 0;
  }

  /** All segments of a message have the length of its first; only the last may be shorter. */
  #countSegments(first: number, end: number): number {
    const { bytes, to } = this.#slots[first] ?? NO_SLOT;
    let total = bytes;
    let last = first;
    while (last + 1 < end && last + 1 - first < SEGMENTS_MAX) {
      const former = this.#slots[last] ?? NO_SLOT;
      const next = this.#slots[last + 1] ?? NO_SLOT;
      total += next.bytes;
      if (former.bytes !== bytes || next.bytes > bytes || next.bytes === 0) break;
      if (total > MESSAGE_BYTES_MAX || !isSame(next.to, to)) break;
      last++;
    }
    return last + 1 - first;
  }

  #write(message: number, slot: number, slots: number): void {
    const word = (message * MESSAGE_BYTES) / 4;
    const { words } = this.#messages;
    const { nameBytes, bytes } = this.#slots[slot] ?? NO_SLOT;
    this.#names.point(this.#messages, word + FIELD.name, slot * NAME_BYTES);
    words[word + FIELD.nameBytes] = nameBytes;
    this.#iovecs.point(this.#messages, word + FIELD.iovec, slot * IOVEC_BYTES);
    words[word + FIELD.iovecs] = slots;
    words[word + FIELD.controlBytes] = slots > 1 ? CONTROL_BYTES : 0;
    if (slots > 1) this.#controls.words[(message * CONTROL_BYTES) / 4 + 4] = bytes;
    this.#taken[message] = slots;
  }

  /** Writes what does not change: where the control messages lie, and what they are. */
  #prepareControl(message: number): void {
    const { words } = this.#controls;
    const word = (message * CONTROL_BYTES) / 4;
    words[word] = CONTROL_LENGTH;
    words[word + 2] = SEGMENT_OPTION.level;
    words[word + 3] = SEGMENT_OPTION.type;
    const field = (message * MESSAGE_BYTES) / 4 + FIELD.control;
    this.#controls.point(this.#messages, field, message * CONTROL_BYTES);
  }

  #grow(): boolean {
    const former = { slots: this.#slots, data: this.#data.bytes, names: this.#names.bytes };
    if (former.slots.length >= SLOTS.most) return false;
    const [head, length] = [this.#head, this.#length];
    [this.#data, this.#names, this.#iovecs] = this.#open(2 * former.slots.length);
    this.#head = this.#length = 0;
    for (let index = 0; index < length; index++) {
      const at = (head + index) % former.slots.length;
      const { bytes, nameBytes, to } = former.slots[at] ?? NO_SLOT;
      const datagram = former.data.subarray(at * SLOT_BYTES, at * SLOT_BYTES + bytes);
      const sockaddr = former.names.subarray(at * NAME_BYTES, at * NAME_BYTES + nameBytes);
      this.push(datagram, { to, sockaddr });
    }
    return true;
  }

  #open(slots: number): [data: Memory, names: Memory, iovecs: Memory] {
    const data = new Memory(slots * SLOT_BYTES, this.#addressOf);
    const names = new Memory(slots * NAME_BYTES, this.#addressOf);
    const iovecs = new Memory(slots * IOVEC_BYTES, this.#addressOf);
    this.#slots = Array.from({ length: slots }, () => ({ ...NO_SLOT }));
    for (let at = 0; at < slots; at++) {
      data.point(iovecs, (at * IOVEC_BYTES) / 4, at * SLOT_BYTES);
    }
    return [data, names, iovecs];
  }
}

const NO_SLOT: Slot = { bytes: 0, nameBytes: SOCKADDR_BYTES, to: { hostname: "", port: 0 } };

function isSame(one: SocketAddress, other: SocketAddress): boolean {
  return one === other || (one.port === other.port && one.hostname === other.hostname);
}
