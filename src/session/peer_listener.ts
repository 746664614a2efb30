import { errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { PeerListener } from "../transport/peer_transport.ts";
import type { Joining } from "./joining.ts";
import type { Session } from "./session.ts";
import type { Viewer } from "./viewer.ts";

/** Takes what a viewer's connection says to the viewer and its session. */
export function createPeerListener(
  session: Session,
  { joining, log, viewer }: {
    joining: Joining;
    /** With the session's name. */
    log: Logger;
    /** Asked for only once the connection says something: it is made before its viewer. */
    viewer: () => Viewer;
  },
): PeerListener {
  return {
    secured() {
      const ms = Math.round(joining.connected());
      log.info("peer_connected", { port: viewer().port, ms });
      viewer().secured();
      session.start(viewer());
    },
    failed(error) {
      const reason = errorText(error);
      log.warn("peer_failed", { error: reason });
      viewer().end("dtls_failed", reason);
    },
    closed: () => viewer().end("peer_closed"),
    firstFrame: () => joining.firstFrame(),
    message: (data) => viewer().say(data),
    keyframeRequested: (reason) => session.requestKeyframe(viewer(), reason),
  };
}
