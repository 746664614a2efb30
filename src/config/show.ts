const SHOWN_LENGTH_MAX = 60;
const SHOWN_ENTRIES_MAX = 4;

/** Control characters, lone surrogates, and characters that reorder or hide text on a terminal. */
const UNSHOWABLE =
  // deno-lint-ignore no-control-regex
  /[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]/gu;

/** Formats text for one line of a terminal or a log: shortened, with invisible characters escaped. */
export function showText(text: string, lengthMax: number = SHOWN_LENGTH_MAX): string {
  return escape(shorten(text, lengthMax));
}

/** Formats a key or a name: bare if TOML allows that, otherwise in quotes. */
export function showKey(key: string): string {
  return /^[A-Za-z0-9_-]{1,60}$/.test(key) ? key : showString(key);
}

/** Formats a value of config.toml or of a variable on one short line. */
export function showValue(value: unknown): string {
  if (typeof value === "string") return showString(value);
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return showArray(value);
  if (typeof value === "object" && value !== null) {
    return Object.keys(value).length === 0 ? "{}" : "{…}";
  }
  return String(value);
}

function showArray(values: readonly unknown[]): string {
  // Nested arrays are abbreviated, so that the depth of the value does not matter.
  const shown = values.slice(0, SHOWN_ENTRIES_MAX).map((entry) =>
    Array.isArray(entry) && entry.length > 0 ? "[…]" : showValue(entry)
  );
  if (values.length > SHOWN_ENTRIES_MAX) shown.push("…");
  return `[${shown.join(", ")}]`;
}

function showString(text: string): string {
  return escape(JSON.stringify(shorten(text, SHOWN_LENGTH_MAX)));
}

function shorten(text: string, lengthMax: number): string {
  if (text.length <= lengthMax) return text;
  // By code points, so that no surrogate pair is split.
  const head = [...text.slice(0, 2 * lengthMax)].slice(0, lengthMax).join("");
  return head.length < text.length ? `${head}…` : text;
}

function escape(text: string): string {
  return text.replaceAll(
    UNSHOWABLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
