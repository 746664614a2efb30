import {
  badMessage,
  type ClientMessage,
  type Envelope,
  fitsParams,
  isIdleName,
  isObject,
  type JsonObject,
  PARAMS_TOO_LONG,
  type Parsed,
  type Protocol,
  readCandidate,
  type ServerMessage,
} from "./messages.ts";

const PREFIX = "webrtc_";

/** Whether a connection with this first message uses the dialect of the older Python server. */
export function startsDialect({ type }: Envelope): boolean {
  return type.startsWith(PREFIX);
}

/**
 * The dialect with prefixed names. Its offers have the renderer's parameters beside `sdp`; messages that are not about
 * WebRTC go to and from the renderer.
 */
export const PREFIXED_DIALECT: Protocol = {
  read(envelope) {
    switch (envelope.type) {
      case "webrtc_offer":
        return readOffer(envelope.fields);
      case "webrtc_ice_candidate":
        // Some pages omit the field after the last candidate, because JSON drops undefined.
        return readCandidate(envelope.fields.candidate ?? null);
      default:
        return { message: { type: "message", data: envelope.text } };
    }
  },

  format(message, wallMs) {
    // Python's time.time(): seconds with a fraction.
    const timestamp = wallMs / 1000;
    switch (message.type) {
      case "answer":
        return JSON.stringify({ type: "webrtc_answer", sdp: message.sdp, timestamp });
      case "candidate":
        return JSON.stringify({ type: "webrtc_ice_candidate", candidate: message.candidate });
      case "state":
        return JSON.stringify({ type: "webrtc_state", state: message.state, timestamp });
      case "error":
        return formatError(message, timestamp);
      case "message":
        return formatRendererMessage(message.data);
      case "notice":
        // Pages would treat an unknown type as a renderer's message.
        return undefined;
      case "resumed":
        // Not part of the dialect; its clients cannot request it.
        return JSON.stringify(message);
    }
  },
};

function readOffer(fields: JsonObject): Parsed<ClientMessage> {
  const { type: _, sdp: description, ...params } = fields;
  // Pages send either the text or the browser's whole RTCSessionDescription.
  const sdp = isObject(description) ? description.sdp : description;
  if (typeof sdp !== "string") return badMessage('An offer needs a string "sdp"');
  if (!fitsParams(params)) return badMessage(PARAMS_TOO_LONG);
  const idle = typeof params.avatar_id === "number" ? String(params.avatar_id) : params.avatar_id;
  return {
    message: { type: "offer", sdp, params, ...(isIdleName(idle) ? { idle } : {}) },
  };
}

function formatError(
  { code, message, retry_after_ms, reason }: Extract<ServerMessage, { type: "error" }>,
  timestamp: number,
): string {
  return JSON.stringify({
    type: "error",
    content: message,
    code,
    retry_after_ms,
    reason,
    timestamp,
  });
}

/** Sends a renderer's JSON message unchanged, and wraps other text, so that the page can parse it. */
function formatRendererMessage(data: string): string {
  try {
    const value: unknown = JSON.parse(data);
    if (isObject(value) && typeof value.type === "string") return data;
  } catch {
    // Plain text.
  }
  return JSON.stringify({ type: "message", data });
}
