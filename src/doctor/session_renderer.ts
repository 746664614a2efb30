import { sleep, SYSTEM_CLOCK } from "../base/clock.ts";
import { request } from "./http.ts";
import { type CheckResult, failed, ok, skipped, warning } from "./result.ts";

/** How long a session's renderer may take to bring its first frame to the doctor's viewer, in milliseconds. */
const FRAME_WAIT_MS = 4_000;
const ASK_INTERVAL_MS = 250;
const DEADLINE_MS = 2_000;

/** What `/api/sessions` says of a session's renderer. */
export interface SessionRenderer {
  readonly state: string;
  readonly lastFrameAgeS: number | undefined;
  readonly failuresInARow: number;
  readonly error: string | undefined;
}

/** What came of asking. */
export type SessionRendererFound =
  | SessionRenderer
  /** The server has no such session any more. */
  | "gone"
  | { readonly problem: string };

/** Where `/api/sessions` is. */
export interface Operators {
  readonly origin: string;
  readonly token: string | undefined;
}

/** Asks how a session's renderer does, until it brought a frame or says why not, or for some seconds. Never rejects. */
export async function watchRenderer(
  operators: Operators,
  sessionId: string,
): Promise<SessionRendererFound> {
  const endMs = SYSTEM_CLOCK.now() + FRAME_WAIT_MS;
  while (true) {
    const found = await askSession(operators, sessionId);
    const isOver = typeof found !== "object" || "problem" in found || found.state === "frames" ||
      found.state === "ended";
    if (isOver || SYSTEM_CLOCK.now() > endMs) return found;
    await sleep(SYSTEM_CLOCK, ASK_INTERVAL_MS);
  }
}

async function askSession(
  { origin, token }: Operators,
  sessionId: string,
): Promise<SessionRendererFound> {
  const asked = { token, takesAnyCertificate: true, deadlineMs: DEADLINE_MS };
  const reply = await request(`${origin}/api/sessions`, asked);
  if ("problem" in reply) return { problem: reply.problem };
  return readSessionRenderer(reply, sessionId);
}

/** Reads one session of the answer to `GET /api/sessions`. Pure. */
export function readSessionRenderer(
  { status, body }: { readonly status: number; readonly body: string },
  sessionId: string,
): SessionRendererFound {
  if (status !== 200) return { problem: `/api/sessions answers with HTTP ${status}` };
  try {
    const sessions: readonly Record<string, unknown>[] = JSON.parse(body);
    const session = sessions.find(({ id }) => id === sessionId);
    if (session === undefined) return "gone";
    const renderer = session.renderer as Record<string, unknown> | undefined;
    if (renderer === undefined) return { problem: "the server is older than this doctor" };
    const age = renderer.last_frame_age_s;
    return {
      state: String(renderer.state),
      lastFrameAgeS: typeof age === "number" ? age : undefined,
      failuresInARow: Number(renderer.failures_in_a_row),
      error: typeof renderer.error === "string" ? renderer.error : undefined,
    };
  } catch {
    return { problem: "/api/sessions has no answer of Pinhole" };
  }
}

/** Names the renderer of the configuration. */
export interface RendererSettings {
  /** Such as a library's path, or `bridge avatar`. */
  readonly what: string;
  readonly kind: "library" | "bridge" | "test_pattern";
  readonly isIsolated: boolean;
}

/** Says whether the pictures of a session are its renderer's, or those that stand in for them. Pure. */
export function judgeSessionRenderer(
  found: SessionRendererFound,
  settings: RendererSettings,
): CheckResult {
  const { what } = settings;
  if (found === "gone") {
    return failed("renderer", {
      text: `${what}: the server has closed the session while the doctor watched it`,
      fix: fixOf(settings),
    });
  }
  if ("problem" in found) return skipped("renderer", `${what}: not seen, as ${found.problem}`);
  const { state, lastFrameAgeS, failuresInARow, error } = found;
  const seen = lastFrameAgeS === undefined
    ? "no frame came, and viewers see the idle picture"
    : `its last frame is ${lastFrameAgeS} s old, and viewers see the idle picture`;
  const said = error === undefined ? "" : `: ${error}`;
  const values = {
    state,
    failures_in_a_row: failuresInARow,
    ...(lastFrameAgeS === undefined ? {} : { last_frame_age_s: lastFrameAgeS }),
  };
  const fail = (why: string) =>
    failed("renderer", { text: `${what}: ${why}; ${seen}`, fix: fixOf(settings), values });
  switch (state) {
    case "frames":
      return ok("renderer", `${what}: its frames are what viewers see`, { values });
    case "idle":
      return ok("renderer", `${what}: has nothing to show now, and says so`, { values });
    case "failing":
      return fail(`${failuresInARow} calls in a row failed${said}`);
    case "stalled":
      return fail("a call is under way for longer than 0.5 s");
    case "ended":
      return fail("it has ended its session");
    case "no_writer":
      return fail(
        settings.kind === "bridge"
          ? "no writer is connected to the bridge"
          : "the library's process is not there, as after a crash",
      );
    default:
      return warning("renderer", {
        text: `${what}: it has not answered yet (${state}); ${seen}`,
        fix: fixOf(settings),
        values,
      });
  }
}

function fixOf({ kind, what }: RendererSettings): string {
  return kind === "bridge"
    ? "Start the program that feeds the bridge, with the name of renderer.bridge; docs/bridge.md " +
      "has what it says to the server"
    : `\`pinhole renderer-test ${what}\` says in which call it fails; the server's log has its words`;
}

/** Says that the server did not survive the doctor's viewer. Pure. */
export function judgeServerEnd(settings: RendererSettings): CheckResult {
  const { what, kind, isIsolated } = settings;
  const isLikely = kind === "library" && !isIsolated;
  return failed("renderer", {
    text: "The server is gone since the doctor's viewer asked for a picture" +
      (isLikely ? `: ${what} runs in its process, and has most likely ended it` : ""),
    fix: isLikely
      ? `\`pinhole renderer-test ${what}\` says in which call it crashes; ` +
        'renderer.isolation = "process" keeps the server when it does'
      : "The server's log, or `journalctl -u pinhole`, has its last words",
  });
}
