import { quote } from "../base/quote.ts";
import type { ErrorCode, RefusalReason } from "../base/codes.ts";
import type { AnnouncedCandidate, ViewerNotice, ViewerState } from "../session/session_api.ts";
import type { Refusal } from "./refusals.ts";
import {
  CANDIDATE_CHARS_MAX,
  CANDIDATE_FIELD_CHARS_MAX,
  CLIENT_MESSAGE_BYTES_MAX,
  IDLE_NAME_CHARS_MAX,
  PARAMS_BYTES_MAX,
  VIEWER_ID_CHARS_MAX,
} from "./limits.ts";

/** An object of JSON. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Result of parsing a client's input. */
export type Parsed<Message> =
  | { readonly message: Message; readonly error?: never }
  | { readonly message?: never; readonly error: Refusal };

/** A JSON object with a type, not validated further. */
export interface Envelope {
  readonly type: string;
  /** The whole object, `type` included. */
  readonly fields: JsonObject;
  /** The object's original text. */
  readonly text: string;
}

/** Messages from a client, in any dialect. */
export type ClientMessage =
  | {
    readonly type: "offer";
    readonly sdp: string;
    readonly idle?: string;
    readonly params: JsonObject;
  }
  /** Only its form is checked: an ICE-lite server with a fixed address never connects (RFC 8445 §2.5). */
  | { readonly type: "candidate" }
  | { readonly type: "resume"; readonly viewer: string }
  | { readonly type: "message"; readonly data: string }
  | { readonly type: "bye" };

/** Messages from the server. */
export type ServerMessage =
  | { readonly type: "answer"; readonly sdp: string; readonly viewer: string }
  | { readonly type: "resumed" }
  | { readonly type: "state"; readonly state: ViewerState; readonly reason?: string }
  | { readonly type: "message"; readonly data: string }
  | { readonly type: "candidate"; readonly candidate: AnnouncedCandidate }
  | ({ readonly type: "notice" } & ViewerNotice)
  | {
    readonly type: "error";
    readonly code: ErrorCode;
    readonly message: string;
    readonly retry_after_ms?: number;
    readonly reason?: RefusalReason;
  };

/** A message format (dialect). Both functions are pure and never throw. */
export interface Protocol {
  read(envelope: Envelope): Parsed<ClientMessage>;
  /**
   * @param wallMs Wall-clock milliseconds since 1970, for protocols with timestamps.
   * @returns `undefined` if the protocol has no such message.
   */
  format(message: ServerMessage, wallMs: number): string | undefined;
}

const UTF8 = new TextEncoder();

/** Length of `text` in bytes of UTF-8. */
export function utf8Length(text: string): number {
  return UTF8.encode(text).length;
}

/** A refusal of an invalid message. */
export function badMessage(message: string): { readonly error: Refusal } {
  return { error: { code: "bad_message", message } };
}

/**
 * Parses the form that all messages share: text, at most {@link CLIENT_MESSAGE_BYTES_MAX} bytes, one JSON object with a
 * string `type`.
 * @param data What the WebSocket delivered.
 */
export function parseEnvelope(data: unknown): Parsed<Envelope> {
  if (typeof data !== "string") return badMessage("A message must be JSON text, not binary");
  // UTF-8 has at least one byte per character, so the first test avoids encoding very long text.
  if (data.length > CLIENT_MESSAGE_BYTES_MAX || utf8Length(data) > CLIENT_MESSAGE_BYTES_MAX) {
    return badMessage(`A message may have at most ${CLIENT_MESSAGE_BYTES_MAX} bytes`);
  }
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return badMessage("The message is not JSON");
  }
  if (!isObject(value)) return badMessage("A message must be a JSON object");
  if (typeof value.type !== "string") return badMessage('A message needs a string "type"');
  return { message: { type: value.type, fields: value, text: data } };
}

/** The messages of Pinhole's own client, as docs/signalling.md lists them. */
export const NATIVE_PROTOCOL: Protocol = {
  read({ type, fields }) {
    switch (type) {
      case "offer":
        return readOffer(fields);
      case "candidate":
        return readCandidate(fields.candidate);
      case "resume":
        return readResume(fields.viewer);
      case "message":
        return typeof fields.data === "string"
          ? { message: { type: "message", data: fields.data } }
          : badMessage('A message to the renderer has a string "data"');
      case "bye":
        return { message: { type: "bye" } };
      default:
        return badMessage(
          `There is no message of type ${
            quote(type)
          }: offer, candidate, resume, message and bye are`,
        );
    }
  },
  format: (message) => JSON.stringify(message),
};

function readOffer({ sdp, idle, params = {} }: JsonObject): Parsed<ClientMessage> {
  if (typeof sdp !== "string") return badMessage('An offer needs a string "sdp"');
  if (idle !== undefined && !isIdleName(idle)) {
    return badMessage(`"idle" must be a name of 1 to ${IDLE_NAME_CHARS_MAX} characters`);
  }
  if (!isObject(params)) return badMessage('"params" is a JSON object');
  if (!fitsParams(params)) return badMessage(PARAMS_TOO_LONG);
  return { message: { type: "offer", sdp, params, ...(idle === undefined ? {} : { idle }) } };
}

function readResume(viewer: unknown): Parsed<ClientMessage> {
  if (typeof viewer !== "string" || viewer.length > VIEWER_ID_CHARS_MAX) {
    return badMessage('A resume needs the string "viewer" of an answer');
  }
  return { message: { type: "resume", viewer } };
}

/** Parses the `candidate` field of a candidate message: RTCIceCandidateInit, or `null` after the last one. */
export function readCandidate(candidate: unknown): Parsed<ClientMessage> {
  if (candidate !== null && !isCandidate(candidate)) {
    return badMessage(
      `"candidate" must be null or an object with a string "candidate" of at most ${CANDIDATE_CHARS_MAX} characters`,
    );
  }
  return { message: { type: "candidate" } };
}

function isCandidate(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { candidate, sdpMid, sdpMLineIndex, usernameFragment } = value;
  return isShort(candidate, CANDIDATE_CHARS_MAX) &&
    (isAbsent(sdpMid) || isShort(sdpMid, CANDIDATE_FIELD_CHARS_MAX)) &&
    (isAbsent(sdpMLineIndex) || Number.isInteger(sdpMLineIndex)) &&
    (isAbsent(usernameFragment) || isShort(usernameFragment, CANDIDATE_FIELD_CHARS_MAX));
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

/** Whether `value` can be the name of an idle source. */
export function isIdleName(value: unknown): value is string {
  return isShort(value, IDLE_NAME_CHARS_MAX) && value !== "";
}

/** Error text for parameters that fail {@link fitsParams}. */
export const PARAMS_TOO_LONG =
  `The params of an offer may have at most ${PARAMS_BYTES_MAX} bytes of JSON`;

/** Whether `params` stay within {@link PARAMS_BYTES_MAX} as JSON. */
export function fitsParams(params: JsonObject): boolean {
  try {
    return utf8Length(JSON.stringify(params)) <= PARAMS_BYTES_MAX;
  } catch {
    // JSON.parse accepts any nesting depth; JSON.stringify may overflow the stack.
    return false;
  }
}

/** Whether `value` is a JSON object: not an array, not null. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isShort(value: unknown, charsMax: number): value is string {
  return typeof value === "string" && value.length <= charsMax;
}
