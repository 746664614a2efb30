import { CHUNK, type Chunk, type InitTerms, type Packet } from "./chunks.ts";
import {
  formatAbort,
  formatChunk,
  formatInvalidStream,
  formatPacket,
  formatUnknownChunk,
  type PacketAddress,
} from "./format.ts";
import type { AssociationEnd, AssociationEvent, SctpDrop, Violation } from "./events.ts";
import { Handshake, type HandshakeOutcome } from "./handshake.ts";
import { Incoming } from "./incoming.ts";
import { CONTROL_RETRANSMISSIONS_MAX, HEARTBEAT_BYTES_MAX, STREAMS_MAX } from "./limits.ts";
import { Outgoing } from "./outgoing.ts";
import { PacketBudget } from "./packet_budget.ts";
import { packChunks, type PackingState } from "./packing.ts";
import { parsePacket } from "./parse_packet.ts";
import type { OutgoingMessage } from "./message_queue.ts";
import { StreamResets } from "./stream_resets.ts";

export interface AssociationOptions {
  readonly address: PacketAddress;
  /** Generates so many unguessable bytes. */
  readonly random: (bytes: number) => Uint8Array;
}

/** State of an established association. */
interface Established extends PackingState {
  readonly terms: InitTerms;
  readonly outgoingStreams: number;
}

/** Chunks that must be alone in their packet (RFC 9260 §6.10). */
const ALONE: ReadonlySet<Chunk["kind"]> = new Set(["init", "init_ack", "shutdown_complete"]);

/**
 * One SCTP association (RFC 9260) without a socket or a clock: packets and times go in, packets and events come out.
 * It never throws because of a packet's content. After its end it ignores everything.
 */
export class Association {
  readonly #address: PacketAddress;
  readonly #handshake: Handshake;
  readonly #budget = new PacketBudget();
  #established: Established | undefined;
  #ended = false;
  /** SHUTDOWN-ACK is repeated until SHUTDOWN-COMPLETE arrives. */
  #shutdown: { attempts: number; atMs: number } | undefined;
  /** Control chunks for the next packet. */
  #control: Uint8Array[] = [];
  #packets: Uint8Array[] = [];
  #events: AssociationEvent[] = [];

  constructor({ address, random }: AssociationOptions) {
    this.#address = address;
    this.#handshake = new Handshake(random);
  }

  /** Whether messages can be sent. */
  get isEstablished(): boolean {
    return this.#established !== undefined;
  }

  /** Whether it has ended. */
  get isEnded(): boolean {
    return this.#ended;
  }

  /** Whether neither side has started. */
  get isListening(): boolean {
    return !this.#ended && this.#handshake.isListening;
  }

  /** When {@link timeout} has to be called; `undefined` if not needed. */
  get timeoutAtMs(): number | undefined {
    const { incoming, outgoing, resets } = this.#established ?? {};
    const times = [
      ...[this.#handshake.timeoutAtMs, this.#shutdown?.atMs, incoming?.sackAtMs],
      ...[outgoing?.timeoutAtMs, resets?.timeoutAtMs],
    ].filter((time) => time !== undefined);
    return this.#ended || times.length === 0 ? undefined : Math.min(...times);
  }

  /** Messages that are not completely sent, and their bytes. */
  get waiting(): { readonly messages: number; readonly bytes: number } {
    return this.#established?.outgoing.waiting ?? { messages: 0, bytes: 0 };
  }

  /** Number of outgoing streams that are being reset. */
  get resetting(): number {
    return this.#established?.resets.count ?? 0;
  }

  /** Whether the outgoing half of a stream is being reset. */
  isResetting(stream: number): boolean {
    return this.#established?.resets.has(stream) ?? false;
  }

  /** Bytes of received data that is incomplete or out of order, including objects. */
  get heldBytes(): number {
    return this.#established?.incoming.heldBytes ?? 0;
  }

  /** Takes the packets to send, of at most 1188 bytes each. */
  takePackets(): Uint8Array[] {
    const packets = this.#packets;
    this.#packets = [];
    return packets;
  }

  /** Takes the events since the last call. */
  takeEvents(): AssociationEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** Starts the association from our side, unless the peer did. */
  connect(nowMs: number): void {
    const init = this.#ended ? undefined : this.#handshake.begin(nowMs);
    if (init !== undefined) this.#sendAlone(init.tag, init.chunk);
  }

  /** Processes a packet, which is not used after the call. */
  receive(bytes: Uint8Array, nowMs: number): void {
    if (this.#ended) return this.#drop("after_end");
    if (!this.#budget.takePacket(nowMs)) return this.#drop("over_budget");
    const packet = parsePacket(bytes);
    if ("fault" in packet) return this.#drop(packet.fault);
    const { destinationPort, sourcePort } = this.#address;
    if (packet.sourcePort !== destinationPort || packet.destinationPort !== sourcePort) {
      return this.#drop("wrong_port");
    }
    if (!this.#budget.takeChunks(packet, nowMs)) return this.#drop("over_budget");
    if (!this.#hasRightTag(packet)) return this.#drop("wrong_tag");
    if (packet.chunks.length > 1 && packet.chunks.some(({ kind }) => ALONE.has(kind))) {
      return this.#drop("bundled");
    }
    for (const chunk of packet.chunks) if (!this.#take(chunk, nowMs)) break;
    this.#established?.incoming.endPacket(nowMs);
    this.#flush(nowMs);
  }

  /** Queues a message. @returns `false` if there is no association, or no such stream. */
  send(message: OutgoingMessage, nowMs: number): boolean {
    if (this.#shutdown !== undefined) return false;
    if (message.stream >= (this.#established?.outgoingStreams ?? 0)) return false;
    this.#established?.outgoing.add(message);
    this.#flush(nowMs);
    return true;
  }

  /** Resets the outgoing half of a stream after its queued messages were sent. */
  resetStream(stream: number, nowMs: number): void {
    const { resets, terms, outgoing } = this.#established ?? {};
    if (terms?.reconfig) resets?.add(stream);
    // Without RFC 6525 the peer would never answer; the stream's numbers restart anyway.
    else outgoing?.resetStream(stream);
    this.#flush(nowMs);
  }

  /** Handles expired timers. */
  timeout(nowMs: number): void {
    if (this.#ended) return;
    if (isDue(this.#handshake.timeoutAtMs, nowMs)) {
      const repeated = this.#handshake.timeout(nowMs);
      if (repeated !== undefined) this.#sendAlone(repeated.tag, repeated.chunk);
    }
    if (isDue(this.#shutdown?.atMs, nowMs)) this.#sendShutdownAck(nowMs);
    const { outgoing, resets } = this.#established ?? {};
    if (outgoing !== undefined && isDue(outgoing.timeoutAtMs, nowMs) && !outgoing.timeout(nowMs)) {
      this.#abort("unanswered", "userAbort");
    }
    if (resets !== undefined && outgoing !== undefined && isDue(resets.timeoutAtMs, nowMs)) {
      const chunk = resets.timeout(nowMs + 2 * outgoing.retransmitMs);
      if (chunk !== undefined) this.#control.push(chunk);
    }
    this.#flush(nowMs);
  }

  /** Aborts the association from our side. Idempotent. */
  close(): void {
    if (!this.#ended) this.#abort("closed", "userAbort");
  }

  /** Checks the verification tag (RFC 9260 §8.5). */
  #hasRightTag({ tag, chunks }: Packet): boolean {
    const [first] = chunks;
    if (first?.kind === "init") return tag === 0;
    if ((first?.kind === "abort" || first?.kind === "shutdown_complete") && first.tagReflected) {
      return tag === this.#handshake.peerTag;
    }
    return tag === this.#handshake.tag;
  }

  /** @returns Whether to process the rest of the packet. */
  #take(chunk: Chunk, nowMs: number): boolean {
    switch (chunk.kind) {
      case "init":
        return this.#takeHandshake(this.#handshake.init(chunk, nowMs));
      case "init_ack":
        return this.#takeHandshake(this.#handshake.initAck(chunk, nowMs));
      case "cookie_echo":
        return this.#takeHandshake(this.#handshake.cookieEcho(chunk.cookie, nowMs));
      case "cookie_ack":
        return this.#takeHandshake(this.#handshake.cookieAck());
      case "abort":
        return this.#end("aborted_by_viewer");
      case "shutdown_complete":
        if (this.#shutdown !== undefined) return this.#end("shut_down_by_viewer");
        return this.#pass("unexpected_chunk");
      case "unknown":
        return this.#takeUnknown(chunk);
      // An ERROR reports what the peer ignored, which needs no action.
      case "error":
      case "heartbeat_ack":
        return true;
      default:
        break;
    }
    const { outgoing } = this.#established ?? {};
    if (outgoing === undefined || this.#established === undefined) {
      return this.#pass("unexpected_chunk");
    }
    return this.#takeEstablished(chunk, this.#established, nowMs);
  }

  #takeEstablished(
    chunk: Chunk,
    { incoming, outgoing, resets }: Established,
    nowMs: number,
  ): boolean {
    switch (chunk.kind) {
      case "data": {
        const refused = incoming.data(chunk);
        if (refused !== undefined && "fault" in refused) return this.#violated(refused.fault);
        if (refused?.dropped === "invalid_stream") {
          this.#control.push(formatInvalidStream(chunk.stream));
        }
        if (refused !== undefined) this.#drop(refused.dropped);
        return this.#deliver(this.#established);
      }
      case "forward_tsn": {
        const fault = incoming.forwardTsn(chunk);
        return fault === undefined ? this.#deliver(this.#established) : this.#violated(fault);
      }
      case "sack": {
        const verdict = outgoing.sack(chunk, nowMs);
        if (verdict === "beyond_sent") return this.#violated("sack_beyond_sent");
        return verdict === "taken" || this.#pass("old_sack");
      }
      case "heartbeat":
        if (chunk.body.length > HEARTBEAT_BYTES_MAX) return this.#pass("long_heartbeat");
        this.#control.push(formatChunk(CHUNK.heartbeatAck, { body: chunk.body.slice() }));
        return true;
      case "reconfig": {
        const { reply, reset } = resets.receive(chunk.parameters, incoming.cumulativeTsn);
        if (reply !== undefined) this.#control.push(reply);
        if (reset !== undefined) this.#resetStreams(reset);
        return true;
      }
      case "shutdown":
        this.#shutdown ??= { attempts: 0, atMs: nowMs };
        outgoing.clear();
        this.#sendShutdownAck(nowMs);
        return false;
      default:
        return this.#pass("unexpected_chunk");
    }
  }

  #takeHandshake(outcome: HandshakeOutcome): boolean {
    if (outcome.kind === "dropped") return this.#pass(outcome.reason);
    if (outcome.kind === "established") this.#establish(outcome.terms);
    if (outcome.reply !== undefined) this.#sendAlone(outcome.reply.tag, outcome.reply.chunk);
    return true;
  }

  #establish(terms: InitTerms): void {
    const { initialTsn } = this.#handshake;
    this.#established = {
      incoming: new Incoming({
        initialTsn: terms.initialTsn,
        streams: Math.min(STREAMS_MAX, terms.outgoingStreams),
      }),
      outgoing: new Outgoing({
        initialTsn,
        windowBytes: terms.windowBytes,
        canSkip: terms.forwardTsn,
      }),
      resets: new StreamResets({ initialTsn, peerInitialTsn: terms.initialTsn }),
      address: this.#address,
      tag: terms.tag,
      terms,
      outgoingStreams: Math.min(STREAMS_MAX, terms.incomingStreams),
    };
    this.#events.push({ kind: "established" });
  }

  /** The two high bits of the type: whether to continue, and whether to report (RFC 9260 §3.2). */
  #takeUnknown({ type, bytes }: { type: number; bytes: Uint8Array }): boolean {
    this.#drop("unknown_chunk");
    if ((type & 0x40) !== 0 && this.#established !== undefined && this.#control.length === 0) {
      this.#control.push(formatUnknownChunk(bytes));
    }
    return (type & 0x80) !== 0;
  }

  #deliver(established: Established | undefined): true {
    const { incoming, resets } = established ?? {};
    for (const message of incoming?.takeMessages() ?? []) {
      this.#events.push({ kind: "message", message });
    }
    for (let count = incoming?.takeTooLong() ?? 0; count > 0; count--) {
      this.#drop("message_too_long");
    }
    const reset = incoming && resets?.advance(incoming.cumulativeTsn);
    if (reset !== undefined) this.#resetStreams(reset);
    return true;
  }

  #resetStreams(streams: readonly number[]): void {
    this.#established?.incoming.resetStreams(streams);
    this.#events.push({ kind: "streams_reset", streams });
  }

  #sendShutdownAck(nowMs: number): void {
    const shutdown = this.#shutdown;
    if (shutdown === undefined) return;
    if (shutdown.attempts++ > CONTROL_RETRANSMISSIONS_MAX) {
      this.#end("shut_down_by_viewer");
      return;
    }
    shutdown.atMs = nowMs + (this.#established?.outgoing.retransmitMs ?? 0);
    this.#control.push(formatChunk(CHUNK.shutdownAck));
  }

  /** The peer violated the protocol in a way that leaves no valid state. */
  #violated(reason: Violation): false {
    this.#abort(reason, reason === "no_user_data" ? "noUserData" : "protocolViolation");
    return false;
  }

  #abort(reason: AssociationEnd, cause: Parameters<typeof formatAbort>[0]): void {
    const { peerTag } = this.#handshake;
    if (peerTag !== undefined) this.#sendAlone(peerTag, formatAbort(cause));
    this.#end(reason);
  }

  #end(reason: AssociationEnd): false {
    this.#ended = true;
    this.#established = undefined;
    this.#shutdown = undefined;
    this.#control = [];
    this.#events.push({ kind: "ended", reason });
    return false;
  }

  #pass(reason: SctpDrop): true {
    this.#drop(reason);
    return true;
  }

  #drop(reason: SctpDrop): void {
    this.#events.push({ kind: "dropped", reason });
  }

  #sendAlone(tag: number, chunk: Uint8Array): void {
    this.#packets.push(formatPacket(this.#address, tag, chunk));
  }

  /** Builds the packets that may be sent now. */
  #flush(nowMs: number): void {
    if (this.#established === undefined) return;
    const control = this.#control;
    this.#control = [];
    const withData = this.#shutdown === undefined;
    for (const packet of packChunks(this.#established, { control, withData, nowMs })) {
      this.#packets.push(packet);
    }
  }
}

function isDue(atMs: number | undefined, nowMs: number): boolean {
  return atMs !== undefined && atMs <= nowMs;
}
