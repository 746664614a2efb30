import { BridgeViolation } from "./bridge_error.ts";
import {
  ERROR_TEXT_BYTES_MAX,
  VIEWER_MESSAGE_BYTES_MAX,
  WIRE_PAYLOAD_BYTES_MAX,
  WRITER_JSON_BYTES_MAX,
} from "./limits.ts";
import { formatWire, numbers, PayloadReader, text, type WireMessage } from "./wire.ts";

/** Which side sets the pace: the writer, or the server by requesting each picture. */
export type Pace = "writer" | "server";

/** A picture in a slot, which the server owns from now on. */
export interface FrameMessage {
  readonly type: "frame";
  readonly session: number;
  /** Generation of the slot's ring. */
  readonly generation: number;
  readonly slot: number;
  /** `PINHOLE_FORMAT_…` of ../native/include/pinhole.h. */
  readonly format: number;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** Microseconds on the timeline of the writer's {@link Pace}; 0: none. */
  readonly timestampUs: number;
  /** Only for access units. */
  readonly keyframe: boolean;
  /** Length of an access unit; 0 for pixels. */
  readonly byteSize: number;
  /** Three; unused ones are 0. */
  readonly planes: readonly { readonly offset: number; readonly strideBytes: number }[];
}

/** A chunk of sound. */
export interface AudioMessage {
  readonly type: "audio";
  readonly session: number;
  /** Samples per second and channel. */
  readonly sampleRate: number;
  readonly channels: 1 | 2;
  /** As in {@link FrameMessage}; 0: directly after the previous chunk. */
  readonly timestampUs: number;
  /** 16-bit little-endian values, interleaved. Empty if the server requested sound and there is none. */
  readonly samples: Uint8Array;
}

/** Features of a session that a writer has opened. */
export interface SessionFeatures {
  /** It has sound. */
  readonly audio: boolean;
  /** It accepts messages from viewers. */
  readonly takesMessages: boolean;
  /** It sends messages to viewers. */
  readonly givesMessages: boolean;
  /** It encodes, and handles bitrates and keyframe requests. */
  readonly encodes: boolean;
}

/** Messages from a writer. docs/bridge_wire.md has the layouts. */
export type WriterMessage =
  | {
    readonly type: "hello";
    readonly version: number;
    /** Name of the program in the server's log. */
    readonly writer: string;
    /** The writer's monotonic clock when it wrote this, in microseconds. */
    readonly clockUs: number;
    readonly pace: Pace;
  }
  | { readonly type: "ring"; readonly slotBytes: number; readonly slotCount: number }
  | FrameMessage
  | AudioMessage
  | { readonly type: "idle" | "end"; readonly session: number }
  | {
    readonly type: "error";
    readonly session: number;
    readonly call: "render" | "audio";
    readonly text: string;
  }
  | { readonly type: "message"; readonly session: number; readonly data: Uint8Array }
  | ({ readonly type: "ready"; readonly session: number } & SessionFeatures)
  | { readonly type: "refused"; readonly session: number; readonly text: string }
  | { readonly type: "failed"; readonly code: string; readonly text: string }
  /** Sound that the writer did not send because it was too far ahead. */
  | { readonly type: "kept_back"; readonly session: number; readonly soundMs: number };

const TYPE = {
  hello: 1,
  ring: 2,
  frame: 3,
  audio: 4,
  idle: 5,
  end: 6,
  error: 7,
  message: 8,
  ready: 9,
  refused: 10,
  failed: 11,
  kept_back: 12,
} as const;

const NAMES = new Map<number, keyof typeof TYPE>(
  Object.entries(TYPE).map(([name, type]) => [type, name as keyof typeof TYPE]),
);

const KEYFRAME = 1;
const FEATURES = { audio: 1, takesMessages: 2, givesMessages: 4, encodes: 8 } as const;
const CALLS = ["render", "audio"] as const;

/** Formats a message. */
export function formatWriterMessage(message: WriterMessage): Uint8Array<ArrayBuffer> {
  return formatWire(TYPE[message.type], ...payloadOf(message));
}

function payloadOf(message: WriterMessage): Uint8Array[] {
  switch (message.type) {
    case "hello": {
      const { version, writer, clockUs: clock_us, pace } = message;
      return [text(JSON.stringify({ version, writer, clock_us, pace }))];
    }
    case "ring":
      return [numbers(message.slotBytes, message.slotCount)];
    case "frame":
      return [numbers(...frameNumbers(message))];
    case "audio": {
      const { session, sampleRate, channels, timestampUs, samples } = message;
      return [numbers(session, sampleRate, channels, 0, BigInt(timestampUs)), samples];
    }
    case "idle":
    case "end":
      return [numbers(message.session)];
    case "error":
      return [numbers(message.session, CALLS.indexOf(message.call)), cut(message.text)];
    case "message":
      return [numbers(message.session), message.data];
    case "ready": {
      const bits = Object.entries(FEATURES)
        .map(([name, bit]) => message[name as keyof SessionFeatures] ? bit : 0);
      return [numbers(message.session, bits.reduce<number>((all, bit) => all | bit, 0))];
    }
    case "refused":
      return [numbers(message.session), cut(message.text)];
    case "failed":
      return [text(JSON.stringify({ code: message.code, text: message.text }))];
    case "kept_back":
      return [numbers(message.session, message.soundMs)];
  }
}

function frameNumbers(frame: FrameMessage): (number | bigint)[] {
  return [
    frame.session,
    frame.generation,
    frame.slot,
    frame.format,
    frame.width,
    frame.height,
    BigInt(frame.timestampUs),
    frame.keyframe ? KEYFRAME : 0,
    frame.byteSize,
    ...frame.planes.flatMap(({ offset, strideBytes }) => [offset, strideBytes]),
  ];
}

function cut(words: string): Uint8Array {
  return text(words).subarray(0, ERROR_TEXT_BYTES_MAX);
}

/**
 * Parses a message. Checks only the layout, not the state of the server.
 * @throws {BridgeViolation}
 */
export function parseWriterMessage({ type, payload }: WireMessage): WriterMessage {
  const name = NAMES.get(type);
  if (name === undefined) throw new BridgeViolation(`there is no message of type ${type}`);
  const fields = new PayloadReader(`a message "${name}"`, payload);
  const message = READERS[name](fields);
  fields.end();
  return message;
}

const READERS: Readonly<Record<keyof typeof TYPE, (fields: PayloadReader) => WriterMessage>> = {
  hello: readHello,
  ring: (fields) => ({ type: "ring", slotBytes: fields.u32(), slotCount: fields.u32() }),
  frame: readFrame,
  audio: readAudio,
  idle: (fields) => ({ type: "idle", session: fields.u32() }),
  end: (fields) => ({ type: "end", session: fields.u32() }),
  error(fields) {
    const [session, call] = [fields.u32(), CALLS[fields.u32()] ?? fields.fail("names no call")];
    return { type: "error", session, call, text: oneLine(fields.text(ERROR_TEXT_BYTES_MAX)) };
  },
  message(fields) {
    const session = fields.u32();
    return { type: "message", session, data: fields.rest(VIEWER_MESSAGE_BYTES_MAX) };
  },
  ready(fields) {
    const [session, bits] = [fields.u32(), fields.u32()];
    const has = (name: keyof SessionFeatures) => (bits & FEATURES[name]) !== 0;
    return {
      type: "ready",
      session,
      audio: has("audio"),
      takesMessages: has("takesMessages"),
      givesMessages: has("givesMessages"),
      encodes: has("encodes"),
    };
  },
  refused(fields) {
    const session = fields.u32();
    return { type: "refused", session, text: oneLine(fields.text(ERROR_TEXT_BYTES_MAX)) };
  },
  failed(fields) {
    const { code, text: words } = fields.json(WRITER_JSON_BYTES_MAX);
    return { type: "failed", code: oneLine(String(code)), text: oneLine(String(words)) };
  },
  kept_back: (fields) => ({ type: "kept_back", session: fields.u32(), soundMs: fields.u32() }),
};

function readHello(fields: PayloadReader): WriterMessage {
  const { version, writer, clock_us: clockUs, pace } = fields.json(WRITER_JSON_BYTES_MAX);
  if (typeof version !== "number") return fields.fail("has no version");
  // In other versions the rest may differ; the version is enough to refuse the writer.
  return {
    type: "hello",
    version,
    writer: typeof writer === "string" ? oneLine(writer).slice(0, 64) : "",
    clockUs: typeof clockUs === "number" && Number.isSafeInteger(clockUs) ? clockUs : 0,
    pace: pace === "server" ? "server" : "writer",
  };
}

function readFrame(fields: PayloadReader): WriterMessage {
  const u32 = () => fields.u32();
  const plane = () => ({ offset: u32(), strideBytes: u32() });
  const [session, generation, slot, format, width, height] = [
    u32(),
    u32(),
    u32(),
    u32(),
    u32(),
    u32(),
  ];
  const timestampUs = fields.i64();
  const [flags, byteSize] = [u32(), u32()];
  return {
    type: "frame",
    session,
    generation,
    slot,
    format,
    width,
    height,
    timestampUs,
    keyframe: (flags & KEYFRAME) !== 0,
    byteSize,
    planes: [plane(), plane(), plane()],
  };
}

function readAudio(fields: PayloadReader): WriterMessage {
  const [session, sampleRate, channels] = [fields.u32(), fields.u32(), fields.u32()];
  fields.u32();
  const timestampUs = fields.i64();
  const samples = fields.rest(WIRE_PAYLOAD_BYTES_MAX);
  if (sampleRate < 8000 || sampleRate > 48_000) {
    fields.fail(`has ${sampleRate} samples a second, not 8000 to 48000`);
  }
  if (channels !== 1 && channels !== 2) return fields.fail(`has ${channels} channels, not 1 or 2`);
  if (samples.byteLength % (2 * channels) !== 0) fields.fail("ends within a sample");
  if (samples.byteLength / 2 / channels > sampleRate) {
    fields.fail("has more than a second of sound");
  }
  return { type: "audio", session, sampleRate, channels, timestampUs, samples };
}

/** Makes a writer's text safe for the log: one line. */
function oneLine(words: string): string {
  return words.replace(/\p{Cc}+/gu, " ").trim();
}
