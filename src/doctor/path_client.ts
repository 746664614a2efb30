import { randomBytes } from "node:crypto";
import { isIPv6 } from "node:net";
import { errorText } from "../base/errors.ts";
import { DATAGRAM_BYTES_MAX } from "../base/limits.ts";
import { formatFrames, FrameReader } from "../ports/rfc4571.ts";
import { openUdpPort, type SocketAddress } from "../ports/udp_port.ts";
import { parseStun, verifyFingerprint, verifyMessageIntegrity } from "../transport/ice/stun.ts";
import { formatBindingRequest } from "../transport/ice/stun_format.ts";

/** Time between two requests to one target, in milliseconds: like a browser's, so that one loss means nothing. */
const REPEAT_MS = 300;

/** Where a path check sends to. */
export interface PathTarget {
  /** IP literal and public port. */
  readonly to: SocketAddress;
  /** Credentials of one port of a path check. */
  readonly ufrag: string;
  readonly pwd: string;
  /** Size of the request, and so of the answer: a multiple of 4. Default: as short as they are. */
  readonly sizeBytes?: number;
}

/** What came of checking one path. */
export type PathOutcome =
  | {
    readonly kind: "answered";
    readonly roundTripMs: number;
    /** The address that the server saw the request come from. */
    readonly seenFrom: SocketAddress;
  }
  /** The server's answer came, but not from where the question went; browsers drop it (RFC 8445 §7.2.5.2.1). */
  | { readonly kind: "elsewhere"; readonly from: SocketAddress }
  /** Something came back, but not an answer that the server signed. */
  | { readonly kind: "altered" }
  /** Nothing came back. */
  | { readonly kind: "silent" }
  /** This host, or for TCP the other one, did not let us send. */
  | { readonly kind: "refused"; readonly reason: string };

/** Sends STUN checks over UDP until one is answered, or time is up. Never rejects. */
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
    return { kind: "refused", reason: "this host does not send there" };
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

/** Requests to one target, and what of the answers to them is authentic. */
class Exchange {
  readonly #target: PathTarget;
  readonly #key: Uint8Array;
  /** When each request left, by transaction id. */
  readonly #sentMs = new Map<string, number>();
  readonly #settled = Promise.withResolvers<PathOutcome>();
  #altered = false;
  /** Where answers came from that did not come from the target; one from there may still follow. */
  #elsewhere: SocketAddress | undefined;

  constructor(target: PathTarget) {
    this.#target = target;
    this.#key = new TextEncoder().encode(target.pwd);
  }

  /** The next request; each has a transaction id of its own, so that its round trip is known. */
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

  /** @param from Where it came from, where that may be another address than it was sent to. */
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

/** Whether two addresses are one, however they are written. */
function isSame(one: SocketAddress, other: SocketAddress): boolean {
  return one.port === other.port && plain(one.hostname) === plain(other.hostname);
}

/** An IPv6 address in its short form (RFC 5952), and an IPv4 address in an IPv6 one as it is. */
function plain(hostname: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(hostname)?.[1];
  if (mapped !== undefined || !hostname.includes(":")) return mapped ?? hostname;
  return new URL(`http://[${hostname}]`).hostname.slice(1, -1);
}

function hexOf(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
