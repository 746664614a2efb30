import type { EndReason } from "../base/codes.ts";
import type { ViewerErrorCode, ViewerState } from "./session_api.ts";

/** Deadlines of a viewer, in milliseconds. */
export interface ViewerDeadlines {
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

/** Status of one viewer. A plain value: {@link advanceViewer} returns the next one. */
export interface ViewerStatus {
  readonly phase: "connecting" | "connected" | "disconnected" | "ended";
  readonly joinedAtMs: number;
  /** Time of the last authenticated packet; `joinedAtMs` before the first. */
  readonly heardAtMs: number;
  /** Whether the viewer is attached to a signalling connection. */
  readonly attached: boolean;
  readonly endReason?: EndReason;
}

/** Events of a viewer. */
export type ViewerEvent =
  /** The DTLS handshake is done. */
  | { readonly type: "secured" }
  /** Time passed; `heardAtMs` is the time of the last authenticated packet. */
  | { readonly type: "tick"; readonly heardAtMs: number }
  /** The signalling connection broke. */
  | { readonly type: "detached" }
  /** A signalling connection resumed the viewer. */
  | { readonly type: "attached" }
  /** Another viewer needs the place. */
  | { readonly type: "place_wanted"; readonly heardAtMs: number }
  | { readonly type: "ended"; readonly reason: EndReason };

/** A connected viewer that was silent this long is shown as disconnected. Chrome sends a check every 2.5 s. */
export const DISCONNECTED_AFTER_MS = 6_000;

/** How long a viewer without signalling may be silent before another viewer may take its place. */
export const RECLAIM_AFTER_MS = 5_000;

/** The status of a viewer when its offer is answered. */
export function newViewerStatus(nowMs: number): ViewerStatus {
  return { phase: "connecting", joinedAtMs: nowMs, heardAtMs: nowMs, attached: true };
}

/** Returns the status after an event. An ended viewer stays ended. */
export function advanceViewer(
  status: ViewerStatus,
  event: ViewerEvent,
  { nowMs, deadlines }: { nowMs: number; deadlines: ViewerDeadlines },
): ViewerStatus {
  if (status.phase === "ended") return status;
  switch (event.type) {
    case "secured":
      return { ...status, phase: "connected", heardAtMs: nowMs };
    case "detached":
      return { ...status, attached: false };
    case "attached":
      return { ...status, attached: true };
    case "ended":
      return { ...status, phase: "ended", endReason: event.reason };
    case "place_wanted": {
      const heard = { ...status, heardAtMs: Math.max(status.heardAtMs, event.heardAtMs) };
      return reclaimableInMs(heard, nowMs) === 0
        ? { ...heard, phase: "ended", endReason: "place_reclaimed" }
        : heard;
    }
    case "tick":
      return tick({ ...status, heardAtMs: Math.max(status.heardAtMs, event.heardAtMs) }, {
        nowMs,
        deadlines,
      });
  }
}

/** How long until another viewer may take the place, in milliseconds; `undefined` while the viewer is attached. */
export function reclaimableInMs(status: ViewerStatus, nowMs: number): number | undefined {
  if (status.attached) return undefined;
  return Math.max(0, status.heardAtMs + RECLAIM_AFTER_MS - nowMs);
}

/** The state to report to browsers, as in RTCPeerConnection.connectionState. */
export function shownState(status: ViewerStatus): ViewerState {
  if (status.phase !== "ended") return status.phase;
  switch (status.endReason) {
    case "connect_timeout":
    case "idle_timeout":
    case "dtls_failed":
      return "failed";
    default:
      return "closed";
  }
}

function tick(
  status: ViewerStatus,
  { nowMs, deadlines }: { nowMs: number; deadlines: ViewerDeadlines },
): ViewerStatus {
  const silentMs = nowMs - status.heardAtMs;
  switch (status.phase) {
    case "connecting":
      return nowMs - status.joinedAtMs >= deadlines.connectTimeoutMs
        ? { ...status, phase: "ended", endReason: "connect_timeout" }
        : status;
    case "connected":
    case "disconnected":
      if (silentMs >= deadlines.idleTimeoutMs) {
        return { ...status, phase: "ended", endReason: "idle_timeout" };
      }
      return { ...status, phase: silentMs >= DISCONNECTED_AFTER_MS ? "disconnected" : "connected" };
    case "ended":
      return status;
  }
}

/** Error for a viewer by the reason for its end; reasons on the viewer's side have none. */
export const END_ERRORS: Readonly<Partial<Record<EndReason, readonly [ViewerErrorCode, string]>>> =
  {
    renderer_failed: ["renderer_failed", "The renderer failed"],
    encoder_failed: ["internal", "The video encoder failed; see the server's log"],
    internal_error: ["internal", "The server failed; see its log"],
    shutting_down: ["shutting_down", "The server is shutting down"],
  };

/** Text of the notices on dropped messages. */
export const DROP_WORDS = {
  viewer_only: "The token of this viewer allows watching only",
  over_budget: "A viewer may send 120 messages and 256 KiB a second; more is dropped",
  not_taken: "The renderer does not accept messages",
  no_writer: "No renderer is connected that could receive messages",
  not_read: "The renderer reads messages more slowly than they arrive",
  too_many: "The renderer reads messages more slowly than they arrive",
  too_long: "The renderer accepts messages of at most 64 KiB",
  no_way:
    "The renderer sent messages faster than this viewer read them, or bytes before a data channel was open",
} as const;
