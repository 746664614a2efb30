import { quote } from "../base/quote.ts";
import type { VideoCodecName } from "./codec.ts";
import { canReceive } from "./answer.ts";
import type { OfferCodec, OfferMedia } from "./model.ts";

/** Maximum text for one section, in characters, because it goes into a log line and an error message. */
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

/** A section that requests media but gets none. */
export interface UnusedSection {
  readonly mid: string;
  readonly media: OfferMedia["kind"];
  /** Text for people. */
  readonly reason: string;
}

/** The first codec of a section that carries a stream by itself, or the first of any kind. */
export function firstCodec({ codecs }: OfferMedia): OfferCodec | undefined {
  return codecs.find(({ name }) => !AUXILIARY.has(name)) ?? codecs[0];
}

/**
 * Why nothing can be sent in a section that requests a stream, as text for people, at most 240 characters.
 * @param wanted The codecs that could be sent.
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
  if (!canReceive(media.direction)) {
    return `it is ${media.direction}, so the viewer receives nothing`;
  }
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
  // The offer's text may be long or unprintable.
  if (mode !== undefined && mode !== "1") {
    return `${spelling} with packetization-mode=${quote(mode)}, but the server sends mode 1`;
  }
  return `${spelling} with profile-level-id=${
    quote(profile ?? "")
  }, which does not include baseline`;
}
