/**
 * Formats a text as a TOML basic string, quotes included, so that frp reads exactly that text. frp expands a file as a
 * Go template before it parses it, so an opening pair of braces is escaped as well.
 */
export function tomlString(text: string): string {
  // TOML does not allow raw control characters (TOML 1.0, "String"), and UTF-8 no lone surrogates.
  const escaped = text.toWellFormed().replace(
    // deno-lint-ignore no-control-regex
    /["\\\x00-\x1f\x7f]|(?<=\{)\{/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `"${escaped}"`;
}

/**
 * A TOML string that frp expands to an environment variable; empty if the variable is not set, where the plain
 * expansion would give `<no value>`.
 */
export function fromVariable(name: string): string {
  return `"{{ with .Envs.${name} }}{{ . }}{{ end }}"`;
}
