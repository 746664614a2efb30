import { randomBytes } from "node:crypto";
import { isIPv6 } from "node:net";
import { errorText } from "../base/errors.ts";
import { DATAGRAM_BYTES_MAX } from "../base/limits.ts";
import { formatFrames, FrameReader } from "../ports/rfc4571.ts";
import { openUdpPort } from "../ports/udp_port.ts";
import type { SocketAddress } from "../base/ip.ts";
import { parseStun, verifyFingerprint, verifyMessageIntegrity } from "../transport/ice/stun.ts";
import { formatBindingRequest } from "../transport/ice/stun_format.ts";

/** Interval between requests to one target, in milliseconds: as browsers do, so that a single loss does not matter. */
const REPEAT_MS = 300;

/** Target of a path check. */
export interface PathTarget {
  /** IP literal and public port. */
  readonly to: SocketAddress;
  /** Credentials of one port of a path check. */
  readonly ufrag: string;
  readonly pwd: string;
  /** Size of the request, and so of the answer, in bytes: a multiple of 4. Default: no padding. */
  readonly sizeBytes?: number;
}

/** Result of checking one path. */
export type PathOutcome =
  | {
    readonly kind: "answered";
    readonly roundTripMs: number;
    /** The address that the server saw the request come from. */
    readonly seenFrom: SocketAddress;
  }
  /** The answer came from another address than the request went to; browsers drop it (RFC 8445 §7.2.5.2.1). */
  | { readonly kind: "elsewhere"; readonly from: SocketAddress }
  /** Something came back, but not an answer that the server signed. */
  | { readonly kind: "altered" }
  /** Nothing came back. */
  | { readonly kind: "silent" }
  /** This host, or for TCP the remote one, refused the packet or the connection. */
  | { readonly kind: "refused"; readonly reason: string };

/** Sends STUN checks over UDP until one is answered or the deadline passes. Never rejects. */
export async function checkUdpPath(
  target: PathTarget,
  { deadlineMs }: { deadlineMs: number },
): Promise<PathOutcome> {
  const exchange = new Exchange(target);
  const socket = openUdpPort(isIPv6(target.to.hostname) ? "::" : "0.0.0.0", 0);
  let sent = false;
  const send = async () => {
    if (await socket.send(exchange.request(), target.to)) sent = true;
  };
  socket.onDatagram((packet, from) => exchange.receive(packet, from));
  const repeating = setInterval(send, REPEAT_MS);
  try {
    await send();
    const outcome = await exchange.outcome(deadlineMs);
    if (outcome.kind !== "silent" || sent) return outcome;
    return { kind: "refused", reason: "this host cannot send there" };
  } finally {
    clearInterval(repeating);
    await socket.close();
  }
}

/** Sends one STUN check over TCP, framed as ICE-TCP does (RFC 6544 §10.1, RFC 4571). Never rejects. */
export async function checkTcpPath(
  target: PathTarget,
  { deadlineMs }: { deadlineMs: number },
): Promise<PathOutcome> {
  const exchange = new Exchange(target);
  const stopping = new AbortController();
  const talking = talk().catch((error) => exchange.fail(errorText(error)));
  const outcome = await exchange.outcome(deadlineMs);
  stopping.abort();
  await talking;
  return outcome;

  async function talk(): Promise<void> {
    const connection = await Deno.connect({ ...target.to, signal: stopping.signal });
    stopping.signal.addEventListener("abort", () => connection.close());
    if (stopping.signal.aborted) return connection.close();
    const reader = new FrameReader(DATAGRAM_BYTES_MAX);
    await connection.write(formatFrames([exchange.request()]));
    const buffer = new Uint8Array(DATAGRAM_BYTES_MAX);
    for (let count = await connection.read(buffer); count; count = await connection.read(buffer)) {
      reader.push(buffer.subarray(0, count), (packet) => exchange.receive(packet));
    }
    exchange.fail("the connection was closed without an answer");
  }
}

/** Requests to one target, and verification of the answers. */
class Exchange {
  readonly #target: PathTarget;
  readonly #key: Uint8Array;
  /** Send time of each request, by transaction id. */
  readonly #sentMs = new Map<string, number>();
  readonly #settled = Promise.withResolvers<PathOutcome>();
  #altered = false;
  /** Source of the first answer that did not come from the target; one from the target may still follow. */
  #elsewhere: SocketAddress | undefined;

  constructor(target: PathTarget) {
    this.#target = target;
    this.#key = new TextEncoder().encode(target.pwd);
  }

  /** Formats the next request, with a new transaction id, so that its round trip can be measured. */
  request(): Uint8Array {
    const { ufrag, sizeBytes = 0 } = this.#target;
    const transactionId = randomBytes(12);
    this.#sentMs.set(transactionId.toString("hex"), performance.now());
    return formatBindingRequest({
      transactionId,
      key: this.#key,
      username: `${ufrag}:check`,
      // RFC 8445 §5.1.2.1, of a peer-reflexive candidate; the server does not look at it.
      priority: 0x6eff_ffff,
      role: "controlling",
      tieBreaker: randomBytes(8).readBigUInt64BE(),
      sizeBytes,
    });
  }

  /** @param from Source address, if it may differ from the target. */
  receive(packet: Uint8Array, from: SocketAddress = this.#target.to): void {
    const message = parseStun(packet);
    if ("invalid" in message) {
      this.#altered = true;
      return;
    }
    const sentMs = this.#sentMs.get(Array.from(message.transactionId, hexOf).join(""));
    const { messageClass, xorMappedAddress: seenFrom } = message;
    const isAuthentic = messageClass === "success" && verifyFingerprint(message) &&
      verifyMessageIntegrity(message, this.#key);
    if (sentMs === undefined || seenFrom === undefined || !isAuthentic) {
      this.#altered = true;
      return;
    }
    if (!isSame(from, this.#target.to)) {
      this.#elsewhere ??= { ...from };
      return;
    }
    const roundTripMs = performance.now() - sentMs;
    this.#settled.resolve({ kind: "answered", roundTripMs, seenFrom });
  }

  fail(reason: string): void {
    this.#settled.resolve({ kind: "refused", reason });
  }

  async outcome(deadlineMs: number): Promise<PathOutcome> {
    const timer = setTimeout(() => this.#settled.resolve(this.#failure()), deadlineMs);
    try {
      return await this.#settled.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #failure(): PathOutcome {
    if (this.#elsewhere !== undefined) return { kind: "elsewhere", from: this.#elsewhere };
    return { kind: this.#altered ? "altered" : "silent" };
  }
}

/** Whether two addresses are equal, in whatever notation. */
function isSame(one: SocketAddress, other: SocketAddress): boolean {
  return one.port === other.port && plain(one.hostname) === plain(other.hostname);
}

/** An IPv6 address in canonical form (RFC 5952); an IPv4-mapped one as IPv4. */
function plain(hostname: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(hostname)?.[1];
  if (mapped !== undefined || !hostname.includes(":")) return mapped ?? hostname;
  return new URL(`http://[${hostname}]`).hostname.slice(1, -1);
}

function hexOf(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
