import { sleep, SYSTEM_CLOCK } from "../base/clock.ts";
import { request } from "./http.ts";
import { type CheckResult, failed, ok, skipped, warning } from "./result.ts";

/** Time limit for the first frame of a session's renderer, in milliseconds. */
const FRAME_WAIT_MS = 4_000;
const ASK_INTERVAL_MS = 250;
const DEADLINE_MS = 2_000;

/** State of a session's renderer in `/api/sessions`. */
export interface SessionRenderer {
  readonly state: string;
  readonly lastFrameAgeS: number | undefined;
  readonly failuresInARow: number;
  readonly error: string | undefined;
}

/** Result of the request. */
export type SessionRendererFound =
  | SessionRenderer
  /** The session has ended. */
  | "gone"
  | { readonly problem: string };

/** Access to `/api/sessions`. */
export interface Operators {
  readonly origin: string;
  readonly token: string | undefined;
}

/** Polls a session's renderer until it gives frames or has ended, or the time limit passes. Never rejects. */
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

/** Parses one session of the answer to `GET /api/sessions`. Pure. */
export function readSessionRenderer(
  { status, body }: { readonly status: number; readonly body: string },
  sessionId: string,
): SessionRendererFound {
  if (status !== 200) return { problem: `/api/sessions answered with HTTP ${status}` };
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
    return { problem: "the answer of /api/sessions is not from Pinhole" };
  }
}

/** The configured renderer. */
export interface RendererSettings {
  /** Such as a library's path, or `bridge avatar`. */
  readonly what: string;
  readonly kind: "library" | "bridge" | "test_pattern";
  readonly isIsolated: boolean;
}

/** Reports whether a session shows frames of its renderer or the idle picture. Pure. */
export function judgeSessionRenderer(
  found: SessionRendererFound,
  settings: RendererSettings,
): CheckResult {
  const { what } = settings;
  if (found === "gone") {
    return failed("renderer", {
      text: `${what}: the server closed the session while the doctor watched it`,
      fix: fixOf(settings),
    });
  }
  if ("problem" in found) return skipped("renderer", `${what}: not checked: ${found.problem}`);
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
      return ok("renderer", `${what}: viewers see its frames`, { values });
    case "idle":
      return ok("renderer", `${what}: reports that it has nothing to show now`, { values });
    case "failing":
      return fail(`${failuresInARow} calls in a row failed${said}`);
    case "stalled":
      return fail("a call has been running for more than 0.5 s");
    case "ended":
      return fail("it ended its session");
    case "no_writer":
      return fail(
        settings.kind === "bridge"
          ? "no writer is connected to the bridge"
          : "the library's process is not running; it may have crashed",
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
    ? "Start the program that feeds the bridge, with the name in renderer.bridge; docs/bridge.md " +
      "describes the protocol"
    : `\`pinhole renderer-test ${what}\` names the call that fails; the server's log has the error`;
}

/** Reports that the server ended while the doctor's viewer was connected. Pure. */
export function judgeServerEnd(settings: RendererSettings): CheckResult {
  const { what, kind, isIsolated } = settings;
  const isLikely = kind === "library" && !isIsolated;
  return failed("renderer", {
    text: "The server ended after the doctor's viewer requested a picture" +
      (isLikely ? `: ${what} runs in its process, and has most likely crashed it` : ""),
    fix: isLikely
      ? `\`pinhole renderer-test ${what}\` names the call that crashes; with ` +
        'renderer.isolation = "process" the server survives such a crash'
      : "The server's log, or `journalctl -u pinhole`, has its last messages",
  });
}
