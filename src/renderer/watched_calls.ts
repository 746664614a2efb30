import type { RendererLibrary } from "./library_symbols.ts";

/** Where the calls of a library are, in words such as `pinhole_render, call 17 of session "one", 512×512`. */
export interface CallState {
  /** Those that were made and have not returned, oldest first. */
  readonly underWay: readonly string[];
  /** The one that returned last; `undefined` before any has. */
  readonly last: string | undefined;
}

type Call = (...args: readonly unknown[]) => Promise<number>;

/** A session as its calls are told by. */
interface WatchedSession {
  /** `session "one", 512×512`. */
  readonly words: string;
  /** How often each function was called. */
  readonly counts: Map<string, number>;
}

/**
 * A library whose calls are followed from outside.
 * @param onChange Called before each call is made and when it has returned. Whatever it writes has to be out of this
 * process when it returns: the call may end the process.
 */
export function watchCalls(
  library: RendererLibrary,
  onChange: (state: CallState) => void,
): RendererLibrary {
  const watch = new CallWatch(onChange);
  // What is not called on a thread is called before the library is ready, and so by nobody who has this.
  const calls = Object.entries(library.symbols as unknown as Record<string, Call | null>)
    .filter(([name]) => name !== "pinhole_abi_version")
    .map(([name, call]) => [
      name,
      call === null ? null : (...args: unknown[]) => watch.run(name, { call, args }),
    ]);
  // The type is made from the same table as these entries, which the compiler cannot follow.
  const symbols = {
    ...library.symbols,
    ...Object.fromEntries(calls),
  } as RendererLibrary["symbols"];
  return { symbols, close: () => library.close() };
}

class CallWatch {
  readonly #onChange: (state: CallState) => void;
  /** By the address of the library's object. */
  readonly #sessions = new Map<bigint, WatchedSession>();
  readonly #underWay = new Map<symbol, string>();
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
    this.#underWay.set(key, words);
    this.#changed();
    try {
      const status = await call(...args);
      if (status === 0) this.#follow(name, args);
      return status;
    } finally {
      this.#underWay.delete(key);
      this.#last = words;
      this.#changed();
    }
  }

  #changed(): void {
    this.#onChange({ underWay: [...this.#underWay.values()], last: this.#last });
  }

  #describe(name: string, args: readonly unknown[]): string {
    const session = args.map((arg) => this.#sessions.get(addressOf(arg)))
      .find((found) => found !== undefined);
    if (session === undefined) return name;
    const number = (session.counts.get(name) ?? 0) + 1;
    session.counts.set(name, number);
    return `${name}, call ${number} of ${session.words}`;
  }

  /** Knows a session from its opening to its closing: addresses are used again. */
  #follow(name: string, args: readonly unknown[]): void {
    if (name === "pinhole_session_close") this.#sessions.delete(addressOf(args[0]));
    if (name !== "pinhole_session_open") return;
    const [address = 0n] = args.at(-1) as BigUint64Array;
    this.#sessions.set(address, { words: wordsOf(args), counts: new Map() });
  }
}

/** Words for the session that `pinhole_session_open` is called with. */
function wordsOf(args: readonly unknown[]): string {
  const [, id, , width, height] = args;
  const text = new TextDecoder().decode((id as Uint8Array).subarray(0, -1));
  return `session "${text}", ${width}×${height}`;
}

/** 0 for what is no pointer. */
function addressOf(arg: unknown): bigint {
  const isPointer = typeof arg === "object" && arg !== null && !ArrayBuffer.isView(arg);
  return isPointer ? Deno.UnsafePointer.value(arg as Deno.PointerObject) : 0n;
}
