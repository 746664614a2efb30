/** Control and formatting characters, which JSON does not always escape. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Characters of a text that are shown. */
const SHOWN_CHARS_MAX = 40;

/** Formats a peer's text for a message: quoted, control characters escaped, truncated to a readable length. */
export function quote(text: string): string {
  const short = text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text;
  return JSON.stringify(short).replaceAll(
    INVISIBLE,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}
