import { type Faulty, openSession, withLibrary } from "./renderers.ts";

const FRAME_US = 33_333;

/** The emulation's own functions: see testdata/renderers/emulated_cuda. */
export interface FakeCuda extends Disposable {
  /** Lets the n-th call from now on fail, 0: none. @returns How many there were since this was called last. */
  readonly failAt: (call: number) => number;
  /** How many pieces of memory, streams and events there are. */
  readonly live: () => number;
  /** From now on no thread has chosen a device. */
  readonly newThreads: () => void;
}

/** Opens the emulation's own functions in a library that was compiled against it. */
export function fakeCuda(path: string): FakeCuda {
  const library = Deno.dlopen(path, {
    fake_cuda_fail_at: { parameters: ["i32"], result: "i32" },
    fake_cuda_live: { parameters: [], result: "i32" },
    fake_cuda_new_threads: { parameters: [], result: "void" },
  });
  const { symbols } = library;
  symbols.fake_cuda_fail_at(0);
  return {
    failAt: (call: number) => symbols.fake_cuda_fail_at(call),
    live: () => symbols.fake_cuda_live(),
    newThreads: () => symbols.fake_cuda_new_threads(),
    [Symbol.dispose]: () => library.close(),
  };
}

/** One session with a few frames. @returns What went wrong, each by the text that a user of the library gets. */
export async function lifetime(path: string): Promise<string[]> {
  const failures: string[] = [];
  const warnings: Faulty["warnings"] = [];
  const note = (error: Error) => {
    failures.push(error.message);
  };
  await withLibrary(path, async (factory) => {
    const session = await openSession(factory, { size: [16, 16] }).catch(note);
    for (const timestampUs of [0, FRAME_US, 1_000_000, 1_000_000 + FRAME_US]) {
      await session?.render(timestampUs).catch(note);
    }
    await session?.close();
  }, { warnings }).catch(note);
  return [...failures, ...warnings.map(({ event }) => event)];
}
