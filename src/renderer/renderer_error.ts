import { AppError } from "../base/errors.ts";

/** Why a renderer library was refused, or what failed. */
export type RendererErrorCode =
  /** There is no file at the path. */
  | "library_missing"
  /** The file is not a shared library for this host, or one that it needs is missing. */
  | "library_unloadable"
  | "symbol_missing"
  | "abi_version"
  | "open_failed"
  | "session_open_failed"
  | "render_failed"
  /** An inconsistent frame; its memory was not read. */
  | "bad_frame"
  /** Inconsistent sound. */
  | "bad_audio";

/** A failure of a renderer library. The message includes the library's own text, if any. */
export class RendererError extends AppError<RendererErrorCode> {}
