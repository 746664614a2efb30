const LIBC_SYMBOLS = {
  getrlimit: { parameters: ["i32", "buffer"], result: "i32" }, // resource, limits
} as const satisfies Deno.ForeignLibraryInterface;

/** `RLIMIT_NOFILE` of Linux. */
const RLIMIT_NOFILE = 7;

/**
 * How many file descriptors this process may have at a time. Deno raises the soft limit to the hard one when it starts.
 * The C library is asked, since Deno lets nobody read /proc/self/limits who may not do everything.
 * @returns `undefined` when that is not known: on another system than Linux, or without the permission for FFI.
 */
export function readDescriptorLimit(): number | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    const libc = Deno.dlopen("libc.so.6", LIBC_SYMBOLS);
    try {
      const limits = new BigUint64Array(2);
      const status = libc.symbols.getrlimit(RLIMIT_NOFILE, limits);
      return status === 0 ? Number(limits[0]) : undefined;
    } finally {
      libc.close();
    }
  } catch {
    return undefined;
  }
}
