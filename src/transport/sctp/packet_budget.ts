import type { Chunk, Packet } from "./chunks.ts";
import { TokenBucket } from "../../base/token_bucket.ts";
import { CHUNKS, PACKETS } from "./limits.ts";

/** Chunks that count tenfold, because they are answered, or compared with everything in flight. */
const COSTLY: ReadonlySet<Chunk["kind"]> = new Set([
  ...["init", "sack", "heartbeat", "forward_tsn", "reconfig", "cookie_echo"] as const,
]);
const COSTLY_CHUNKS = 10;

/** Cost of a packet in the budget of chunks. */
function chunkCost({ chunks }: Packet): number {
  let cost = 0;
  for (const chunk of chunks) {
    cost += COSTLY.has(chunk.kind) ? COSTLY_CHUNKS : 1;
    if (chunk.kind === "forward_tsn") cost += chunk.streams.length;
  }
  return cost;
}

/** Limits what one viewer may send per second, so that any kind of flood costs little. Pure. */
export class PacketBudget {
  readonly #packets = new TokenBucket(PACKETS);
  readonly #chunks = new TokenBucket(CHUNKS);

  /** Charges a packet, before it is parsed. @returns Whether it fits. */
  takePacket(nowMs: number): boolean {
    return this.#packets.take(nowMs);
  }

  /** Charges the chunks of a packet. @returns Whether they fit. */
  takeChunks(packet: Packet, nowMs: number): boolean {
    return this.#chunks.take(nowMs, chunkCost(packet));
  }
}
