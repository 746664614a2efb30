/** How a check went. */
export const STATUSES = ["ok", "warning", "failed", "skipped"] as const;
/** One of {@link STATUSES}. */
export type Status = typeof STATUSES[number];

/** Every check, in the order in which they are told: from this host outwards. */
export const CHECKS = [
  "config",
  "ports",
  "renderer",
  "encoder",
  "server",
  "frpc",
  "public_address",
  "public_firewall",
  "signalling",
  "same_server",
  "websocket",
  "udp_port",
  "tcp_port",
  "port_mapping",
  "packet_size",
  "webrtc",
  "firewall",
  "clock",
] as const;
/** One of {@link CHECKS}. */
export type CheckName = typeof CHECKS[number];

/** What one check found. */
export interface CheckResult {
  readonly check: CheckName;
  /** Which of several things of one kind, such as a port or a proxy. */
  readonly subject?: string;
  readonly status: Status;
  /** What was found, for people. */
  readonly text: string;
  /** What mends it, for people; there is one where the status is `warning` or `failed`. */
  readonly fix?: string;
  /** The figures in `text`, for programs; units are in the names. */
  readonly values?: Values;
}

/** Figures by name. */
export type Values = Readonly<Record<string, string | number>>;

/** What a result has beside check, status and text. */
type More = Pick<CheckResult, "subject" | "values">;

/** It is as it should be. */
export function ok(check: CheckName, text: string, more: More = {}): CheckResult {
  return { check, status: "ok", text, ...more };
}

/** It was not looked at, and why. */
export function skipped(check: CheckName, text: string): CheckResult {
  return { check, status: "skipped", text };
}

/** It works, or may work, and is still not as it should be. */
export function warning(
  check: CheckName,
  told: More & { readonly text: string; readonly fix: string },
): CheckResult {
  return { check, status: "warning", ...told };
}

/** It does not work. */
export function failed(
  check: CheckName,
  told: More & { readonly text: string; readonly fix: string },
): CheckResult {
  return { check, status: "failed", ...told };
}

/** How many results there are of each status. */
export function countResults(results: readonly CheckResult[]): Record<Status, number> {
  const counts = { ok: 0, warning: 0, failed: 0, skipped: 0 };
  for (const { status } of results) counts[status]++;
  return counts;
}
