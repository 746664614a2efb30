import { quote } from "../base/quote.ts";
import { PORT_MAX } from "../base/limits.ts";
import { parseBandwidth } from "./bandwidth.ts";
import { integerField, listField, type SdpLevel, textField } from "./levels.ts";
import { type Direction, DIRECTIONS, type OfferCodec, type OfferExtension } from "./model.ts";
import { type OfferMedia, SdpError } from "./model.ts";

/** Protocols under which WebRTC agents offer media over DTLS-SRTP and ICE (RFC 9429 §5.1.2). */
const RTP_PROTOCOLS = ["UDP/TLS/RTP/SAVPF", "TCP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF"];
/** RFC 8841 §4.2; the older `DTLS/SCTP` has its port elsewhere, and no current browser sends it. */
const DATA_PROTOCOLS = ["UDP/DTLS/SCTP", "TCP/DTLS/SCTP"];
/** Used if the offer sets no limit (RFC 8841 §6.1). */
const MESSAGE_SIZE_DEFAULT = 64 * 1024;
/** A token of RFC 8866 §9, for mids and formats; the longest in use is `webrtc-datachannel`. */
const TOKEN = /^[\w!#$%&'*+.^`{|}~-]{1,32}$/;
/** Clock rates in Hz of codecs that have only one, for offers that omit it. */
const CLOCK_RATES: ReadonlyMap<string, number> = new Map([
  ...["VP8", "VP9", "AV1", "H264", "H265"].map((name) => [name, 90_000] as const),
  ["OPUS", 48_000],
]);
/** Static payload types, which need no `a=rtpmap` (RFC 3551 §6). */
const STATIC_CODECS: ReadonlyMap<number, readonly [spelling: string, clockRate: number]> = new Map([
  [0, ["PCMU", 8000]],
  [3, ["GSM", 8000]],
  [8, ["PCMA", 8000]],
  [9, ["G722", 8000]],
  [13, ["CN", 8000]],
  [18, ["G729", 8000]],
  [26, ["JPEG", 90_000]],
  [31, ["H261", 90_000]],
  [34, ["H263", 90_000]],
]);
/** No supported extension has a longer URI. */
const EXTENSION_URI = /^[\x21-\x7e]{1,256}$/;

/** One media section by itself; the caller combines it with the others. */
export interface ParsedSection {
  readonly media: Omit<OfferMedia, "bundled">;
  /** The section has no port and may only use another section's transport (RFC 9143 §6). */
  readonly bundleOnly: boolean;
  readonly rtcpMux: boolean;
}

/**
 * Parses one media section. `fallbackDirection` is that of the session level.
 * @throws {SdpError}
 */
export function parseSection(
  level: SdpLevel,
  index: number,
  options: { readonly fallbackDirection: Direction },
): ParsedSection {
  return {
    media: parseMedia(level, index, options),
    bundleOnly: level.lines.includes("a=bundle-only"),
    rtcpMux: level.lines.includes("a=rtcp-mux"),
  };
}

function parseMedia(
  level: SdpLevel,
  index: number,
  options: { readonly fallbackDirection: Direction },
): Omit<OfferMedia, "bundled"> {
  const { mediaType, port, protocol, formats } = parseMediaLine(level, index);
  const mid = textField(level.fields, "mid");
  if (mid === undefined || !TOKEN.test(mid)) {
    throw new SdpError(
      mid === undefined
        ? `Media section ${index} has no a=mid`
        : `Media section ${index} has a bad a=mid: ${quote(mid)}`,
    );
  }
  const base = {
    mediaType,
    mid,
    direction: parseDirection(level) ?? options.fallbackDirection,
    protocol,
    port,
    firstFormat: formats.find((format) => TOKEN.test(format)) ?? "0",
    codecs: [],
    extensions: [],
    rtcpRsize: level.lines.includes("a=rtcp-rsize"),
  };
  if ((mediaType === "video" || mediaType === "audio") && RTP_PROTOCOLS.includes(protocol)) {
    const payloadTypes = parsePayloadTypes(formats, index);
    const codecs = parseCodecs(level, payloadTypes);
    const bandwidth = mediaType === "video" ? parseBandwidth(level) : [];
    return {
      ...base,
      kind: mediaType,
      codecs,
      extensions: parseExtensions(level),
      ...(bandwidth.length > 0 ? { bandwidth } : {}),
    };
  }
  // There is no default for the SCTP port: a section without it is invalid (RFC 8841 §5), and zero closes it.
  const sctpPort = integerField(level.fields, "sctpPort", { min: 1, max: PORT_MAX });
  if (
    mediaType === "application" && DATA_PROTOCOLS.includes(protocol) &&
    formats[0] === "webrtc-datachannel" && sctpPort !== undefined
  ) {
    return { ...base, kind: "application", sctpPort, maxMessageSize: parseMessageSize(level) };
  }
  return { ...base, kind: "other" };
}

/** The direction of a level, if it has one (RFC 8866 §6.7). */
export function parseDirection(level: SdpLevel): Direction | undefined {
  return DIRECTIONS.find((direction) => level.lines.includes(`a=${direction}`));
}

function parseMediaLine(
  { fields, lines }: SdpLevel,
  index: number,
): { mediaType: string; port: number; protocol: string; formats: string[] } {
  const mediaType = textField(fields, "type") ?? "";
  const port = integerField(fields, "port", { min: 0, max: PORT_MAX });
  const protocol = textField(fields, "protocol") ?? "";
  const formats = (textField(fields, "payloads") ?? "").split(" ").filter((format) => format);
  if (
    !/^\w{1,32}$/.test(mediaType) || port === undefined || !/^[\w/]{1,32}$/.test(protocol) ||
    formats.length === 0
  ) {
    throw new SdpError(`Media section ${index} has a bad m= line: ${quote(lines[0] ?? "")}`);
  }
  return { mediaType, port, protocol, formats };
}

function parsePayloadTypes(formats: readonly string[], index: number): Set<number> {
  const payloadTypes = new Set<number>();
  for (const format of formats) {
    if (!/^\d{1,3}$/.test(format) || Number(format) > 127) {
      throw new SdpError(`Media section ${index} has a bad payload type: ${quote(format)}`);
    }
    payloadTypes.add(Number(format));
  }
  return payloadTypes;
}

/** The codecs of the m= line's payload types, in that order. Types without a usable rtpmap are omitted. */
function parseCodecs(level: SdpLevel, payloadTypes: ReadonlySet<number>): OfferCodec[] {
  const rtpmaps = firstByPayloadType(level, "rtp");
  const fmtps = firstByPayloadType(level, "fmtp");
  const feedbacks = parseFeedback(level);
  const codecs: OfferCodec[] = [];
  for (const payloadType of payloadTypes) {
    const mapped = parseRtpmap(rtpmaps.get(payloadType), payloadType);
    if (mapped === undefined) continue;
    codecs.push({
      payloadType,
      ...mapped,
      fmtp: parseParameters(textField(fmtps.get(payloadType) ?? {}, "config") ?? ""),
      feedback: [...(feedbacks.get(String(payloadType)) ?? []), ...(feedbacks.get("*") ?? [])],
    });
  }
  return codecs;
}

/** Name, clock rate and channels of one payload type; `undefined` if unknown. */
function parseRtpmap(
  rtpmap: Entry | undefined,
  payloadType: number,
): Pick<OfferCodec, "name" | "spelling" | "clockRate" | "channels"> | undefined {
  if (rtpmap === undefined) {
    const [spelling, clockRate] = STATIC_CODECS.get(payloadType) ?? [];
    if (spelling === undefined || clockRate === undefined) return undefined;
    return { name: spelling, spelling, clockRate };
  }
  const spelling = textField(rtpmap, "codec") ?? "";
  const name = spelling.toUpperCase();
  const clockRate = textField(rtpmap, "rate") === undefined
    ? CLOCK_RATES.get(name)
    : integerField(rtpmap, "rate", { min: 1, max: 1_000_000 });
  if (!/^[\w.-]{1,32}$/.test(spelling) || clockRate === undefined) return undefined;
  const channels = integerField(rtpmap, "encoding", { min: 1, max: 255 });
  return { name, spelling, clockRate, ...(channels === undefined ? {} : { channels }) };
}

type Entry = Readonly<Record<string, unknown>>;

function firstByPayloadType({ fields }: SdpLevel, name: string): Map<number, Entry> {
  const entries = new Map<number, Entry>();
  for (const entry of listField(fields, name)) {
    const payloadType = integerField(entry, "payload", { min: 0, max: 127 });
    if (payloadType !== undefined && !entries.has(payloadType)) entries.set(payloadType, entry);
  }
  return entries;
}

/** Feedback by payload type as written, including `*`. */
function parseFeedback({ fields }: SdpLevel): Map<string, string[]> {
  const feedbacks = new Map<string, string[]>();
  for (const entry of listField(fields, "rtcpFb")) {
    const key = textField(entry, "payload") ?? "";
    const subtype = textField(entry, "subtype");
    const value = (textField(entry, "type") ?? "") + (subtype ? ` ${subtype}` : "");
    const values = feedbacks.get(key);
    if (!values) feedbacks.set(key, [value]);
    else if (!values.includes(value)) values.push(value);
  }
  return feedbacks;
}

/** Parses parameters in any case and order, with blanks around the separators. The first of a name counts. */
function parseParameters(config: string): Record<string, string> {
  const parameters = new Map<string, string>();
  for (const parameter of config.split(";")) {
    const match = /^([\w-]{1,64})\s{0,8}=\s{0,8}([\x21-\x7e]{1,256})$/.exec(parameter.trim());
    const name = match?.[1]?.toLowerCase();
    if (name && match?.[2] && !parameters.has(name)) parameters.set(name, match[2]);
  }
  // No assignment, because a parameter may be named `__proto__`.
  return Object.fromEntries(parameters);
}

function parseExtensions({ fields }: SdpLevel): OfferExtension[] {
  const extensions = new Map<number, OfferExtension>();
  for (const entry of listField(fields, "ext")) {
    const id = integerField(entry, "value", { min: 1, max: 14 });
    const uri = textField(entry, "uri") ?? "";
    if (id === undefined || extensions.has(id) || !EXTENSION_URI.test(uri)) continue;
    if (textField(entry, "encrypt-uri") !== undefined) continue;
    const written = textField(entry, "direction");
    const direction = DIRECTIONS.find((value) => value === written);
    if (written !== undefined && !direction) continue;
    extensions.set(id, { id, uri, ...(direction ? { direction } : {}) });
  }
  return [...extensions.values()];
}

function parseMessageSize({ fields }: SdpLevel): number {
  const range = { min: 0, max: Number.MAX_SAFE_INTEGER };
  const bytes = integerField(fields, "maxMessageSize", range) ?? MESSAGE_SIZE_DEFAULT;
  return bytes === 0 ? Infinity : bytes;
}
