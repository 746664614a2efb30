import { type Certificate, faultOf } from "./certificate.ts";
import type { HttpFailure } from "./http.ts";
import { type CheckResult, failed, ok } from "./result.ts";
import { readReport } from "./server.ts";
import type { SignallingFound } from "./signalling.ts";

/** What the messages depend on besides the answers. */
export interface SignallingContext {
  /** Whether the server of this host terminates TLS itself (`server.tls_cert`). */
  readonly hasTls: boolean;
  /** In milliseconds since 1970. */
  readonly nowMs: number;
}

/** Reports whether signalling is reachable, and whether this server answers there. Pure. */
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

const TUNNEL = "Check that the tunnel is up, that its TCP proxy forwards to server.listen, and " +
  "that server.public_url is correct";

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
        `A web server answers at ${origin} (HTTP ${status}) and forwards only ${answersBelow} to ` +
        "Pinhole, whose paths start at the root",
      fix: "Have the web server forward every path, as in nginx `location / { proxy_pass " +
        "http://127.0.0.1:9000; }`, or give Pinhole a separate host name or port",
    });
  }
  if (location !== undefined) {
    return failed("signalling", {
      text: `${origin} redirects to ${location} (HTTP ${status})`,
      fix: "Set server.public_url to the address that answers without a redirect",
    });
  }
  return failed("signalling", {
    text: `${origin}/healthz answers with HTTP ${status}, but not as Pinhole does`,
    fix: `A web server in front must forward every path, from the root. ${TUNNEL}`,
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
      fix: "Browsers require a certificate for the name in server.public_url, from an authority " +
        "that they trust",
    });
  }
  if (health.cause === "silent") {
    return failed("signalling", {
      text,
      fix: "A firewall drops the packets, or the address belongs to another machine. " + TUNNEL,
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
      "Browsers require a valid certificate for the name in server.public_url, from an authority " +
      `that they trust: ${
        hasTls
          ? "renew server.tls_cert and server.tls_key, and reload the server"
          : "renew the certificate of the web server in front"
      }`,
  });
}

/** The URL and the server disagree about TLS. */
function judgeScheme(origin: string, { hasTls }: SignallingContext): CheckResult {
  if (origin.startsWith("https:")) {
    return failed("signalling", {
      text: `server.public_url says https (${origin}), but plain http answers there`,
      fix:
        "Set server.tls_cert and server.tls_key, put a web server in front that terminates TLS, or " +
        "use http:// in server.public_url",
    });
  }
  return failed("signalling", {
    text: `server.public_url says http (${origin}), but TLS answers there${
      hasTls ? ", as server.tls_cert is set" : ""
    }`,
    fix: "Use https:// in server.public_url, or leave server.tls_cert and server.tls_key empty",
  });
}

/** Reports that the page served there may not connect: its Origin and the Host header differ. */
function judgeOrigin(origin: string, { known }: SignallingFound): CheckResult | undefined {
  if (!("status" in known) || known.status !== 403) return undefined;
  if (!/"origin_not_allowed"/.test(known.body)) return undefined;
  return failed("signalling", {
    text: `${origin} answers, but refuses its own page (origin_not_allowed): the server receives ` +
      "another Host header than the browser sent",
    fix:
      "Have the web server in front forward the Host header, as in nginx `proxy_set_header Host " +
      `$http_host;\`, or allow the page: server.allowed_origins = ["${origin}"]`,
  });
}

function judgeKnown(origin: string, known: SignallingFound["known"]): CheckResult {
  const report = "problem" in known ? known : readReport(known);
  if (!("problem" in report)) return ok("same_server", "This server answers there");
  if ("status" in known && known.status === 404) {
    return failed("same_server", {
      text: `Another Pinhole answers at ${origin}, not the one on this host`,
      fix:
        "Check whether another tunnel client, here or on another host, uses the same public port",
    });
  }
  return failed("same_server", {
    text: `Cannot determine whether this server answers there: ${report.problem}`,
    fix: "A proxy in front must forward /api/",
  });
}

function judgeWebSocket(problem: string | undefined): CheckResult {
  if (problem === undefined) return ok("websocket", "A WebSocket opens");
  return failed("websocket", {
    text: `HTTP answers, but a WebSocket does not open: ${problem}`,
    fix: "A proxy in front must forward the headers Upgrade and Connection for /ws/",
  });
}
