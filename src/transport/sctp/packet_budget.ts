import type { Chunk, Packet } from "./chunks.ts";
import { CHUNKS_PER_SECOND_MAX, PACKETS_PER_SECOND_MAX } from "./limits.ts";

/** Chunks that cost ten times as much as others: they are answered, or looked at beside all that was sent. */
const COSTLY: ReadonlySet<Chunk["kind"]> = new Set([
  ...["init", "sack", "heartbeat", "forward_tsn", "reconfig", "cookie_echo"] as const,
]);
const COSTLY_CHUNKS = 10;

/** What a packet takes of the budget of chunks. */
function chunkCost({ chunks }: Packet): number {
  let cost = 0;
  for (const chunk of chunks) {
    cost += COSTLY.has(chunk.kind) ? COSTLY_CHUNKS : 1;
    if (chunk.kind === "forward_tsn") cost += chunk.streams.length;
  }
  return cost;
}

/** What one viewer may send in a second, so that a flood costs little, whatever it is of. Pure. */
export class PacketBudget {
  readonly #packets: TokenBucket;
  readonly #chunks: TokenBucket;

  constructor(nowMs: number) {
    this.#packets = new TokenBucket(PACKETS_PER_SECOND_MAX, nowMs);
    this.#chunks = new TokenBucket(CHUNKS_PER_SECOND_MAX, nowMs);
  }

  /** Takes a packet, before it is read. @returns Whether it fits in. */
  takePacket(nowMs: number): boolean {
    return this.#packets.take(1, nowMs);
  }

  /** Takes the chunks of a packet. @returns Whether they fit in. */
  takeChunks(packet: Packet, nowMs: number): boolean {
    return this.#chunks.take(chunkCost(packet), nowMs);
  }
}

/** What may happen in the long run and at once: as much as in one second. */
class TokenBucket {
  readonly #perSecond: number;
  #tokens: number;
  #atMs: number;

  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
    this.#atMs = nowMs;
  }

  /** Takes so many. @returns Whether there were as many. */
  take(count: number, nowMs: number): boolean {
    const seconds = Math.max(0, nowMs - this.#atMs) / 1000;
    this.#atMs = nowMs;
    this.#tokens = Math.min(this.#perSecond, this.#tokens + seconds * this.#perSecond);
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }
}
