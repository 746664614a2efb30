/** Descriptions of alerts that this server sends or reads (RFC 5246 §7.2). */
export const ALERT = {
  close_notify: 0,
  unexpected_message: 10,
  handshake_failure: 40,
  bad_certificate: 42,
  unsupported_certificate: 43,
  illegal_parameter: 47,
  decode_error: 50,
  decrypt_error: 51,
  protocol_version: 70,
  internal_error: 80,
  no_renegotiation: 100,
} as const;

/** Levels of alerts (RFC 5246 §7.2). */
export const ALERT_LEVEL = { warning: 1, fatal: 2 } as const;

/** Why a handshake failed. */
export interface DtlsFault {
  /** The alert that the client gets. */
  readonly alert: keyof typeof ALERT;
  /** For people: what the client did or offered, and what this server supports. */
  readonly message: string;
}

/** Makes a fault. */
export function dtlsFault(alert: DtlsFault["alert"], message: string): DtlsFault {
  return { alert, message };
}

/** Whether something is a {@link DtlsFault}. */
export function isDtlsFault(value: object): value is DtlsFault {
  return "alert" in value;
}
