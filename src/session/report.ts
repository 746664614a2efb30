import type { ViewerState } from "./door.ts";
import type { Session } from "./session.ts";

/** One viewer in `/api/sessions`. Its id is a secret and stays out. docs/observability.md says what each field means. */
export interface ViewerReport {
  /** The local one. */
  readonly port: number;
  /** How packets go to the viewer; `null` while there is no way. */
  readonly transport: "udp" | "tcp" | null;
  readonly state: ViewerState;
  readonly codec: string;
  readonly age_s: number;
  readonly round_trip_ms: number | null;
  readonly bitrate_kbps: number;
  readonly target_kbps: number;
  readonly queue_ms: number | null;
  readonly jitter_ms: number;
  readonly fraction_lost: number;
  readonly packets_sent: number;
  readonly bytes_sent: number;
  readonly packets_retransmitted: number;
}

/** One session in `/api/sessions`. */
export interface SessionReport {
  readonly id: string;
  readonly age_s: number;
  readonly viewers: readonly ViewerReport[];
}

/** What `/api/sessions` shows of a session. */
export function sessionReport(session: Session): SessionReport {
  return {
    id: session.id,
    age_s: seconds(session.ageMs),
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
        jitter_ms: stats.jitterMs,
        fraction_lost: stats.fractionLost,
        packets_sent: stats.packetsSent,
        bytes_sent: stats.bytesSent,
        packets_retransmitted: stats.packetsRetransmitted,
      };
    }),
  };
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10;
}
