import assert from "assert";
import { type ChannelEvent, Channels } from "../../../src/transport/sctp/channels.ts";
import type { Chunk } from "../../../src/transport/sctp/chunks.ts";
import { CHECKSUM_IS_LITTLE_ENDIAN, packetChecksum } from "../../../src/transport/sctp/crc32c.ts";
import { parsePacket } from "../../../src/transport/sctp/parse_packet.ts";
import { Random } from "../random.ts";

/** Both sides' port. */
const PORT = 5000;

/** 32-bit numbers as bytes. */
export function words(...values: readonly number[]): number[] {
  return values.flatMap((value) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff));
}

/** A chunk as it stands in a packet, padded; its length may be a lie. */
export function chunk(
  type: number,
  body: readonly number[] | Uint8Array = [],
  { flags = 0, length = 4 + body.length }: { flags?: number; length?: number } = {},
): Uint8Array {
  const bytes = new Uint8Array((4 + body.length + 3) & ~3);
  bytes.set([type, flags, (length >>> 8) & 0xff, length & 0xff]);
  bytes.set(body, 4);
  return bytes;
}

/** A packet with a right checksum around anything. */
export function packet(tag: number, ...chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = Uint8Array.from([
    ...[PORT >> 8, PORT & 0xff, PORT >> 8, PORT & 0xff, ...words(tag), 0, 0, 0, 0],
    ...chunks.flatMap((each) => [...each]),
  ]);
  if (bytes.length >= 12) {
    new DataView(bytes.buffer).setUint32(8, packetChecksum(bytes), CHECKSUM_IS_LITTLE_ENDIAN);
  }
  return bytes;
}

/** What a piece of data says. */
export interface Piece {
  readonly tsn: number;
  readonly stream?: number;
  readonly ssn?: number;
  readonly ppid?: number;
  /** `B`egins, `E`nds, `U`nordered, `I`mmediate. */
  readonly flags?: string;
  readonly payload?: readonly number[] | Uint8Array;
}

/** A DATA chunk. */
export function data(
  { tsn, stream = 0, ssn = 0, ppid = 51, flags = "BE", payload = [120] }: Piece,
): Uint8Array {
  const bits = [..."EBUI"].reduce(
    (sum, each, bit) => sum | (flags.includes(each) ? 1 << bit : 0),
    0,
  );
  const body = [...words(tsn), stream >> 8, stream & 0xff, ssn >> 8, ssn & 0xff, ...words(ppid)];
  return chunk(0, [...body, ...payload], { flags: bits });
}

/** An INIT. */
export function init(
  { tag = 7, window = 0x10_0000, out = 100, into = 100, tsn = 1, parameters = [] }: {
    tag?: number;
    window?: number;
    out?: number;
    into?: number;
    tsn?: number;
    parameters?: readonly number[];
  } = {},
): Uint8Array {
  const streams = [out >> 8, out & 0xff, into >> 8, into & 0xff];
  return chunk(1, [...words(tag, window), ...streams, ...words(tsn), ...parameters]);
}

/** A SACK. */
export function sack(
  cumulativeTsn: number,
  { window = 0x10_0000, gaps = [], duplicates = [], counts }: {
    window?: number;
    gaps?: readonly (readonly [number, number])[];
    duplicates?: readonly number[];
    counts?: readonly [number, number];
  } = {},
): Uint8Array {
  const [blocks, again] = counts ?? [gaps.length, duplicates.length];
  return chunk(3, [
    ...words(cumulativeTsn, window, ((blocks << 16) | again) >>> 0),
    ...gaps.flatMap(([start, end]) => words(((start << 16) | end) >>> 0)),
    ...words(...duplicates),
  ]);
}

/** A DATA_CHANNEL_OPEN for a label. */
export function dcepOpen(label: string, type = 0): number[] {
  const name = [...new TextEncoder().encode(label)];
  return [3, type, 0, 0, 0, 0, 0, 0, name.length >> 8, name.length & 0xff, 0, 0, ...name];
}

/** Somebody who speaks SCTP with a server's data channels as they like, in virtual time. */
export class SctpAttacker {
  readonly channels: Channels;
  readonly events: ChannelEvent[] = [];
  /** Chunks of the server, in order. */
  readonly answers: Chunk[] = [];
  nowMs = 1_000;
  /** The server's tag, its cookie, and its last TSN, as its INIT-ACK said. */
  tag = 0;
  cookie: Uint8Array = new Uint8Array(0);
  lastTsn = 0;
  /** Our next TSN. */
  tsn = 1;

  constructor(seed = 1) {
    const random = new Random(seed);
    this.channels = new Channels({
      address: { sourcePort: PORT, destinationPort: PORT },
      random: (bytes) => random.bytes(bytes),
    });
  }

  /** One whose association stands. */
  static associated(options: { seed?: number; tsn?: number } = {}): SctpAttacker {
    const attacker = new SctpAttacker(options.seed);
    attacker.associate(options.tsn);
    return attacker;
  }

  /** One with an open channel `pinhole` on stream 0. */
  static withChannel(options: { seed?: number; tsn?: number } = {}): SctpAttacker {
    const attacker = SctpAttacker.associated(options);
    attacker.say(data({ tsn: attacker.next(), ppid: 50, payload: dcepOpen("pinhole") }));
    attacker.say(sack(attacker.sentTsn));
    return attacker;
  }

  /** Reasons of what was dropped. */
  get drops(): string[] {
    return this.events.flatMap((event) => event.kind === "dropped" ? [event.reason] : []);
  }

  /** Why the association ended; `undefined` while it goes on. */
  get end(): string | undefined {
    return this.events.flatMap((event) => event.kind === "ended" ? [event.reason] : [])[0];
  }

  /** Messages that the server got. */
  get messages(): (string | Uint8Array)[] {
    return this.events.flatMap((event) => event.kind === "message" ? [event.data] : []);
  }

  /** The highest TSN that the server sent. */
  get sentTsn(): number {
    return this.answers.reduce(
      (last, each) => each.kind === "data" && ((each.tsn - last) | 0) > 0 ? each.tsn : last,
      this.lastTsn,
    );
  }

  /** Gives out our next TSN. */
  next(): number {
    const { tsn } = this;
    this.tsn = (tsn + 1) >>> 0;
    return tsn;
  }

  /** Shakes hands. */
  associate(tsn = 1): void {
    this.tsn = tsn;
    this.raw(packet(0, init({ tsn })));
    const answer = this.answers.at(-1);
    if (answer?.kind !== "init_ack") throw new Error("The server gave no INIT-ACK");
    this.tag = answer.terms.tag;
    this.cookie = answer.cookie ?? this.cookie;
    this.lastTsn = (answer.terms.initialTsn - 1) >>> 0;
    this.say(chunk(10, this.cookie));
  }

  /** Sends chunks under the server's tag. */
  say(...chunks: readonly Uint8Array[]): void {
    this.raw(packet(this.tag, ...chunks));
  }

  /** Sends a packet as it is. */
  raw(bytes: Uint8Array): void {
    this.channels.receive(bytes, this.nowMs);
    this.collect();
  }

  /** Lets time pass, with all timers of the server in it. */
  wait(ms: number): void {
    const endMs = this.nowMs + ms;
    for (let atMs = this.channels.timeoutAtMs; atMs !== undefined && atMs <= endMs;) {
      this.nowMs = Math.max(this.nowMs, atMs);
      this.channels.timeout(this.nowMs);
      this.collect();
      atMs = this.channels.timeoutAtMs;
    }
    this.nowMs = endMs;
  }

  /** Takes what the server has to say. */
  collect(): void {
    for (const each of this.channels.takePackets()) {
      const read = parsePacket(each);
      if ("fault" in read) throw new Error(`The server made a packet that is ${read.fault}`);
      if (each.length > 1188) throw new Error(`The server made a packet of ${each.length} bytes`);
      this.answers.push(...read.chunks);
    }
    this.events.push(...this.channels.takeEvents());
  }
}

/** The association stands, and takes messages. */
export function assertAlive(attacker: SctpAttacker): void {
  assert.equal(attacker.end, undefined);
  const before = attacker.messages.length;
  attacker.say(data({ tsn: attacker.next(), flags: "BEU", payload: [111, 107] }));
  assert.equal(attacker.messages.length, before + 1, "a message no longer arrives");
  assert.equal(attacker.messages.at(-1), "ok");
}
