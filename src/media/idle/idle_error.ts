import { AppError } from "../../base/errors.ts";

/** Kinds of failures of an idle source. */
export type IdleErrorCode =
  | "not_found"
  | "not_readable"
  | "no_pictures"
  | "too_many_files"
  | "too_large"
  | "not_decodable";

/** An idle source cannot be shown. The message names the path and the reason. */
export class IdleError extends AppError<IdleErrorCode> {
  /** The file or folder at fault. */
  readonly path: string;
  /** Why it cannot be shown, without the path: the end of a sentence. */
  readonly reason: string;

  /**
   * @param code Stable name of the failure.
   * @param options.path The file or folder at fault.
   * @param options.reason Why it cannot be shown: the end of a sentence.
   */
  constructor(
    code: IdleErrorCode,
    { path, reason, cause }: { path: string; reason: string; cause?: unknown },
  ) {
    super(code, `Cannot show "${path}" as an idle picture: ${reason}`, { cause });
    this.path = path;
    this.reason = reason;
  }
}
