import type { OfferCodec, OfferMedia } from "./model.ts";

/** Video codecs that can be sent. */
export type VideoCodecName = "h264" | "vp8";

/** A codec to send, with the viewer's payload type. */
export interface CodecChoice<Name extends string = string> {
  readonly codec: Name;
  /** RTP payload type, 0–127, of a codec of the offered section. */
  readonly payloadType: number;
  /** Format parameters of the answer. */
  readonly fmtp: Readonly<Record<string, string>>;
}

/**
 * H.264 profiles by how reliably their decoders play constrained baseline, best first. All of them include it, but
 * decoders for the later ones may only be tested with their usual streams. An offer without a profile means baseline
 * (RFC 6184 §8.1).
 */
const H264_PROFILES = [
  "constrained-baseline",
  "baseline",
  "unnamed",
  "main",
  "constrained-high",
  "high",
];

/**
 * Selects the codec of a video section: the first of `preference` that the viewer can receive in the form that the
 * server sends, or undefined if there is none.
 *
 * H.264 is sent as constrained baseline in packetization mode 1 (RFC 6184 §6.3), so the offer must have that mode,
 * with any profile that includes constrained baseline. By the letter of §8.1, an offer without a mode means mode 0,
 * but in practice such clients accept mode 1 (docs/decisions.md), so they get it if nothing better is offered. The
 * answer repeats mode, profile and level as offered, and omits what was omitted: §8.2.2 requires them unchanged, and
 * the level in an answer limits what the answerer receives, which is nothing here.
 */
export function chooseVideoCodec(
  media: OfferMedia,
  preference: readonly VideoCodecName[],
): CodecChoice<VideoCodecName> | undefined {
  if (media.kind !== "video") return undefined;
  for (const codec of preference) {
    const choice = codec === "h264" ? chooseH264(media.codecs) : chooseVp8(media.codecs);
    if (choice) return choice;
  }
  return undefined;
}

/** Selects the Opus payload type of an audio section (RFC 7587 §7), or undefined if it has none. */
export function chooseOpus(media: OfferMedia): CodecChoice<"opus"> | undefined {
  if (media.kind !== "audio") return undefined;
  // The rtpmap must have two channels (RFC 7587 §4.1). GStreamer and others omit them, and accept the same packets,
  // because each packet contains its number of channels.
  const offered = media.codecs.find(({ name, clockRate }) =>
    name === "OPUS" && clockRate === 48_000
  );
  // Parameters describe what a side receives (RFC 7587 §7.1), and the server receives nothing.
  return offered && { codec: "opus", payloadType: offered.payloadType, fmtp: {} };
}

function chooseVp8(codecs: readonly OfferCodec[]): CodecChoice<"vp8"> | undefined {
  const offered = codecs.find(({ name, clockRate }) => name === "VP8" && clockRate === 90_000);
  return offered && { codec: "vp8", payloadType: offered.payloadType, fmtp: {} };
}

function chooseH264(codecs: readonly OfferCodec[]): CodecChoice<"h264"> | undefined {
  let best: OfferCodec | undefined;
  let bestRank = Infinity;
  for (const codec of codecs) {
    if (codec.name !== "H264" || codec.clockRate !== 90_000) continue;
    const rank = h264Rank(codec.fmtp);
    if (rank < bestRank) [best, bestRank] = [codec, rank];
  }
  if (best === undefined) return undefined;
  const stated = H264_PARAMETERS.flatMap((name) => {
    const value = best.fmtp[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    codec: "h264",
    payloadType: best.payloadType,
    fmtp: {
      // It applies only if both sides have it (RFC 6184 §8.1).
      ...(best.fmtp["level-asymmetry-allowed"] === "1" ? { "level-asymmetry-allowed": "1" } : {}),
      ...Object.fromEntries(stated),
    },
  };
}

/** Parameters that an answer repeats (RFC 6184 §8.2.2). */
const H264_PARAMETERS = ["packetization-mode", "profile-level-id"] as const;

/** Rank of a payload type for the server's stream, 0 is best; Infinity if it cannot play it. */
function h264Rank(fmtp: Readonly<Record<string, string>>): number {
  const mode = fmtp["packetization-mode"];
  if (mode !== undefined && mode !== "1") return Infinity;
  const profile = h264ProfileRank(fmtp["profile-level-id"]);
  return mode === "1" ? profile : profile + H264_PROFILES.length;
}

/** Index in {@link H264_PROFILES}, or Infinity if the profile is malformed or cannot play the server's stream. */
function h264ProfileRank(profileLevelId: string | undefined): number {
  if (profileLevelId === undefined) return H264_PROFILES.indexOf("unnamed");
  if (!/^[0-9a-f]{6}$/i.test(profileLevelId)) return Infinity;
  const profile = Number.parseInt(profileLevelId.slice(0, 2), 16);
  const constraints = Number.parseInt(profileLevelId.slice(2, 4), 16);
  const name = h264ProfileName(profile, constraints);
  return name === undefined ? Infinity : H264_PROFILES.indexOf(name);
}

/** The common sub-profiles of RFC 6184 §8.1, table 5, from profile_idc and the constraint_set flags (0x80 is set 0). */
function h264ProfileName(profile: number, constraints: number): string | undefined {
  switch (profile) {
    case 0x42:
      return constraints & 0x40 ? "constrained-baseline" : "baseline";
    case 0x4d:
      return constraints & 0x80 ? "constrained-baseline" : "main";
    case 0x58:
      if ((constraints & 0x80) === 0) return undefined;
      return constraints & 0x40 ? "constrained-baseline" : "baseline";
    case 0x64:
      return (constraints & 0x0c) === 0x0c ? "constrained-high" : "high";
    default:
      return undefined;
  }
}
