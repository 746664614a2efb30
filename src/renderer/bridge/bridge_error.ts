import { AppError } from "../../base/errors.ts";

/** Why a bridge cannot be opened, or a writer was refused. */
export type BridgeErrorCode =
  /** This host has no shared memory or no GNU C library. */
  | "bridge_unsupported"
  /** Another server uses the name, or another user owns a file at the bridge's paths. */
  | "bridge_taken"
  /** A file or the socket of the bridge cannot be created. */
  | "bridge_files"
  /** The server refused or disconnected the writer; the message has the server's reason. */
  | "bridge_refused"
  /** The server is gone. */
  | "bridge_closed"
  /** The process of an isolated library could not be started, or ended before the library was open. */
  | "library_process";

/** A failure of a bridge, of a server or of a writer. */
export class BridgeError extends AppError<BridgeErrorCode> {}

/** The other side violated the contract and is disconnected; the message is the reason. */
export class BridgeViolation extends Error {
  override readonly name = "BridgeViolation";
}
