import { quote } from "../base/quote.ts";
import { parse } from "sdp-transform";
import { SdpError } from "./model.ts";

/** Chrome's video section with every codec has 6 KiB; sixteen of them with candidates fit easily. */
const OFFER_CHARACTERS_MAX = 128 * 1024;
/**
 * Chrome's video section with every codec has 190 lines. The limit keeps the time to parse an offer within
 * milliseconds.
 */
const OFFER_LINES_MAX = 4096;
/** One level of a description: the session, or one media section. */
export interface SdpLevel {
  /** Output of sdp-transform, not validated: strings, numbers, objects of those, or nothing. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** The lines without trailing blanks, for attributes that sdp-transform parses only in part. */
  readonly lines: readonly string[];
}

/** A description, split into its levels. */
export interface SdpLevels {
  readonly session: SdpLevel;
  readonly media: readonly SdpLevel[];
}

/**
 * Splits a description into its levels. Lines end in CRLF, CR or LF.
 * @throws {SdpError} If the text is not SDP, or longer than any real offer.
 */
export function readLevels(sdp: string): SdpLevels {
  if (sdp.length > OFFER_CHARACTERS_MAX) {
    throw new SdpError(
      `Offer has ${sdp.length} characters, more than the limit of ${OFFER_CHARACTERS_MAX}`,
    );
  }
  const lines = sdp.split(/\r\n|\r|\n/).map((line) => line.trimEnd());
  if (lines.length > OFFER_LINES_MAX) {
    throw new SdpError(
      `Offer has ${lines.length} lines, more than the limit of ${OFFER_LINES_MAX}`,
    );
  }
  if (lines[0] !== "v=0") {
    throw new SdpError(`Offer is not SDP: it starts with ${quote(lines[0] ?? "")}, not "v=0"`);
  }
  const parsed = parse(sdp) as { media: Record<string, unknown>[] } & Record<string, unknown>;
  const linesOf: string[][] = [[]];
  for (const line of lines) {
    if (line.startsWith("m=")) linesOf.push([]);
    linesOf.at(-1)?.push(line);
  }
  return {
    session: { fields: parsed, lines: linesOf[0] ?? [] },
    media: parsed.media.map((fields, index) => ({ fields, lines: linesOf[index + 1] ?? [] })),
  };
}

/** The values of every `a=name:value` line of a level. */
export function attributeValues(level: SdpLevel, name: string): string[] {
  const prefix = `a=${name}:`;
  return level.lines
    .filter((line) => line.startsWith(prefix))
    .map((line) => line.slice(prefix.length));
}

/** A field as text, or undefined if it is missing or not a scalar. */
export function textField(
  fields: Readonly<Record<string, unknown>>,
  name: string,
): string | undefined {
  const value = fields[name];
  // sdp-transform converts a value to a number only if the number prints the same, so this restores the text.
  return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
}

/** A field as a decimal integer from `min` to `max`, or undefined otherwise. */
export function integerField(
  fields: Readonly<Record<string, unknown>>,
  name: string,
  range: { readonly min: number; readonly max: number },
): number | undefined {
  const text = textField(fields, name);
  if (text === undefined || !/^\d{1,15}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= range.min && value <= range.max ? value : undefined;
}

/** A field that sdp-transform collects from several lines; empty if there is none. */
export function listField(
  fields: Readonly<Record<string, unknown>>,
  name: string,
): readonly Readonly<Record<string, unknown>>[] {
  const value = fields[name];
  return Array.isArray(value) ? value : [];
}
