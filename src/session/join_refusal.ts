import { AppError } from "../base/errors.ts";
import { ViewerError } from "./session_api.ts";

/** Codes that transport errors and viewer errors have in common. */
const OFFER_CODES = new Set(["bad_sdp", "unsupported_codec"] as const);

/** Converts an error during a join to the refusal for the viewer. */
export function joinRefusal(error: unknown): ViewerError {
  if (error instanceof ViewerError) return error;
  for (const code of OFFER_CODES) {
    if (error instanceof AppError && error.code === code) {
      return new ViewerError(code, error.message, { cause: error });
    }
  }
  return new ViewerError("internal", "The server failed; see its log", { cause: error });
}
