import { RendererError, type RendererErrorCode } from "./renderer_error.ts";
import type { RendererLibrary } from "./library_symbols.ts";

/** `PINHOLE_ERROR_TEXT_SIZE` of native/include/pinhole.h. */
const ERROR_TEXT_BYTES = 1024;

/** Runs asynchronous calls one after another, in the order of the requests. */
export class SerialCalls {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `call` when all earlier ones have settled, and settles like it. */
  run<T>(call: () => Promise<T>): Promise<T> {
    const result = this.#last.then(call);
    this.#last = result.catch(() => {});
    return result;
  }
}

/** Buffers that C code is currently using. */
const heldBuffers = new Set<readonly ArrayBufferView[]>();

/**
 * Waits for a call that uses `buffers`. Deno passes C a bare address, and the call runs on another thread: without
 * this reference, the garbage collector could free a buffer while C uses it.
 */
export async function holding<T>(
  buffers: readonly ArrayBufferView[],
  call: Promise<T>,
): Promise<T> {
  heldBuffers.add(buffers);
  try {
    return await call;
  } finally {
    heldBuffers.delete(buffers);
  }
}

/** Encodes a C string: UTF-8 with a final 0. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}

/** The object of a call; with neither, the call was `pinhole_open`. */
export interface CallTarget {
  readonly renderer?: Deno.PointerObject;
  readonly session?: Deno.PointerObject;
}

/** A call that returned a failure status. */
export interface FailedCall {
  readonly code: RendererErrorCode;
  readonly libraryName: string;
  /** Name of the function. */
  readonly call: string;
  readonly status: number;
}

/**
 * Makes an error for a failed call, with the library's text. Call only within the {@link SerialCalls} of the call's
 * object, because the text is that of the newest failure.
 */
export async function failureOf(
  library: RendererLibrary,
  { target, failed }: { target: CallTarget; failed: FailedCall },
): Promise<RendererError> {
  const { code, libraryName, call, status } = failed;
  const text = status < 0
    ? await lastError(library, target)
    : "a status that the call cannot return";
  return new RendererError(
    code,
    `${libraryName}: ${call} failed with status ${status}${text === "" ? "" : `: ${text}`}`,
  );
}

async function lastError(
  { symbols }: RendererLibrary,
  { renderer, session }: CallTarget,
): Promise<string> {
  const buffer = new Uint8Array(ERROR_TEXT_BYTES);
  await holding(
    [buffer],
    symbols.pinhole_last_error(
      renderer ?? null,
      session ?? null,
      buffer,
      BigInt(buffer.byteLength),
    ),
  );
  // The text may lack the final 0, end within a character, or contain line breaks.
  const end = buffer.indexOf(0);
  const text = new TextDecoder().decode(end < 0 ? buffer : buffer.subarray(0, end));
  return text.replace(/\p{Cc}+/gu, " ").trim();
}

/**
 * The object at the address that a call stored in `out`.
 * @returns `undefined` if the library stored none.
 */
export function objectAt(out: BigUint64Array<ArrayBuffer>): Deno.PointerObject | undefined {
  return Deno.UnsafePointer.create(out[0] ?? 0n) ?? undefined;
}
