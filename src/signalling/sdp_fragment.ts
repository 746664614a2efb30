/** The part of an SDP fragment that an ICE-lite server uses (RFC 8840 §9, RFC 8839 §5.4). */
export interface SdpFragment {
  /** The browser's credentials; `undefined` if the fragment has only candidates. */
  readonly ice: FragmentCredentials | undefined;
}

/** Username fragment and password (RFC 8839 §5.4). */
export interface FragmentCredentials {
  readonly ufrag: string;
  readonly pwd: string;
}

/** ICE credentials (RFC 8839 §5.4). */
const UFRAG = /^[A-Za-z0-9+/]{4,256}$/;
const PWD = /^[A-Za-z0-9+/]{22,256}$/;

/** Session-level lines of the answer that a restart repeats (RFC 8840 §9.2). */
const SESSION_LINES = /^a=(?:ice-lite|ice-options:.*|group:BUNDLE .*)$/;

/** Parses a fragment of type `application/trickle-ice-sdpfrag`; `undefined` if it is invalid. */
export function parseSdpFragment(text: string): SdpFragment | undefined {
  const lines = text.split(/\r?\n/).filter((line) => line !== "");
  if (lines.length === 0 || !lines.every((line) => /^[a-z]=./.test(line))) return undefined;
  const ufrag = attribute(lines, "ice-ufrag");
  const pwd = attribute(lines, "ice-pwd");
  if (ufrag === undefined && pwd === undefined) return { ice: undefined };
  if (ufrag === undefined || pwd === undefined) return undefined;
  return UFRAG.test(ufrag) && PWD.test(pwd) ? { ice: { ufrag, pwd } } : undefined;
}

/**
 * Writes the fragment that answers an ICE restart: new credentials, and all candidates of the answer again, because a
 * restart discards the browser's remote candidates (RFC 8839 §4.4.1.1.1).
 * @param answerSdp An answer of this server.
 * @returns Lines end in CRLF.
 */
export function formatSdpFragment(answerSdp: string, { ufrag, pwd }: FragmentCredentials): string {
  const [session = "", ...media] = answerSdp.split(/^(?=m=)/m);
  const transport = linesOf(media.find((section) => section.includes("\na=candidate:")) ?? "");
  const lines = [
    ...linesOf(session).filter((line) => SESSION_LINES.test(line)),
    `a=ice-ufrag:${ufrag}`,
    `a=ice-pwd:${pwd}`,
    // RFC 8840 §9.2: the port of such a line has no meaning.
    ...transport.slice(0, 1).map((line) => line.replace(/^(m=\w+) \d+/, "$1 9")),
    ...transport.filter((line) => /^a=(?:mid:|candidate:|end-of-candidates$)/.test(line)),
  ];
  return lines.map((line) => `${line}\r\n`).join("");
}

function attribute(lines: readonly string[], name: string): string | undefined {
  const prefix = `a=${name}:`;
  return lines.find((line) => line.startsWith(prefix))?.slice(prefix.length).trim();
}

function linesOf(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line !== "");
}
