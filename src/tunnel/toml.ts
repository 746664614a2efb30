/**
 * A text as TOML's basic string, quotes included, which frp reads as that very text whatever it holds. Before frp
 * parses a file it fills it in as a Go template, so an opening pair of braces is escaped as well.
 */
export function quote(text: string): string {
  // Control characters are not allowed as they are (TOML 1.0, "String"); surrogates alone are no UTF-8.
  const escaped = text.toWellFormed().replace(
    // deno-lint-ignore no-control-regex
    /["\\\x00-\x1f\x7f]|(?<=\{)\{/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `"${escaped}"`;
}

/**
 * A TOML string that frp fills with a variable of its environment; empty when the variable is not set, where the
 * variable alone in braces would give the text `<no value>`.
 */
export function fromVariable(name: string): string {
  return `"{{ with .Envs.${name} }}{{ . }}{{ end }}"`;
}
