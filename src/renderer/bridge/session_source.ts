import type { FrameSource } from "../../media/frame.ts";
import type { BridgeSession } from "./bridge_session.ts";
import type { SessionFeatures } from "./writer_messages.ts";

/** Wraps a session as a source with only the functions that its renderer supports. */
export function sourceOf(session: BridgeSession, features: SessionFeatures): FrameSource {
  const { audio, takesMessages, givesMessages, encodes } = features;
  return {
    render: (timestampUs) => session.render(timestampUs),
    idleReason: () => session.idleReason(),
    close: () => session.close(),
    ...(audio ? { audio: (timestampUs: number) => session.audio(timestampUs) } : {}),
    ...(takesMessages ? { message: (data: Uint8Array) => session.message(data) } : {}),
    ...(givesMessages
      ? {
        pollMessage: () => session.pollMessage(),
        messagesDropped: (count: number) => session.messagesDropped(count),
      }
      : {}),
    ...(encodes
      ? {
        setBitrate: (bitsPerSecond: number) => session.setBitrate(bitsPerSecond),
        requestKeyframe: () => session.requestKeyframe(),
      }
      : {}),
  };
}
