import type { ViewerState } from "./session_api.ts";
import type { Session } from "./session.ts";
import type { SourceState } from "./source_health.ts";

/** One viewer in `/api/sessions`, without its id, which is a secret. docs/observability.md describes each field. */
export interface ViewerReport {
  /** The local port. */
  readonly port: number;
  /** Transport of the media path; `null` while there is none. */
  readonly transport: "udp" | "tcp" | null;
  readonly state: ViewerState;
  readonly codec: string;
  readonly age_s: number;
  readonly round_trip_ms: number | null;
  readonly bitrate_kbps: number;
  readonly target_kbps: number;
  readonly queue_ms: number | null;
  readonly path_viewers: number;
  readonly jitter_ms: number;
  readonly fraction_lost: number;
  readonly packets_sent: number;
  readonly bytes_sent: number;
  readonly packets_retransmitted: number;
}

/** A session's renderer in `/api/sessions`. */
export interface RendererReport {
  readonly state: SourceState;
  /** `null` before the first frame. */
  readonly last_frame_age_s: number | null;
  readonly failures_in_a_row: number;
  /** Message of the last failure; `null` once a call has succeeded since. */
  readonly error: string | null;
}

/** One session in `/api/sessions`. */
export interface SessionReport {
  readonly id: string;
  readonly age_s: number;
  readonly renderer: RendererReport;
  readonly viewers: readonly ViewerReport[];
}

/** Makes the entry of a session in `/api/sessions`. */
export function sessionReport(session: Session): SessionReport {
  return {
    id: session.id,
    age_s: seconds(session.ageMs),
    renderer: rendererReport(session),
    viewers: [...session.viewers].map((viewer) => {
      const { stats, codec } = viewer.peer;
      return {
        port: viewer.port,
        transport: stats.transport ?? null,
        state: viewer.state,
        codec,
        age_s: seconds(viewer.ageMs),
        round_trip_ms: stats.roundTripMs ?? null,
        bitrate_kbps: Math.round(stats.bitrateKbps),
        target_kbps: Math.round(stats.targetKbps),
        queue_ms: stats.queueMs === undefined ? null : Math.round(stats.queueMs),
        path_viewers: stats.pathViewers,
        jitter_ms: stats.jitterMs,
        fraction_lost: stats.fractionLost,
        packets_sent: stats.packetsSent,
        bytes_sent: stats.bytesSent,
        packets_retransmitted: stats.packetsRetransmitted,
      };
    }),
  };
}

/** Characters shown of a failure's message, because the library's text may have any length. */
const ERROR_CHARS_MAX = 512;

function rendererReport({ source, lastFrameAgeMs }: Session): RendererReport {
  const { state, failuresInARow, error } = source;
  return {
    state,
    last_frame_age_s: lastFrameAgeMs === undefined ? null : seconds(lastFrameAgeMs),
    failures_in_a_row: failuresInARow,
    error: error?.slice(0, ERROR_CHARS_MAX) ?? null,
  };
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10;
}
