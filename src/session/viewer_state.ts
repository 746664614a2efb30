import type { EndReason } from "../base/codes.ts";
import type { ViewerState } from "./door.ts";

/** Deadlines of a viewer, in milliseconds. */
export interface ViewerDeadlines {
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

/** What is known of one viewer. A plain value: {@link advanceViewer} makes the next one. */
export interface ViewerStatus {
  readonly phase: "connecting" | "connected" | "disconnected" | "ended";
  readonly joinedAtMs: number;
  /** When the last authenticated packet came; `joinedAtMs` before the first. */
  readonly heardAtMs: number;
  /** Whether a signalling connection holds this viewer. */
  readonly attached: boolean;
  readonly endReason?: EndReason;
}

/** What may happen to a viewer. */
export type ViewerEvent =
  /** The DTLS handshake is done. */
  | { readonly type: "secured" }
  /** Time passed; `heardAtMs` is when the last authenticated packet came. */
  | { readonly type: "tick"; readonly heardAtMs: number }
  /** The signalling connection broke off without a word. */
  | { readonly type: "detached" }
  /** A signalling connection took the viewer up again. */
  | { readonly type: "attached" }
  /** Somebody else needs the place. */
  | { readonly type: "place_wanted"; readonly heardAtMs: number }
  | { readonly type: "ended"; readonly reason: EndReason };

/** A connected viewer that was silent for this long is shown as disconnected: Chrome's checks come each 2.5 s. */
export const DISCONNECTED_AFTER_MS = 6_000;

/** How long a viewer without signalling may be silent before somebody else gets its place. */
export const RECLAIM_AFTER_MS = 5_000;

/** The status of a viewer that just got its answer. */
export function newViewerStatus(nowMs: number): ViewerStatus {
  return { phase: "connecting", joinedAtMs: nowMs, heardAtMs: nowMs, attached: true };
}

/** What a viewer is after an event. An ended viewer stays as it is. */
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

/** How long until the place of a viewer may be given away, in milliseconds; `undefined` while it is attached. */
export function reclaimableInMs(status: ViewerStatus, nowMs: number): number | undefined {
  if (status.attached) return undefined;
  return Math.max(0, status.heardAtMs + RECLAIM_AFTER_MS - nowMs);
}

/** The state that browsers are told, in RTCPeerConnection's words. */
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
