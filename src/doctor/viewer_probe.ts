import { errorText } from "../base/errors.ts";
import { TestViewer, type Viewing } from "./test_viewer.ts";
import { type CheckResult, failed, ok, type Values, warning } from "./result.ts";
import { closeWebSocket, openWebSocket } from "./signalling.ts";

/** Result of connecting as a browser does. */
export type ViewerFound =
  /** Signalling gave no answer. */
  | { readonly kind: "refused"; readonly code: string; readonly reason: string }
  | {
    readonly kind: "watched";
    readonly answeredMs: number;
    /** Address and port of the answer's UDP candidate. */
    readonly candidate: string;
    readonly viewing: Viewing;
  }
  /** The answer names a port that is known not to work. */
  | { readonly kind: "dead_end"; readonly candidate: string };

/** Options of {@link probeViewer}. */
export interface ViewerProbe {
  readonly deadlineMs: number;
  /** Origin header that a browser would send; `undefined` sends none, like other programs. */
  readonly origin: string | undefined;
  /** Candidates known not to work, such as `203.0.113.1 port 10111`. */
  readonly deadEnds: ReadonlySet<string>;
  /** Called while the viewer is connected: after the first picture, or when it did not arrive. */
  readonly whileThere: () => Promise<void>;
}

/** Joins a session over a WebSocket and watches until a complete picture or the deadline. Never rejects. */
export async function probeViewer(
  webSocketUrl: string,
  { deadlineMs, origin, deadEnds, whileThere }: ViewerProbe,
): Promise<ViewerFound> {
  let viewer: TestViewer | undefined;
  let socket: WebSocket | undefined;
  try {
    viewer = await TestViewer.create();
    const startMs = performance.now();
    // One deadline for all steps together.
    const leftMs = () => Math.max(0, startMs + deadlineMs - performance.now());
    socket = await openWebSocket(webSocketUrl, { deadlineMs: leftMs(), origin });
    const reply = await offer(socket, { sdp: viewer.offerSdp, deadlineMs: leftMs() });
    const answeredMs = performance.now() - startMs;
    if (reply.type === "error") {
      return { kind: "refused", code: String(reply.code), reason: String(reply.message) };
    }
    const sdp = String(reply.sdp);
    const candidate = candidateOf(sdp);
    if (deadEnds.has(candidate)) {
      await whileThere();
      return { kind: "dead_end", candidate };
    }
    const viewing = await viewer.watch(sdp, { deadlineMs: leftMs() });
    await whileThere();
    return { kind: "watched", answeredMs, candidate, viewing };
  } catch (error) {
    return { kind: "refused", code: "no_answer", reason: errorText(error) };
  } finally {
    if (socket !== undefined) await leave(socket);
    await viewer?.close();
  }
}

type Message = Readonly<Record<string, unknown>>;

function offer(
  socket: WebSocket,
  { sdp, deadlineMs }: { sdp: string; deadlineMs: number },
): Promise<Message> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`No answer came within ${deadlineMs / 1000} s`)),
      deadlineMs,
    );
    socket.onmessage = ({ data }) => {
      const message: Message = JSON.parse(data);
      if (message.type !== "answer" && message.type !== "error") return;
      clearTimeout(timer);
      resolve(message);
    };
    socket.onclose = () => {
      clearTimeout(timer);
      reject(new Error("The WebSocket was closed without an answer"));
    };
    socket.send(JSON.stringify({ type: "offer", sdp }));
  });
}

function candidateOf(sdp: string): string {
  const [, address, port] = /^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) /im.exec(sdp) ?? [];
  return address === undefined ? "no candidate" : `${address} port ${port}`;
}

async function leave(socket: WebSocket): Promise<void> {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "bye" }));
  await closeWebSocket(socket);
}

/** Reports how far a connection got, and at which layer it stopped. Pure. */
export function judgeViewer(found: ViewerFound): CheckResult {
  if (found.kind === "refused") return judgeRefusal(found);
  if (found.kind === "dead_end") {
    return failed("webrtc", {
      text: `The answer names ${found.candidate}, where no connection succeeds`,
      fix: "See the lines for that port",
    });
  }
  const { viewing: { pathMs, securedMs, packetMs, frameMs, problem } } = found;
  const values = figures(found);
  const because = problem === undefined ? "" : ` (${problem})`;
  if (pathMs === undefined) {
    return failed("webrtc", {
      text: `The answer came, but no ICE check of ${found.candidate} was answered${because}`,
      fix: "See the lines for that port",
      values,
    });
  }
  if (securedMs === undefined) {
    return failed("webrtc", {
      text: `ICE is connected, but the DTLS handshake does not complete${because}`,
      fix: "Large packets may be lost (see packet_size), or a device on the path alters packets",
      values,
    });
  }
  if (packetMs === undefined) {
    return failed("webrtc", {
      text: "DTLS is connected, but no video packet arrives",
      fix: "See the lines for renderer and encoder, and the server's log",
      values,
    });
  }
  if (frameMs === undefined) {
    return failed("webrtc", {
      text: "Video packets arrive, but no complete picture",
      fix: "Packets are lost: see packet_size, and lower video.bitrate_kbps",
      values,
    });
  }
  const [answered, path, secured, frame] = [found.answeredMs, pathMs, securedMs, frameMs]
    .map(Math.round);
  return ok(
    "webrtc",
    `Answer after ${answered} ms; then ICE ${path} ms, DTLS ${secured} ms, ` +
      `first complete picture ${frame} ms`,
    { values },
  );
}

function judgeRefusal({ code, reason }: ViewerFound & { kind: "refused" }): CheckResult {
  if (code === "no_free_port" || code === "session_full") {
    return warning("webrtc", {
      text: `Not tried, because the server is full: ${reason}`,
      fix: "Run the doctor again when a viewer has left",
    });
  }
  return failed("webrtc", {
    text: `The offer got no answer: ${code}: ${reason}`,
    fix: "docs/signalling.md explains the code; the server's log has details",
  });
}

function figures({ answeredMs, viewing }: ViewerFound & { kind: "watched" }): Values {
  const { pathMs, securedMs, packetMs, frameMs } = viewing;
  const steps = {
    answer_ms: answeredMs,
    ice_ms: pathMs,
    dtls_ms: securedMs,
    first_packet_ms: packetMs,
    first_picture_ms: frameMs,
  };
  const known = Object.entries(steps).flatMap(([name, ms]) =>
    ms === undefined ? [] : [[name, Math.round(ms)] as const]
  );
  return Object.fromEntries(known);
}
