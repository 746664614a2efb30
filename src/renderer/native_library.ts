/**
 * Loads a shared library: the one place where code that Deno does not watch over comes in.
 *
 * @param path A path, or a name that the host's loader looks up.
 * @throws {Error} With the loader's words.
 */
export function openNativeLibrary<const S extends Deno.ForeignLibraryInterface>(
  path: string,
  symbols: S,
): Deno.DynamicLibrary<S> {
  return Deno.dlopen(path, symbols);
}
