import type { AnnouncedCandidate } from "../session/door.ts";

/** The part of an SDP fragment that a server which dials nobody reads (RFC 8840 §9, RFC 8839 §5.4). */
export interface SdpFragment {
  /** The browser's new credentials; `undefined` where the fragment brings candidates alone. */
  readonly ice: { readonly ufrag: string; readonly pwd: string } | undefined;
}

/** ICE credentials (RFC 8839 §5.4). */
const UFRAG = /^[A-Za-z0-9+/]{4,256}$/;
const PWD = /^[A-Za-z0-9+/]{22,256}$/;

/** Reads a fragment of type `application/trickle-ice-sdpfrag`; `undefined` when it is none. */
export function parseSdpFragment(text: string): SdpFragment | undefined {
  const lines = text.split(/\r?\n/).filter((line) => line !== "");
  if (lines.length === 0 || !lines.every((line) => /^[a-z]=./.test(line))) return undefined;
  const ufrag = attribute(lines, "ice-ufrag");
  const pwd = attribute(lines, "ice-pwd");
  if (ufrag === undefined && pwd === undefined) return { ice: undefined };
  if (ufrag === undefined || pwd === undefined) return undefined;
  return UFRAG.test(ufrag) && PWD.test(pwd) ? { ice: { ufrag, pwd } } : undefined;
}

/** A fragment that answers an ICE restart. Lines end in CRLF. */
export function formatSdpFragment(
  { ufrag, pwd, candidate }: { ufrag: string; pwd: string; candidate: AnnouncedCandidate },
): string {
  return [
    "a=ice-lite",
    `a=ice-ufrag:${ufrag}`,
    `a=ice-pwd:${pwd}`,
    `m=video 9 UDP/TLS/RTP/SAVPF 0`,
    `a=mid:${candidate.sdpMid}`,
    `a=${candidate.candidate}`,
    "a=end-of-candidates",
    "",
  ].join("\r\n");
}

function attribute(lines: readonly string[], name: string): string | undefined {
  const prefix = `a=${name}:`;
  return lines.find((line) => line.startsWith(prefix))?.slice(prefix.length).trim();
}
