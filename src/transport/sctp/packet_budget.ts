import type { Chunk, Packet } from "./chunks.ts";
import { TokenBucket } from "../../base/token_bucket.ts";
import { CHUNKS, PACKETS } from "./limits.ts";

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
  readonly #packets = new TokenBucket(PACKETS);
  readonly #chunks = new TokenBucket(CHUNKS);

  /** Takes a packet, before it is read. @returns Whether it fits in. */
  takePacket(nowMs: number): boolean {
    return this.#packets.take(nowMs);
  }

  /** Takes the chunks of a packet. @returns Whether they fit in. */
  takeChunks(packet: Packet, nowMs: number): boolean {
    return this.#chunks.take(nowMs, chunkCost(packet));
  }
}
