import type { HandshakeDrop } from "./handshake.ts";
import type { IncomingDrop, IncomingFault } from "./incoming.ts";
import type { PacketFault } from "./parse_packet.ts";
import type { IncomingMessage } from "./reassembly.ts";

/** Why a packet or one of its chunks was dropped. The association continues. */
export type SctpDrop =
  | PacketFault
  | HandshakeDrop
  | IncomingDrop
  | "over_budget"
  | "wrong_port"
  | "wrong_tag"
  | "bundled"
  | "unknown_chunk"
  | "old_sack"
  | "long_heartbeat"
  | "message_too_long"
  | "after_end";

/** Violation of the protocol that ends an association. */
export type Violation = IncomingFault | "sack_beyond_sent";

/** Why an association ended. */
export type AssociationEnd =
  | Violation
  | "closed"
  | "aborted_by_viewer"
  | "shut_down_by_viewer"
  | "unanswered";

/** Events of an association, in order. */
export type AssociationEvent =
  | { readonly kind: "established" }
  | { readonly kind: "message"; readonly message: IncomingMessage }
  /** The peer reset streams, `[]` for all: their channels are closed. */
  | { readonly kind: "streams_reset"; readonly streams: readonly number[] }
  | { readonly kind: "dropped"; readonly reason: SctpDrop }
  | { readonly kind: "ended"; readonly reason: AssociationEnd };
