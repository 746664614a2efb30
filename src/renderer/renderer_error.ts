import { AppError } from "../base/errors.ts";

/** Why a renderer library was refused, or what it failed at. */
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
  /** A frame whose description contradicts itself; nothing of its memory was read. */
  | "bad_frame"
  /** The same for sound. */
  | "bad_audio";

/** A failure of a renderer library. The message names the library's own text where it gave one. */
export class RendererError extends AppError<RendererErrorCode> {}
