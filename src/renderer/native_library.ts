/**
 * Loads a shared library. The only place that loads native code outside Deno's sandbox.
 *
 * @param path A path, or a name that the loader looks up.
 * @throws {Error} With the loader's message.
 */
export function openNativeLibrary<const S extends Deno.ForeignLibraryInterface>(
  path: string,
  symbols: S,
): Deno.DynamicLibrary<S> {
  return Deno.dlopen(path, symbols);
}
