import { BridgeSession } from "../../../src/renderer/bridge/bridge_session.ts";
import type { ServerMessage, WriterPort } from "../../../src/renderer/bridge/server_messages.ts";
import type { Pace } from "../../../src/renderer/bridge/writer_messages.ts";
import { LogRecord } from "./bridge.ts";
import { FakeClock } from "../parts/fake_clock.ts";
import { RecordingMeter } from "../parts/recording_meter.ts";

/** A {@link BridgeSession} and everything around it. */
export interface BridgeSessionSetUp {
  readonly session: BridgeSession;
  readonly clock: FakeClock;
  readonly meter: RecordingMeter;
  readonly log: LogRecord;
  /** What attaches as the writer. */
  readonly port: WriterPort;
  /** What the writer was sent, and the types of that. */
  readonly sent: ServerMessage[];
  readonly types: () => string[];
  /** The writer has no room for messages any more. */
  readonly fill: () => void;
  /** A picture comes whose slot has a number. */
  readonly bring: (slot: number, timestampUs?: number) => void;
  /** Slots that the session has done with. */
  readonly released: number[];
}

/** A session with a writer that a test plays. */
export function setUpBridgeSession(
  { pace = "writer", clockOffsetUs = 0 }: { pace?: Pace; clockOffsetUs?: number } = {},
): BridgeSessionSetUp {
  const clock = new FakeClock();
  const meter = new RecordingMeter();
  const log = new LogRecord();
  const sent: ServerMessage[] = [];
  const released: number[] = [];
  let full = false;
  const session = new BridgeSession({
    open: { type: "open", session: 1, id: "one", width: 2, height: 2, fps: 25, params: {} },
    pace,
    clock,
    meter,
    log: log.logger,
    onClosed: () => {},
  });
  const port = {
    send: (message: ServerMessage) => void sent.push(message),
    trySend(message: ServerMessage) {
      if (!full) sent.push(message);
      return !full;
    },
    clockOffsetUs,
  };
  /** A picture comes whose slot has a number. */
  const bring = (slot: number, timestampUs = 0) =>
    session.takeFrame({
      timestampUs,
      read: () => ({ kind: "raw", format: "bgr24", width: 2, height: 2, planes: [], timestampUs }),
      slot: { read: () => [], release: () => void released.push(slot) },
    });
  const types = () => sent.map(({ type }) => type);
  return {
    clock,
    meter,
    log,
    sent,
    types,
    released,
    session,
    port,
    bring,
    fill: () => full = true,
  };
}
