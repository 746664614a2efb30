/** Chunk types (RFC 9260 §3.2, RFC 6525 §3.1, RFC 3758 §3.2). */
export const CHUNK = {
  data: 0,
  init: 1,
  initAck: 2,
  sack: 3,
  heartbeat: 4,
  heartbeatAck: 5,
  abort: 6,
  shutdown: 7,
  shutdownAck: 8,
  error: 9,
  cookieEcho: 10,
  cookieAck: 11,
  shutdownComplete: 14,
  reconfig: 130,
  forwardTsn: 192,
} as const;

/** Parameter types (RFC 9260 §3.3, RFC 6525 §4, RFC 5061 §4.2.7, RFC 3758 §3.1). */
export const PARAMETER = {
  stateCookie: 7,
  unrecognized: 8,
  outgoingReset: 13,
  resetResponse: 16,
  supportedExtensions: 0x8008,
  forwardTsn: 0xc000,
} as const;

/** Parameters of INIT that are ignored without a report (RFC 9260 §3.3.2, RFC 4895). */
export const PASSED_OVER: ReadonlySet<number> = new Set([5, 6, 9, 11, 12]);

/** Causes of ERROR and ABORT (RFC 9260 §3.3.10). */
export const CAUSE = {
  invalidStream: 1,
  unrecognizedChunk: 6,
  noUserData: 9,
  userAbort: 12,
  protocolViolation: 13,
} as const;

/** A fragment of a message (RFC 9260 §3.3.1). */
export interface DataChunk {
  readonly kind: "data";
  readonly tsn: number;
  readonly stream: number;
  /** Stream sequence number; unused if `unordered`. */
  readonly ssn: number;
  readonly ppid: number;
  readonly unordered: boolean;
  /** Whether it is the first fragment, and the last. */
  readonly begins: boolean;
  readonly ends: boolean;
  /** The sender requests an immediate SACK. */
  readonly immediate: boolean;
  /** A view into the packet. */
  readonly payload: Uint8Array;
}

/** Parameters of either side in INIT and INIT-ACK (RFC 9260 §3.3.2, §3.3.3). */
export interface InitTerms {
  /** Verification tag of packets to the sender of these parameters. */
  readonly tag: number;
  readonly windowBytes: number;
  readonly outgoingStreams: number;
  readonly incomingStreams: number;
  readonly initialTsn: number;
  /** Supports FORWARD-TSN (RFC 3758). */
  readonly forwardTsn: boolean;
  /** Supports RE-CONFIG (RFC 6525). */
  readonly reconfig: boolean;
}

/** INIT or INIT-ACK. */
export interface InitChunk {
  readonly kind: "init" | "init_ack";
  readonly terms: InitTerms;
  /** Only in INIT-ACK. */
  readonly cookie: Uint8Array | undefined;
  /** Whole parameters that must be reported as unknown; views. */
  readonly unrecognized: readonly Uint8Array[];
}

/** Acknowledges data (RFC 9260 §3.3.4). */
export interface SackChunk {
  readonly kind: "sack";
  readonly cumulativeTsn: number;
  readonly windowBytes: number;
  /** First and last offset of each block from `cumulativeTsn`, sorted, without overlap. */
  readonly gaps: readonly (readonly [start: number, end: number])[];
}

/** The sender gave up everything up to a TSN (RFC 3758 §3.2). */
export interface ForwardTsnChunk {
  readonly kind: "forward_tsn";
  readonly cumulativeTsn: number;
  /** Last abandoned SSN of each ordered stream. */
  readonly streams: readonly { readonly stream: number; readonly ssn: number }[];
}

/** A parameter of RE-CONFIG (RFC 6525 §4). */
export type ReconfigParameter =
  | {
    readonly kind: "outgoing_reset";
    readonly request: number;
    /** Last TSN that the sender assigned before. */
    readonly lastTsn: number;
    /** Empty: all streams. */
    readonly streams: readonly number[];
  }
  | { readonly kind: "response"; readonly request: number; readonly result: number }
  /** A request that data channels do not use; it is denied. */
  | { readonly kind: "other"; readonly request: number };

/** A parsed chunk. Its views are valid as long as the packet. */
export type Chunk =
  | DataChunk
  | InitChunk
  | SackChunk
  | ForwardTsnChunk
  | { readonly kind: "heartbeat"; readonly body: Uint8Array }
  | { readonly kind: "abort" | "shutdown_complete"; readonly tagReflected: boolean }
  | { readonly kind: "shutdown"; readonly cumulativeTsn: number }
  | { readonly kind: "heartbeat_ack" | "shutdown_ack" | "error" | "cookie_ack" }
  | { readonly kind: "cookie_echo"; readonly cookie: Uint8Array }
  | { readonly kind: "reconfig"; readonly parameters: readonly ReconfigParameter[] }
  | { readonly kind: "unknown"; readonly type: number; readonly bytes: Uint8Array };

/** A parsed packet. */
export interface Packet {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly tag: number;
  /** At least one. */
  readonly chunks: readonly Chunk[];
}
