/** Statuses of a check. */
export const STATUSES = ["ok", "warning", "failed", "skipped"] as const;
/** One of {@link STATUSES}. */
export type Status = typeof STATUSES[number];

/** Every check, in the order of the output: from this host outwards. */
export const CHECK_NAMES = [
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
/** One of {@link CHECK_NAMES}. */
export type CheckName = typeof CHECK_NAMES[number];

/** Result of one check. */
export interface CheckResult {
  readonly check: CheckName;
  /** The port or proxy, if a check covers several. */
  readonly subject?: string;
  readonly status: Status;
  /** What was found, for people. */
  readonly text: string;
  /** How to fix it, for people; present if the status is `warning` or `failed`. */
  readonly fix?: string;
  /** The figures in `text`, for programs; units are in the names. */
  readonly values?: Values;
}

/** Figures by name. */
export type Values = Readonly<Record<string, string | number>>;

/** Optional fields of a result. */
type More = Pick<CheckResult, "subject" | "values">;

/** Makes a result: correct. */
export function ok(check: CheckName, text: string, more: More = {}): CheckResult {
  return { check, status: "ok", text, ...more };
}

/** Makes a result: not checked, with the reason. */
export function skipped(check: CheckName, text: string): CheckResult {
  return { check, status: "skipped", text };
}

/** Makes a result: works, or may work, but needs attention. */
export function warning(
  check: CheckName,
  told: More & { readonly text: string; readonly fix: string },
): CheckResult {
  return { check, status: "warning", ...told };
}

/** Makes a result: does not work. */
export function failed(
  check: CheckName,
  told: More & { readonly text: string; readonly fix: string },
): CheckResult {
  return { check, status: "failed", ...told };
}

/** Counts results by status. */
export function countResults(results: readonly CheckResult[]): Record<Status, number> {
  const counts = { ok: 0, warning: 0, failed: 0, skipped: 0 };
  for (const { status } of results) counts[status]++;
  return counts;
}
