import { errorText } from "../base/errors.ts";
import { TestViewer, type Viewing } from "../transport/test_viewer.ts";
import { type CheckResult, failed, ok, type Values, warning } from "./result.ts";
import { closeWebSocket, openWebSocket } from "./signalling.ts";

/** What became of a connection as a browser makes it. */
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
  /** The answer names a port of which it is known that no connection succeeds. */
  | { readonly kind: "dead_end"; readonly candidate: string };

/** How {@link probeViewer} goes about it. */
export interface ViewerProbe {
  readonly deadlineMs: number;
  /** The page that a browser would come from; `undefined` comes as programs do. */
  readonly origin: string | undefined;
  /** Candidates, such as `203.0.113.1 port 10111`, that are not worth to wait for. */
  readonly deadEnds: ReadonlySet<string>;
  /** Is done while the viewer is there: after the first picture, or when it did not come. */
  readonly whileThere: () => Promise<void>;
}

/** Joins a session over a WebSocket and watches until a whole picture came, or time is up. Never rejects. */
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

/** Says how far a connection came, and which layer stopped it. Pure. */
export function judgeViewer(found: ViewerFound): CheckResult {
  if (found.kind === "refused") return judgeRefusal(found);
  if (found.kind === "dead_end") {
    return failed("webrtc", {
      text: `The answer names ${found.candidate}, where no connection succeeds`,
      fix: "See the lines of that port",
    });
  }
  const { viewing: { pathMs, securedMs, packetMs, frameMs, problem } } = found;
  const values = figures(found);
  const because = problem === undefined ? "" : ` (${problem})`;
  if (pathMs === undefined) {
    return failed("webrtc", {
      text: `The answer came, but no ICE check of ${found.candidate} was answered${because}`,
      fix: "See the lines of that port",
      values,
    });
  }
  if (securedMs === undefined) {
    return failed("webrtc", {
      text: `ICE is connected, but the DTLS handshake does not end${because}`,
      fix: "Large packets may be lost: see packet_size. Or something on the way changes packets",
      values,
    });
  }
  if (packetMs === undefined) {
    return failed("webrtc", {
      text: "DTLS is done, but no packet of video comes",
      fix: "See the lines of renderer and encoder, and the server's log",
      values,
    });
  }
  if (frameMs === undefined) {
    return failed("webrtc", {
      text: "Video comes, but no picture is whole",
      fix: "Packets are lost: see packet_size, and lower video.bitrate_kbps",
      values,
    });
  }
  const [answered, path, secured, frame] = [found.answeredMs, pathMs, securedMs, frameMs]
    .map(Math.round);
  return ok(
    "webrtc",
    `Answer after ${answered} ms; then ICE ${path} ms, DTLS ${secured} ms, ` +
      `first whole picture ${frame} ms`,
    { values },
  );
}

function judgeRefusal({ code, reason }: ViewerFound & { kind: "refused" }): CheckResult {
  if (code === "no_free_port" || code === "session_full") {
    return warning("webrtc", {
      text: `Not tried, as the server is full: ${reason}`,
      fix: "Run the doctor again when somebody has left",
    });
  }
  return failed("webrtc", {
    text: `The offer got no answer: ${code}: ${reason}`,
    fix: "docs/signalling.md explains the code; the server's log says more",
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
