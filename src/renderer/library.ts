import { errorText } from "../base/errors.ts";
import { type Logger, NULL_LOGGER } from "../base/log.ts";
import type { FrameSource, FrameSourceFactory, FrameSourceOptions } from "../media/frame.ts";
import { explainRefusal } from "./elf.ts";
import { cString, failureOf, holding, objectAt, SerialCalls } from "./library_calls.ts";
import { LibrarySession } from "./library_session.ts";
import {
  ABI_VERSION,
  LIBRARY_SYMBOLS,
  OPTIONAL_SYMBOLS,
  type RendererLibrary,
  REQUIRED_SYMBOLS,
} from "./library_symbols.ts";
import { openNativeLibrary } from "./native_library.ts";
import { RendererError, type RendererErrorCode } from "./renderer_error.ts";

export interface RendererLibraryOptions {
  /** Path of the shared library. */
  readonly path: string;
  /** Passed to the library as JSON. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Logs failures without a caller, of messages and of closing. */
  readonly log?: Logger;
  /** Wraps the loaded library. */
  readonly wrap?: (library: RendererLibrary) => RendererLibrary;
}

/**
 * Loads a renderer library (see native/include/pinhole.h) and opens it. Calls run on other threads. Calls of one
 * session never overlap, and sessions are opened one at a time. The frames' planes are views of the library's memory.
 *
 * The library runs in this process, which is not protected against its memory errors.
 *
 * @throws {RendererError} `library_missing`, `library_unloadable`, `symbol_missing`, `abi_version`, `open_failed`
 */
export async function openRendererLibrary(
  { path, options, log = NULL_LOGGER, wrap = (library) => library }: RendererLibraryOptions,
): Promise<FrameSourceFactory> {
  const file = await Deno.realPath(path).catch((error) => {
    const why = error instanceof Deno.errors.NotFound ? "there is no such file" : errorText(error);
    throw new RendererError("library_missing", `Cannot load renderer library "${path}": ${why}`);
  });
  const library = wrap(load(file, checkLibrary(file, path)));
  try {
    const libraryName = path.slice(path.lastIndexOf("/") + 1);
    const renderer = await openRenderer(library, { libraryName, options });
    return new LibraryRenderer({ library, libraryName, renderer, log });
  } catch (error) {
    library.close();
    throw error;
  }
}

/**
 * Checks a library before any function but its version is called. A library for another version may lack symbols; then
 * the version is the more helpful reason.
 * @returns The functions that it exports.
 */
function checkLibrary(file: string, path: string): ReadonlySet<string> {
  const refuse = (code: RendererErrorCode, why: string) =>
    new RendererError(code, `Cannot load renderer library "${path}": ${why}`);
  const names = Object.keys(LIBRARY_SYMBOLS);
  const probe = {
    version: {
      name: "pinhole_abi_version",
      ...LIBRARY_SYMBOLS.pinhole_abi_version,
      optional: true,
    },
    ...Object.fromEntries(
      names.map((name) => [name, { type: "pointer", optional: true } as const]),
    ),
  } as const;
  let library: Deno.DynamicLibrary<typeof probe>;
  try {
    library = openNativeLibrary(file, probe);
  } catch (error) {
    const loader = errorText(error).replace(/^(Could not open library: )+/, "");
    throw refuse("library_unloadable", explainRefusal(file) ?? loader);
  }
  try {
    const version = library.symbols.version?.();
    if (version !== undefined && version !== ABI_VERSION) {
      throw refuse(
        "abi_version",
        `it has ABI version ${version}, but this Pinhole needs version ${ABI_VERSION}; build it with the pinhole.h of this release`,
      );
    }
    const addresses: Readonly<Record<string, unknown>> = library.symbols;
    const exported = new Set(names.filter((name) => addresses[name] !== null));
    const missing = REQUIRED_SYMBOLS.filter((name) => !exported.has(name));
    if (missing.length > 0) {
      throw refuse("symbol_missing", `it does not export ${missing.join(", ")}`);
    }
    return exported;
  } finally {
    library.close();
  }
}

function load(file: string, exported: ReadonlySet<string>): RendererLibrary {
  const library = openNativeLibrary(file, LIBRARY_SYMBOLS);
  const symbols = { ...library.symbols };
  // Deno's types have null for a missing symbol, but a missing non-blocking one is a function that throws.
  for (const name of OPTIONAL_SYMBOLS) {
    if (!exported.has(name)) symbols[name] = null;
  }
  return { symbols, close: () => library.close() };
}

async function openRenderer(
  library: RendererLibrary,
  { libraryName, options }: { libraryName: string; options: RendererLibraryOptions["options"] },
): Promise<Deno.PointerObject> {
  const json = cString(JSON.stringify(options));
  const out = new BigUint64Array(1);
  const status = await holding([json, out], library.symbols.pinhole_open(json, out));
  const failed = { code: "open_failed", libraryName, call: "pinhole_open", status } as const;
  if (status !== 0) throw await failureOf(library, { target: {}, failed });
  return objectAt(out) ?? storedNone(failed);
}

function storedNone(
  { code, libraryName, call }: { code: RendererErrorCode; libraryName: string; call: string },
): never {
  throw new RendererError(code, `${libraryName}: ${call} succeeded but stored no object`);
}

/** A library whose renderer is open. */
interface OpenRenderer {
  readonly library: RendererLibrary;
  readonly libraryName: string;
  readonly renderer: Deno.PointerObject;
  readonly log: Logger;
}

class LibraryRenderer implements FrameSourceFactory {
  readonly name: string;
  readonly #open: OpenRenderer;
  readonly #calls: SerialCalls = new SerialCalls();
  readonly #sessions = new Set<LibrarySession>();
  #closed: Promise<void> | undefined;

  constructor(open: OpenRenderer) {
    this.name = open.libraryName;
    this.#open = open;
  }

  /** @throws {RendererError} `session_open_failed` */
  async open(options: FrameSourceOptions): Promise<FrameSource> {
    if (this.#closed !== undefined) throw new TypeError("The renderer library is closed");
    return await this.#calls.run(() => this.#openSession(options));
  }

  /** Closes sessions that are still open before the renderer itself. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#calls.run(() => this.#close());
    return this.#closed;
  }

  async #openSession(options: FrameSourceOptions): Promise<LibrarySession> {
    const { library, libraryName, renderer, log } = this.#open;
    const id = cString(options.sessionId);
    const json = cString(JSON.stringify(options.params));
    const out = new BigUint64Array(1);
    const { width, height } = options;
    const fps = Math.round(options.fps);
    const status = await holding(
      [id, json, out],
      library.symbols.pinhole_session_open(renderer, id, json, width, height, fps, out),
    );
    const call = "pinhole_session_open";
    const failed = { code: "session_open_failed", libraryName, call, status } as const;
    if (status !== 0) throw await failureOf(library, { target: { renderer }, failed });
    const session: LibrarySession = new LibrarySession({
      library,
      libraryName,
      session: objectAt(out) ?? storedNone(failed),
      log: log.child({ session: options.sessionId }),
      onClosed: () => this.#sessions.delete(session),
    });
    this.#sessions.add(session);
    return session;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#sessions].map((session) => session.close()));
    const { library, renderer, log } = this.#open;
    const status = await library.symbols.pinhole_close(renderer);
    if (status !== 0) log.warn("renderer_close_failed", { call: "pinhole_close", status });
    library.close();
  }
}
