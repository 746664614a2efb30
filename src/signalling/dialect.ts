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

/** Whether a connection that begins with this message speaks the dialect of the pages of the older Python server. */
export function startsDialect({ type }: Envelope): boolean {
  return type.startsWith(PREFIX);
}

/**
 * The dialect with prefixed names. Its offers bring the renderer's parameters beside `sdp`; any message that is not
 * about WebRTC is the renderer's business, in both directions.
 */
export const PREFIXED_DIALECT: Protocol = {
  read(envelope) {
    switch (envelope.type) {
      case "webrtc_offer":
        return readOffer(envelope.fields);
      case "webrtc_ice_candidate":
        // Some pages leave the field out after the last candidate, as their JSON drops what is undefined.
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
        // Pages take a type that they do not know for one of the renderer's.
        return undefined;
      case "resumed":
        // The dialect has no word for it, and no client of the dialect can ask for it.
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
  { code, message, retry_after_ms }: Extract<ServerMessage, { type: "error" }>,
  timestamp: number,
): string {
  return JSON.stringify({ type: "error", content: message, code, retry_after_ms, timestamp });
}

/** The renderer answers in whole messages too; text that is none is wrapped, so that the page's JSON.parse holds. */
function formatRendererMessage(data: string): string {
  try {
    const value: unknown = JSON.parse(data);
    if (isObject(value) && typeof value.type === "string") return data;
  } catch {
    // Plain text.
  }
  return JSON.stringify({ type: "message", data });
}
