import { formatForwardTsn, type PacketAddress, PacketBuilder } from "./format.ts";
import type { Incoming } from "./incoming.ts";
import { PACKET_BYTES_MAX } from "./limits.ts";
import type { Outgoing } from "./outgoing.ts";
import type { StreamResets } from "./stream_resets.ts";

/** Header of a packet, and a SACK without gaps. */
const HEADER_BYTES = 12;
const SACK_BYTES = 16;

/** Both halves of an association, and the address of its packets. */
export interface PackingState {
  readonly address: PacketAddress;
  /** The peer's verification tag. */
  readonly tag: number;
  readonly incoming: Incoming;
  readonly outgoing: Outgoing;
  readonly resets: StreamResets;
}

/**
 * Builds the packets that may be sent now: control chunks, a SACK that is due or can be bundled, and data, unless the
 * association is ending (RFC 9260 §6.10: control comes first).
 */
export function packChunks(
  state: PackingState,
  { control, withData, nowMs }: {
    readonly control: readonly Uint8Array[];
    readonly withData: boolean;
    readonly nowMs: number;
  },
): Uint8Array[] {
  const packer = new Packer(state);
  if ((state.incoming.sackAtMs ?? Infinity) <= nowMs) packer.addSack();
  for (const chunk of control) packer.addControl(chunk);
  if (withData) {
    for (const chunk of dueChunks(state, nowMs)) packer.addControl(chunk);
    while (packer.addData(nowMs));
  }
  return packer.finish();
}

class Packer {
  readonly #state: PackingState;
  readonly #packets: Uint8Array[] = [];
  #builder: PacketBuilder | undefined;

  constructor(state: PackingState) {
    this.#state = state;
  }

  addSack(): void {
    const sack = this.#state.incoming.takeSack();
    if (sack !== undefined) this.addControl(sack);
  }

  addControl(chunk: Uint8Array): void {
    if (this.#builder !== undefined && this.#builder.roomBytes < chunk.length) this.#end();
    this.#begin().add(chunk);
  }

  /** @returns Whether there was a fragment to add. */
  addData(nowMs: number): boolean {
    const { outgoing } = this.#state;
    const piece = this.#builder === undefined ? undefined : outgoing.next(this.#builder, nowMs);
    if (piece !== undefined) {
      this.#begin().addData(piece, { immediate: outgoing.waiting.messages === 0 });
      return true;
    }
    this.#end();
    return this.#beginWithData(nowMs);
  }

  finish(): Uint8Array[] {
    this.#end();
    return this.#packets;
  }

  #beginWithData(nowMs: number): boolean {
    const { incoming, outgoing } = this.#state;
    const roomBytes = PACKET_BYTES_MAX - HEADER_BYTES;
    const hasSack = incoming.sackAtMs !== undefined;
    // Bundle a delayed SACK, unless a full packet must be retransmitted unchanged.
    let piece = outgoing.next(
      { roomBytes: roomBytes - (hasSack ? SACK_BYTES : 0), isEmpty: true },
      nowMs,
    );
    if (piece !== undefined && hasSack) this.addSack();
    if (piece === undefined && hasSack) piece = outgoing.next({ roomBytes, isEmpty: true }, nowMs);
    if (piece === undefined) return false;
    // If nothing follows soon, a delayed SACK would only make us wait.
    this.#begin().addData(piece, { immediate: outgoing.waiting.messages === 0 });
    return true;
  }

  #begin(): PacketBuilder {
    return this.#builder ??= new PacketBuilder(this.#state.address, this.#state.tag);
  }

  #end(): void {
    if (this.#builder !== undefined) this.#packets.push(this.#builder.build());
    this.#builder = undefined;
  }
}

/** FORWARD-TSN and reset requests that are due. */
function dueChunks({ outgoing, resets }: PackingState, nowMs: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  const skip = outgoing.takeSkip();
  if (skip !== undefined) chunks.push(formatForwardTsn(skip));
  if (resets.pending.size === 0) return chunks;
  const ready = [...resets.pending].filter((stream) => !outgoing.hasWaiting(stream));
  const timeoutAtMs = nowMs + 2 * outgoing.retransmitMs;
  const request = resets.takeRequest(ready, { lastTsn: outgoing.lastTsn, timeoutAtMs });
  if (request === undefined) return chunks;
  for (const stream of ready) if (!resets.pending.has(stream)) outgoing.resetStream(stream);
  return [...chunks, request];
}
