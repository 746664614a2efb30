import type { RendererLibrary } from "./library_symbols.ts";

/** The calls of a library as text, such as `pinhole_render, call 17 of session "one", 512×512`. */
export interface CallState {
  /** Calls in progress, oldest first. */
  readonly running: readonly string[];
  /** The call that returned last; `undefined` before the first. */
  readonly last: string | undefined;
}

type Call = (...args: readonly unknown[]) => Promise<number>;

/** A session, for descriptions of its calls. */
interface WatchedSession {
  /** `session "one", 512×512`. */
  readonly words: string;
  /** How often each function was called. */
  readonly counts: Map<string, number>;
}

/**
 * Wraps a library so that its calls can be observed.
 * @param onChange Called before each call and after it returned. It must flush its output before it returns, because
 * the call may crash the process.
 */
export function watchCalls(
  library: RendererLibrary,
  onChange: (state: CallState) => void,
): RendererLibrary {
  const watch = new CallWatch(onChange);
  // Functions that do not run on a thread are called before the library is ready, so not through this wrapper.
  const calls = Object.entries(library.symbols as unknown as Record<string, Call | null>)
    .filter(([name]) => name !== "pinhole_abi_version")
    .map(([name, call]) => [
      name,
      call === null ? null : (...args: unknown[]) => watch.run(name, { call, args }),
    ]);
  // The compiler cannot infer that these entries match the type, which is made from the same table.
  const symbols = {
    ...library.symbols,
    ...Object.fromEntries(calls),
  } as RendererLibrary["symbols"];
  return { symbols, close: () => library.close() };
}

class CallWatch {
  readonly #onChange: (state: CallState) => void;
  /** By the address of the session object. */
  readonly #sessions = new Map<bigint, WatchedSession>();
  readonly #running = new Map<symbol, string>();
  #last: string | undefined;

  constructor(onChange: (state: CallState) => void) {
    this.#onChange = onChange;
  }

  async run(
    name: string,
    { call, args }: { call: Call; args: readonly unknown[] },
  ): Promise<number> {
    const words = name === "pinhole_session_open"
      ? `${name} of ${wordsOf(args)}`
      : this.#describe(name, args);
    const key = Symbol(name);
    this.#running.set(key, words);
    this.#changed();
    try {
      const status = await call(...args);
      if (status === 0) this.#follow(name, args);
      return status;
    } finally {
      this.#running.delete(key);
      this.#last = words;
      this.#changed();
    }
  }

  #changed(): void {
    this.#onChange({ running: [...this.#running.values()], last: this.#last });
  }

  #describe(name: string, args: readonly unknown[]): string {
    const session = args.map((arg) => this.#sessions.get(addressOf(arg)))
      .find((found) => found !== undefined);
    if (session === undefined) return name;
    const number = (session.counts.get(name) ?? 0) + 1;
    session.counts.set(name, number);
    return `${name}, call ${number} of ${session.words}`;
  }

  /** Tracks sessions from opening to closing, because addresses are reused. */
  #follow(name: string, args: readonly unknown[]): void {
    if (name === "pinhole_session_close") this.#sessions.delete(addressOf(args[0]));
    if (name !== "pinhole_session_open") return;
    const [address = 0n] = args.at(-1) as BigUint64Array;
    this.#sessions.set(address, { words: wordsOf(args), counts: new Map() });
  }
}

/** Describes the session of a `pinhole_session_open` call. */
function wordsOf(args: readonly unknown[]): string {
  const [, id, , width, height] = args;
  const text = new TextDecoder().decode((id as Uint8Array).subarray(0, -1));
  return `session "${text}", ${width}×${height}`;
}

/** 0 if it is not a pointer. */
function addressOf(arg: unknown): bigint {
  const isPointer = typeof arg === "object" && arg !== null && !ArrayBuffer.isView(arg);
  return isPointer ? Deno.UnsafePointer.value(arg as Deno.PointerObject) : 0n;
}
