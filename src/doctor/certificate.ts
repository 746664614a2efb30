import tls from "node:tls";

/** The fields of a certificate that browsers check. */
export interface Certificate {
  /** In milliseconds since 1970. */
  readonly validFromMs: number;
  readonly validToMs: number;
  /** Names and addresses that it is for, such as `example.com` and `203.0.113.7`. */
  readonly names: readonly string[];
  /** Whether its issuer is itself. */
  readonly isSelfSigned: boolean;
}

/** Reads the certificate that an https origin presents; `undefined` if there is none. Never rejects. */
export async function readCertificate(
  origin: string,
  { deadlineMs }: { deadlineMs: number },
): Promise<Certificate | undefined> {
  const { protocol, hostname, port } = new URL(origin);
  if (protocol !== "https:") return undefined;
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const isName = !/^[\d.]+$/.test(host) && !host.includes(":");
  const { promise, resolve } = Promise.withResolvers<Certificate | undefined>();
  const none = () => resolve(undefined);
  const timer = setTimeout(none, deadlineMs);
  const socket = tls.connect({
    host,
    port: Number(port || 443),
    rejectUnauthorized: false,
    // RFC 6066 §3: no addresses.
    ...(isName ? { servername: host } : {}),
  }, () => resolve(formOf(socket.getPeerCertificate())));
  socket.on("error", none);
  socket.on("close", none);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

function formOf(shown: tls.PeerCertificate): Certificate | undefined {
  const [validFromMs, validToMs] = [Date.parse(shown.valid_from), Date.parse(shown.valid_to)];
  if (Number.isNaN(validFromMs) || Number.isNaN(validToMs)) return undefined;
  const text = (shown.subjectaltname ?? "").split(", ");
  return {
    validFromMs,
    validToMs,
    names: text.map((name) => name.replace(/^(DNS|IP Address):/, "")).filter((name) => name !== ""),
    isSelfSigned: JSON.stringify(shown.subject) === JSON.stringify(shown.issuer),
  };
}

/**
 * Returns why browsers reject a certificate; `undefined` if the reason is not visible here, such as an authority that
 * they do not trust. Pure.
 * @param host Name or address without brackets.
 */
export function faultOf(
  { validFromMs, validToMs, names, isSelfSigned }: Certificate,
  { host, nowMs }: { host: string; nowMs: number },
): string | undefined {
  if (validToMs < nowMs) return `the certificate expired on ${dayOf(validToMs)}`;
  if (validFromMs > nowMs) return `the certificate is not valid before ${dayOf(validFromMs)}`;
  if (!names.some((name) => matches(name, host))) {
    return `the certificate is for ${
      names.length === 0 ? "no name" : names.join(", ")
    }, not for ${host}`;
  }
  return isSelfSigned ? "the certificate is self-signed" : undefined;
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** RFC 6125 §6.4.3: a wildcard stands for one label. */
function matches(name: string, host: string): boolean {
  const [pattern, wanted] = [name.toLowerCase(), host.toLowerCase()];
  if (!pattern.startsWith("*.")) return pattern === wanted || sameAddress(pattern, wanted);
  return wanted.slice(wanted.indexOf(".")) === pattern.slice(1) && !wanted.startsWith(".");
}

function sameAddress(one: string, other: string): boolean {
  if (!one.includes(":") || !other.includes(":")) return false;
  const [first, second] = [one, other].map((text) => URL.parse(`http://[${text}]`)?.hostname);
  return first !== undefined && first === second;
}
