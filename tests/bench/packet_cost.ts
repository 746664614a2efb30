import { SYSTEM_CLOCK } from "../../src/base/clock.ts";
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { openUdpPort } from "../../src/ports/udp_port.ts";
import { RtpStream } from "../../src/transport/rtp/rtp_stream.ts";
import { createSrtpSender } from "../../src/transport/rtp/srtp.ts";
import { type Figure, median, type Progress } from "./figure.ts";
import { WeriftSender } from "./werift_sender.ts";

const ROUNDS = 9;
const FRAMES_PER_ROUND = 500;
/** About what a frame of 2.5 Mbit/s at 30 fps has. */
const PACKETS_PER_FRAME = 9;
/** With header and authentication tag 1200 bytes, the most that is ever sent. */
const PAYLOAD_BYTES = 1172;

/** Sends one frame; settles when its packets have left. */
type SendFrame = () => Promise<unknown> | void;

/**
 * What it costs to send one RTP packet by AES-128-GCM on loopback, ours and werift's, split in encryption and UDP.
 * The ways take turns, so that each meets the same moods of the machine; nobody reads at the other end.
 */
export async function measurePacketCost(progress: Progress): Promise<Figure[]> {
  await using ways = openWays();
  const costs = new Map<string, number[]>();
  // Round 0 is for the compiler.
  for (let round = 0; round <= ROUNDS; round++) {
    progress(round === 0 ? "warming up" : `round ${round} of ${ROUNDS}`);
    for (const [name, sendFrame] of Object.entries(ways.byName)) {
      const costUs = await measureFrames(sendFrame);
      if (round > 0) costs.set(name, [...costs.get(name) ?? [], costUs]);
    }
  }
  const cost = (name: keyof Ways) => median(costs.get(name) ?? []);
  return [
    { name: "packet, RTP and SRTP", value: cost("ourSrtp"), unit: "µs" },
    { name: "packet, UDP", value: cost("ourUdp"), unit: "µs" },
    { name: "packet, all", value: cost("ourAll"), unit: "µs" },
    { name: "packet, werift's SRTP", value: cost("weriftSrtp"), unit: "µs" },
    { name: "packet, node:dgram", value: cost("dgram"), unit: "µs" },
    { name: "packet, werift's sender and node:dgram", value: cost("weriftAll"), unit: "µs" },
    { name: "all, ours / werift's", value: cost("ourAll") / cost("weriftAll"), unit: "" },
  ];
}

type Ways = Readonly<
  Record<"ourSrtp" | "ourUdp" | "ourAll" | "weriftSrtp" | "dgram" | "weriftAll", SendFrame>
>;

/** Our side alone; `await using` closes its sockets. `measure`: microseconds for one of so many packets, all included. */
export function openOurPackets(): AsyncDisposable & { measure(packets: number): Promise<number> } {
  const { sink, port, sendFrame } = openSender();
  return {
    measure: (packets) => measureFrames(sendFrame, Math.ceil(packets / PACKETS_PER_FRAME)),
    async [Symbol.asyncDispose]() {
      await port.close();
      await sink.close();
    },
  };
}

/** A stream to a port that nobody reads. The caller closes both ports. */
function openSender() {
  const sink = openUdpPort("127.0.0.1", 0);
  const to = { hostname: "127.0.0.1", port: sink.port };
  const port = openUdpPort("127.0.0.1", 0);
  const stream = openStream((packet) => void port.send(packet, to));
  const payload = randomBytes(PAYLOAD_BYTES);
  const payloads = Array.from({ length: PACKETS_PER_FRAME }, () => payload);
  const frame = { payloads, timestampUs: 0, marker: true };
  return { sink, port, to, sendFrame: () => void stream.send(frame) };
}

function openWays(): AsyncDisposable & { readonly byName: Ways } {
  const payload = randomBytes(PAYLOAD_BYTES);
  const payloads = Array.from({ length: PACKETS_PER_FRAME }, () => payload);
  const each = <T>(send: (packet: Uint8Array) => T): T[] => payloads.map(send);

  const { sink, port, to, sendFrame } = openSender();
  const silent = openStream(() => {});
  const frame = { payloads, timestampUs: 0, marker: true };

  const socket = createSocket("udp4");
  const sendByNode = (packet: Uint8Array) =>
    new Promise<void>((resolve) => socket.send(packet, to.port, to.hostname, () => resolve()));
  const werift = new WeriftSender(sendByNode);

  return {
    byName: {
      ourSrtp: () => silent.send(frame),
      // What is sent in one turn leaves at its end.
      ourUdp: () => void each((packet) => port.send(packet, to)),
      ourAll: sendFrame,
      weriftSrtp: () => void each((packet) => werift.encrypt(packet)),
      dgram: () => Promise.all(each(sendByNode)),
      weriftAll: () => Promise.all(each((packet) => werift.send(packet))),
    },
    async [Symbol.asyncDispose]() {
      werift.close();
      socket.close();
      await port.close();
      await sink.close();
    },
  };
}

function openStream(send: (packet: Uint8Array) => void): RtpStream {
  const stream = new RtpStream({ payloadType: 96, clockRate: 90_000, clock: SYSTEM_CLOCK, send });
  stream.start(createSrtpSender({
    profile: "aead_aes_128_gcm",
    masterKey: randomBytes(16),
    masterSalt: randomBytes(12),
  }));
  return stream;
}

/** Microseconds for one packet. */
async function measureFrames(sendFrame: SendFrame, frames = FRAMES_PER_ROUND): Promise<number> {
  const startedMs = performance.now();
  for (let frame = 0; frame < frames; frame++) await sendFrame();
  const spentMs = performance.now() - startedMs;
  return 1000 * spentMs / (frames * PACKETS_PER_FRAME);
}
