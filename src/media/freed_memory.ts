import type { CancelTimer, Clock } from "../base/clock.ts";

const LIBC_SYMBOLS = {
  malloc_trim: { parameters: ["usize"], result: "i32", nonblocking: true }, // bytes that stay at the end of the heap
} as const satisfies Deno.ForeignLibraryInterface;

/** Encoders that close within this time, in milliseconds, are one reason to return memory. */
const WAIT_MS = 1_000;

/**
 * Returns the memory of closed encoders to the system. They are opened on the threads of a pool, and glibc keeps a heap
 * for each thread: what is freed there stays with the process, and is used again only by chance.
 */
export class FreedMemory {
  readonly #clock: Clock;
  #libc = openLibc();
  #cancel: CancelTimer | undefined;
  #returning: Promise<unknown> = Promise.resolve();

  constructor({ clock }: { clock: Clock }) {
    this.#clock = clock;
  }

  /** An encoder was freed: returns its memory soon. Does nothing on systems without glibc. */
  note(): void {
    if (this.#libc === undefined || this.#cancel !== undefined) return;
    this.#cancel = this.#clock.after(WAIT_MS, () => {
      this.#cancel = undefined;
      // On another thread: it takes milliseconds.
      this.#returning = Promise.all([this.#returning, this.#libc?.symbols.malloc_trim(0n)])
        .then(() => {});
    });
  }

  /** Waits for a return in progress; later ones do not take place. Idempotent. */
  async close(): Promise<void> {
    const libc = this.#libc;
    this.#libc = undefined;
    this.#cancel?.();
    await this.#returning;
    libc?.close();
  }
}

function openLibc(): Deno.DynamicLibrary<typeof LIBC_SYMBOLS> | undefined {
  try {
    return Deno.dlopen("libc.so.6", LIBC_SYMBOLS);
  } catch {
    return undefined;
  }
}
