import { VIEWER_MESSAGE_BYTES_MAX, WIRE_PAYLOAD_BYTES_MAX } from "./limits.ts";
import { formatWire, numbers, PayloadReader, text, type WireMessage } from "./wire.ts";

/** Why a server ends a connection. */
export type ByeCode =
  /** The writer uses another version. */
  | "version"
  /** Another writer is connected. */
  | "taken"
  /** This bridge does not accept this kind of writer. */
  | "not_expected"
  /** The writer violated the contract. */
  | "violation"
  /** The requested ring cannot be created. */
  | "no_ring"
  /** The server shuts down. */
  | "closing";

/** A session, as announced to a writer. */
export interface OpenMessage {
  readonly type: "open";
  /** Number of the session in all other messages; not reused while the server runs. */
  readonly session: number;
  readonly id: string;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** Frames per second. */
  readonly fps: number;
  readonly params: Readonly<Record<string, unknown>>;
}

/** A ring for a writer. */
export interface RingMessage {
  readonly type: "ring";
  /** Counts the rings of this server. */
  readonly generation: number;
  /** Distance between two slots, in bytes. */
  readonly slotBytes: number;
  readonly slotCount: number;
  /** Offset of the first slot, in bytes. */
  readonly slotsOffset: number;
}

/** Messages from the server. docs/bridge_wire.md has the layouts. */
export type ServerMessage =
  | {
    readonly type: "welcome";
    readonly version: number;
    /** Sound that may be written ahead, in milliseconds. */
    readonly sound_ms: number;
  }
  | { readonly type: "bye"; readonly code: ByeCode; readonly text: string }
  | RingMessage
  | { readonly type: "release"; readonly generation: number; readonly slot: number }
  | OpenMessage
  | { readonly type: "close" | "keyframe"; readonly session: number }
  | { readonly type: "message"; readonly session: number; readonly data: Uint8Array }
  /** Messages of the writer that did not reach a viewer since the last report. */
  | { readonly type: "dropped"; readonly session: number; readonly count: number }
  | {
    readonly type: "want_frame" | "want_audio";
    readonly session: number;
    readonly timestampUs: number;
  }
  | { readonly type: "bitrate"; readonly session: number; readonly bitsPerSecond: number };

const TYPE = {
  welcome: 1,
  bye: 2,
  ring: 3,
  release: 4,
  open: 5,
  close: 6,
  message: 7,
  want_frame: 8,
  want_audio: 9,
  bitrate: 10,
  keyframe: 11,
  dropped: 12,
} as const;

const NAMES = new Map<number, keyof typeof TYPE>(
  Object.entries(TYPE).map(([name, type]) => [type, name as keyof typeof TYPE]),
);

/** Formats a message. */
export function formatServerMessage(message: ServerMessage): Uint8Array<ArrayBuffer> {
  return formatWire(TYPE[message.type], ...payloadOf(message));
}

function payloadOf(message: ServerMessage): Uint8Array[] {
  switch (message.type) {
    case "welcome":
    case "bye":
    case "open": {
      const { type: _, ...fields } = message;
      return [text(JSON.stringify(fields))];
    }
    case "ring": {
      const { generation, slotBytes, slotCount, slotsOffset } = message;
      return [numbers(generation, slotBytes, slotCount, slotsOffset)];
    }
    case "release":
      return [numbers(message.generation, message.slot)];
    case "close":
    case "keyframe":
      return [numbers(message.session)];
    case "message":
      return [numbers(message.session), message.data];
    case "want_frame":
    case "want_audio":
      return [numbers(message.session, 0, BigInt(Math.round(message.timestampUs)))];
    case "bitrate":
      return [numbers(message.session, message.bitsPerSecond)];
    case "dropped":
      return [numbers(message.session, message.count)];
  }
}

/**
 * Parses a message.
 * @returns `undefined` for a type that this version does not know; a writer ignores it.
 * @throws {BridgeViolation}
 */
export function parseServerMessage({ type, payload }: WireMessage): ServerMessage | undefined {
  const name = NAMES.get(type);
  if (name === undefined) return undefined;
  const fields = new PayloadReader(`a message "${name}"`, payload);
  const message = readFields(name, fields);
  fields.end();
  return message;
}

function readFields(type: keyof typeof TYPE, fields: PayloadReader): ServerMessage {
  switch (type) {
    case "welcome":
    case "bye":
    case "open":
      // Writers trust their server, so the JSON is not validated.
      return { ...fields.json(WIRE_PAYLOAD_BYTES_MAX), type } as ServerMessage;
    case "ring": {
      const [generation, slotBytes, slotCount] = [fields.u32(), fields.u32(), fields.u32()];
      return { type, generation, slotBytes, slotCount, slotsOffset: fields.u32() };
    }
    case "release":
      return { type, generation: fields.u32(), slot: fields.u32() };
    case "close":
    case "keyframe":
      return { type, session: fields.u32() };
    case "message":
      return { type, session: fields.u32(), data: fields.rest(VIEWER_MESSAGE_BYTES_MAX) };
    case "want_frame":
    case "want_audio": {
      const session = fields.u32();
      fields.u32();
      return { type, session, timestampUs: fields.i64() };
    }
    case "bitrate":
      return { type, session: fields.u32(), bitsPerSecond: fields.u32() };
    case "dropped":
      return { type, session: fields.u32(), count: fields.u32() };
  }
}

/** Sends to a writer. */
export interface WriterPort {
  send(message: ServerMessage): void;
  /** Sends a message that may be lost. @returns Whether it was sent. */
  trySend(message: ServerMessage): boolean;
  /** Offset from the writer's clock to this process's clock, in microseconds. */
  readonly clockOffsetUs: number;
}
