import { type Certificate, faultOf } from "./certificate.ts";
import type { HttpFailure } from "./http.ts";
import { type CheckResult, failed, ok } from "./result.ts";
import { readReport } from "./server.ts";
import type { SignallingFound } from "./signalling.ts";

/** What the words depend on beside what was found. */
export interface SignallingContext {
  /** Whether the server of this host speaks TLS itself: `server.tls_cert`. */
  readonly hasTls: boolean;
  /** In milliseconds since 1970. */
  readonly nowMs: number;
}

/** Says whether signalling is reached, and whether it is this server that answers. Pure. */
export function judgeSignalling(
  origin: string,
  found: SignallingFound,
  context: SignallingContext = { hasTls: false, nowMs: Date.now() },
): CheckResult[] {
  const reached = judgeHealth(origin, found, context);
  if (reached.status === "failed") return [reached];
  const refused = judgeOrigin(origin, found);
  if (refused !== undefined) return [refused];
  return [reached, judgeKnown(origin, found.known), judgeWebSocket(found.webSocketProblem)];
}

const TUNNEL = "Is the tunnel up, and does its TCP proxy lead to server.listen? " +
  "Is server.public_url right?";

function judgeHealth(
  origin: string,
  found: SignallingFound,
  context: SignallingContext,
): CheckResult {
  const { health, answersBelow } = found;
  if ("problem" in health) return judgeFailure(origin, { ...found, health, context });
  const { status, body, location } = health;
  if (status === 200 && body.trim() === "ok") return ok("signalling", `${origin} answers`);
  if (found.answersByOtherScheme) return judgeScheme(origin, context);
  if (answersBelow !== undefined) {
    return failed("signalling", {
      text:
        `A web server answers at ${origin} (HTTP ${status}) and passes ${answersBelow} alone on ` +
        "to Pinhole, whose pages and paths begin at the root",
      fix: "Have the web server pass every path on, as nginx does by `location / { proxy_pass " +
        "http://127.0.0.1:9000; }`, or give Pinhole a host name or port of its own",
    });
  }
  if (location !== undefined) {
    return failed("signalling", {
      text: `${origin} sends on to ${location} (HTTP ${status})`,
      fix: "Set server.public_url to the address that answers by itself",
    });
  }
  return failed("signalling", {
    text: `${origin}/healthz answers with HTTP ${status}, but not as Pinhole does`,
    fix: `A web server in front must pass every path on, from the root. ${TUNNEL}`,
  });
}

function judgeFailure(
  origin: string,
  { health, certificate, answersByOtherScheme, context }: SignallingFound & {
    readonly health: HttpFailure;
    readonly context: SignallingContext;
  },
): CheckResult {
  const host = new URL(origin).hostname.replace(/^\[(.*)\]$/, "$1");
  if (certificate !== undefined && health.cause === "certificate") {
    return judgeCertificate(origin, { certificate, host, problem: health.problem, context });
  }
  if (answersByOtherScheme) return judgeScheme(origin, context);
  const text = `${origin} does not answer: ${health.problem}`;
  if (health.cause === "certificate") {
    return failed("signalling", {
      text,
      fix: "Browsers want one for the name in server.public_url, from an authority that they know",
    });
  }
  if (health.cause === "silent") {
    return failed("signalling", {
      text,
      fix: "Silence without a refusal: a firewall drops what comes, or the address is another " +
        `machine's. ${TUNNEL}`,
    });
  }
  return failed("signalling", { text, fix: TUNNEL });
}

function judgeCertificate(
  origin: string,
  { certificate, host, problem, context: { nowMs, hasTls } }: {
    certificate: Certificate;
    host: string;
    problem: string;
    context: SignallingContext;
  },
): CheckResult {
  const fault = faultOf(certificate, { host, nowMs }) ?? problem;
  return failed("signalling", {
    text: `Browsers refuse ${origin}: ${fault}`,
    fix:
      "They want one that is valid today, for the name in server.public_url, from an authority that " +
      `they know: ${
        hasTls
          ? "renew server.tls_cert and server.tls_key, and reload the server"
          : "renew that of the web server in front"
      }`,
  });
}

/** The URL and the server disagree about TLS. */
function judgeScheme(origin: string, { hasTls }: SignallingContext): CheckResult {
  if (origin.startsWith("https:")) {
    return failed("signalling", {
      text: `server.public_url says https (${origin}), and plain http answers there`,
      fix:
        "Set server.tls_cert and server.tls_key, or put a web server in front that ends TLS, or " +
        "write http:// in server.public_url",
    });
  }
  return failed("signalling", {
    text: `server.public_url says http (${origin}), and TLS answers there${
      hasTls ? ", as server.tls_cert is set" : ""
    }`,
    fix: "Write https:// in server.public_url, or leave server.tls_cert and server.tls_key empty",
  });
}

/** The page that is served there may not connect: its origin is not the name that reaches the server. */
function judgeOrigin(origin: string, { known }: SignallingFound): CheckResult | undefined {
  if (!("status" in known) || known.status !== 403) return undefined;
  if (!/"origin_not_allowed"/.test(known.body)) return undefined;
  return failed("signalling", {
    text:
      `${origin} answers, and refuses its own page (origin_not_allowed): what reaches the server ` +
      "has another Host than the browser sent",
    fix:
      "The web server in front has to pass the header Host on, as nginx does by `proxy_set_header " +
      `Host $http_host;\`. Or name the page: server.allowed_origins = ["${origin}"]`,
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
