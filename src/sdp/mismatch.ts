import type { VideoCodecName } from "./codec.ts";
import { canReceive } from "./answer.ts";
import { quote } from "./levels.ts";
import type { OfferCodec, OfferMedia } from "./model.ts";

/** Longest text for one section, in characters: it goes into a line of the log and into an error message. */
const WORDS_CHARACTERS_MAX = 240;

/** Codecs that carry no stream by themselves. */
const AUXILIARY = new Set([
  "RTX",
  "RED",
  "ULPFEC",
  "FLEXFEC",
  "FLEXFEC-03",
  "TELEPHONE-EVENT",
  "CN",
]);

/** A section that asks for something, and gets nothing. */
export interface UnusedSection {
  readonly mid: string;
  readonly media: OfferMedia["kind"];
  /** In words for people. */
  readonly reason: string;
}

/** The first codec of a section that carries a stream by itself, or whatever else comes first. */
export function firstCodec({ codecs }: OfferMedia): OfferCodec | undefined {
  return codecs.find(({ name }) => !AUXILIARY.has(name)) ?? codecs[0];
}

/**
 * Why nothing can be sent in a section that asks for a stream, in words for people, at most 240 characters.
 * @param wanted What may be sent there.
 */
export function explainMismatch(
  media: OfferMedia,
  wanted: readonly (VideoCodecName | "opus")[],
): string {
  if (!media.bundled) {
    return media.port === 0 ? "the offer rejects it by port 0" : "it is outside the BUNDLE group";
  }
  if (media.kind === "other") {
    return `${quote(`${media.protocol} ${media.firstFormat}`)} is unknown`;
  }
  if (!canReceive(media.direction)) return `it is ${media.direction}, so the viewer takes nothing`;
  const payloadTypes = new Map<string, number[]>();
  for (const codec of media.codecs) {
    if (AUXILIARY.has(codec.name)) continue;
    const words = codecWords(codec, wanted);
    const others = payloadTypes.get(words);
    if (others === undefined) payloadTypes.set(words, [codec.payloadType]);
    else others.push(codec.payloadType);
  }
  if (payloadTypes.size === 0) return "it has no payload type with an a=rtpmap";
  const words = [...payloadTypes].map(([why, types]) => `${types.join(", ")} is ${why}`).join("; ");
  return words.length > WORDS_CHARACTERS_MAX
    ? `${words.slice(0, WORDS_CHARACTERS_MAX - 1).toWellFormed()}…`
    : words;
}

function codecWords(
  { name, spelling, clockRate, fmtp }: OfferCodec,
  wanted: readonly string[],
): string {
  if (!wanted.includes(name.toLowerCase())) return `${spelling}, which is not sent`;
  const clockRateWanted = name === "OPUS" ? 48_000 : 90_000;
  if (clockRate !== clockRateWanted) return `${spelling}/${clockRate}, not ${clockRateWanted}`;
  const { "packetization-mode": mode, "profile-level-id": profile } = fmtp;
  // What is in an offer may be long, or no text to show.
  if (mode !== undefined && mode !== "1") {
    return `${spelling} with packetization-mode=${quote(mode)}, and 1 is sent`;
  }
  return `${spelling} with profile-level-id=${quote(profile ?? "")}, which plays no baseline`;
}
