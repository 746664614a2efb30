import { errorText } from "../base/errors.ts";
import { type HttpReply, request } from "./http.ts";
import { type CheckResult, failed, ok } from "./result.ts";
import { readReport } from "./server.ts";

/** What came back from the public address of signalling. */
export interface SignallingFound {
  /** `GET /healthz` */
  readonly health: HttpReply | { readonly problem: string };
  /** `GET /api/path-check/<id>`, of a check that this host's own server began. */
  readonly known: HttpReply | { readonly problem: string };
  /** Why a WebSocket did not open; `undefined` when it did. */
  readonly webSocketProblem: string | undefined;
}

const DEADLINE_MS = 5_000;

/** Asks all at once. */
export async function probeSignalling(
  origin: string,
  { checkId, webSocketUrl }: { checkId: string; webSocketUrl: string },
): Promise<SignallingFound> {
  const asked = { deadlineMs: DEADLINE_MS };
  const [health, known, webSocketProblem] = await Promise.all([
    request(`${origin}/healthz`, asked),
    request(`${origin}/api/path-check/${encodeURIComponent(checkId)}`, asked),
    tryWebSocket(webSocketUrl),
  ]);
  return { health, known, webSocketProblem };
}

/** Opens a WebSocket and closes it again. @returns Why it did not open. */
async function tryWebSocket(url: string): Promise<string | undefined> {
  try {
    const socket = await openWebSocket(url, { deadlineMs: DEADLINE_MS });
    await closeWebSocket(socket);
    return undefined;
  } catch (error) {
    return errorText(error);
  }
}

/**
 * Opens a WebSocket.
 * @throws {Error} When it is not open in time, with why.
 */
export async function openWebSocket(
  url: string,
  { deadlineMs }: { deadlineMs: number },
): Promise<WebSocket> {
  const socket = new WebSocket(url);
  const opened = Promise.withResolvers<void>();
  const timer = setTimeout(
    () => opened.reject(new Error(`it did not open within ${deadlineMs / 1000} s`)),
    deadlineMs,
  );
  socket.onopen = () => opened.resolve();
  socket.onerror = (event) =>
    opened.reject(new Error(event instanceof ErrorEvent ? event.message : "it did not open"));
  try {
    await opened.promise;
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  } finally {
    clearTimeout(timer);
    socket.onerror = null;
  }
}

/** How long the other side may take to agree to a close, in milliseconds. */
const CLOSE_MS = 500;

/** Closes an open WebSocket and waits for the other side to agree, but not for long. */
export async function closeWebSocket(socket: WebSocket): Promise<void> {
  if (socket.readyState === WebSocket.CLOSED) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, CLOSE_MS);
  socket.onclose = () => resolve();
  socket.close();
  await promise;
  clearTimeout(timer);
}

/** Says whether signalling is reached, and whether it is this server that answers. Pure. */
export function judgeSignalling(
  origin: string,
  { health, known, webSocketProblem }: SignallingFound,
): CheckResult[] {
  const reached = judgeHealth(origin, health);
  if (reached.status === "failed") return [reached];
  return [reached, judgeKnown(origin, known), judgeWebSocket(webSocketProblem)];
}

function judgeHealth(origin: string, health: SignallingFound["health"]): CheckResult {
  const tunnel = "Is the tunnel up, and does its TCP proxy lead to server.listen? " +
    "Is server.public_url right?";
  if ("problem" in health) {
    return failed("signalling", {
      text: `${origin} does not answer: ${health.problem}`,
      fix: /certificate/i.test(health.problem)
        ? "Browsers want one for the name in server.public_url, from an authority that they know"
        : tunnel,
    });
  }
  const { status, body, location } = health;
  if (status === 200 && body.trim() === "ok") return ok("signalling", `${origin} answers`);
  if (location !== undefined) {
    return failed("signalling", {
      text: `${origin} sends on to ${location} (HTTP ${status})`,
      fix: "Set server.public_url to the address that answers by itself",
    });
  }
  return failed("signalling", {
    text: `${origin}/healthz answers with HTTP ${status}, but not as Pinhole does`,
    fix: tunnel,
  });
}

function judgeKnown(origin: string, known: SignallingFound["known"]): CheckResult {
  const report = "problem" in known ? known : readReport(known);
  if (!("problem" in report)) return ok("same_server", "It is this server that answers there");
  if ("status" in known && known.status === 404) {
    return failed("same_server", {
      text: `Another Pinhole answers at ${origin}, not the one of this host`,
      fix: "Does another tunnel client, or one on another host, have the same public port?",
    });
  }
  return failed("same_server", {
    text: `Whether it is this server that answers cannot be told: ${report.problem}`,
    fix: "A proxy in front must pass /api/ on",
  });
}

function judgeWebSocket(problem: string | undefined): CheckResult {
  if (problem === undefined) return ok("websocket", "A WebSocket opens");
  return failed("websocket", {
    text: `HTTP answers, but a WebSocket does not open: ${problem}`,
    fix: "A proxy in front must pass on the headers Upgrade and Connection for /ws/",
  });
}
