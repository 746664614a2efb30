import { AppError } from "../../base/errors.ts";

/** Why a bridge cannot be opened, or why a writer was not let in. */
export type BridgeErrorCode =
  /** This host has no shared memory, or not the C library that the bridge is made with. */
  | "bridge_unsupported"
  /** Another server has a bridge of that name, or another user a file at its paths. */
  | "bridge_taken"
  /** A file or the socket of the bridge cannot be made. */
  | "bridge_files"
  /** The server did not let the writer in, or sent it away; the message has its words. */
  | "bridge_refused"
  /** The server is gone. */
  | "bridge_closed"
  /** The process of an isolated library cannot be started, or it ended before the library was open. */
  | "library_process";

/** A failure of a bridge, of a server or of a writer. */
export class BridgeError extends AppError<BridgeErrorCode> {}

/** The other side broke the contract. It is disconnected, and the message says why. */
export class BridgeViolation extends Error {
  override readonly name = "BridgeViolation";
}
