import { quote } from "../base/quote.ts";
import { parseBandwidth } from "./bandwidth.ts";
import {
  attributeValues,
  listField,
  readLevels,
  type SdpLevel,
  type SdpLevels,
  textField,
} from "./levels.ts";
import { type Fingerprint, type Offer, SdpError } from "./model.ts";
import { parseDirection, type ParsedSection, parseSection } from "./section.ts";

/** Maximum media sections; a page that shows one stream offers two or three. */
const MEDIA_SECTIONS_MAX = 16;
/** Maximum fingerprints: one certificate hashed by every existing algorithm has eight. */
const FINGERPRINTS_MAX = 8;

/** Secure hash algorithms with their sizes in bytes; others in an offer are ignored (RFC 8122 §5). */
const HASH_BYTES = { "sha-256": 32, "sha-384": 48, "sha-512": 64 } as const;

/**
 * Parses a viewer's offer (RFC 9429 §5.8) for an answerer that is ICE-lite and the DTLS server, has one transport and
 * multiplexes RTCP. Every value in the result is validated.
 * @throws {SdpError} If the text is not SDP, exceeds a limit, or cannot be served: no media, no ICE credentials, no
 * sha-256 fingerprint, a passive DTLS role, several transports without BUNDLE, no rtcp-mux.
 */
export function parseOffer(sdp: string): Offer {
  const levels = readLevels(sdp);
  const { session } = levels;
  if (levels.media.length === 0) throw new SdpError("Offer has no media section");
  if (levels.media.length > MEDIA_SECTIONS_MAX) {
    throw new SdpError(
      `Offer has ${levels.media.length} media sections, more than the limit of ${MEDIA_SECTIONS_MAX}`,
    );
  }
  if ("icelite" in session.fields) {
    throw new SdpError("Offer is ICE-lite like this server, so neither side would send checks");
  }
  const fallbackDirection = parseDirection(session) ?? "sendrecv";
  const sections = levels.media.map((level, index) =>
    parseSection(level, index, { fallbackDirection })
  );
  checkMidsUnique(sections);
  const group = parseBundleGroup(levels, sections);
  const bundled = ({ media, bundleOnly }: ParsedSection) =>
    (group === undefined || group.has(media.mid)) && (media.port > 0 || bundleOnly);
  const transportIndex = findTransport(sections, group);
  checkRtcpMux(sections.filter(bundled));
  const transport = [levels.media[transportIndex] ?? session, session] as const;
  checkSetup(transport);
  const bandwidth = parseBandwidth(session);
  const transportMid = sections[transportIndex]?.media.mid;
  return {
    ...parseOrigin(session),
    iceUfrag: credential(transport, {
      field: "iceUfrag",
      attribute: "ice-ufrag",
      charactersMin: 4,
    }),
    icePwd: credential(transport, { field: "icePwd", attribute: "ice-pwd", charactersMin: 22 }),
    ...(bandwidth.length > 0 ? { bandwidth } : {}),
    fingerprints: parseFingerprints(transport),
    media: sections.map((section) => ({ ...section.media, bundled: bundled(section) })),
    transportIndex,
    bundleGroup: group === undefined ? [] : sections
      .filter(bundled)
      .map(({ media }) => media.mid)
      .sort((a, b) => Number(b === transportMid) - Number(a === transportMid)),
    trickle: transport.some((level) =>
      attributeValues(level, "ice-options").some((value) => value.split(/[ ,]/).includes("trickle"))
    ),
  };
}

function parseOrigin({ lines }: SdpLevel): Pick<Offer, "sessionId" | "sessionVersion"> {
  const origin = lines.find((line) => line.startsWith("o=")) ?? "";
  const sessionId = /^o=\S+ (\S{1,64}) /.exec(origin)?.[1] ?? "";
  const version = /^o=\S+ \S+ (\d{1,20}) /.exec(origin)?.[1];
  return {
    sessionId: /^0+$/.test(sessionId) ? "" : sessionId,
    sessionVersion: Number(version ?? 0),
  };
}

/** The section whose transport attributes apply, and the session level as their fallback. */
type TransportLevels = readonly [SdpLevel, SdpLevel];

function checkMidsUnique(sections: readonly ParsedSection[]): void {
  const seen = new Set<string>();
  for (const { media: { mid } } of sections) {
    if (seen.has(mid)) throw new SdpError(`Offer has two media sections with a=mid:${mid}`);
    seen.add(mid);
  }
}

/** The mids of the first BUNDLE group, in order, or undefined for a single section without a group. */
function parseBundleGroup(
  { session }: SdpLevels,
  sections: readonly ParsedSection[],
): Set<string> | undefined {
  const line = listField(session.fields, "groups")
    .find((group) => textField(group, "type") === "BUNDLE");
  if (!line) {
    if (sections.length === 1) return undefined;
    throw new SdpError("Offer has several media sections and no BUNDLE group; one port serves all");
  }
  const mids = (textField(line, "mids") ?? "").split(" ").filter((mid) => mid);
  for (const mid of mids) {
    if (!sections.some(({ media }) => media.mid === mid)) {
      throw new SdpError(`Offer's BUNDLE group names ${quote(mid)}, which no media section has`);
    }
  }
  return new Set(mids);
}

/**
 * The section with the transport: the first of the group that has a port and that an answer can accept (RFC 9143
 * §7.3.1). Bundle-only and rejected sections have no port.
 */
function findTransport(
  sections: readonly ParsedSection[],
  group: ReadonlySet<string> | undefined,
): number {
  const order = group === undefined
    ? [0]
    : [...group].map((mid) => sections.findIndex(({ media }) => media.mid === mid));
  const withPort = order.filter((index) => (sections[index]?.media.port ?? 0) > 0);
  const usable = withPort.find((index) => {
    const media = sections[index]?.media;
    // It stays in every answer, at least as `inactive`, and needs a codec for that.
    return media?.kind === "application" || (media !== undefined && media.codecs.length > 0);
  });
  if (usable !== undefined) return usable;
  const [first] = withPort;
  const section = first === undefined ? undefined : sections[first]?.media;
  if (section === undefined) {
    throw new SdpError(
      "Offer has no section with a port; the first of its BUNDLE group that is in use needs one",
    );
  }
  if (section.kind === "other") {
    throw new SdpError(
      `Offer's transport is that of media section ${first}, which is not served here: ${
        quote(`${section.mediaType} ${section.protocol} ${section.firstFormat}`)
      }`,
    );
  }
  throw new SdpError(`Media section ${first} has no codec with an a=rtpmap`);
}

/** RTP and RTCP must share a port. In a BUNDLE group one attribute applies to all sections (RFC 9143 §9.3). */
function checkRtcpMux(sections: readonly ParsedSection[]): void {
  const rtp = sections.filter(({ media }) => media.kind === "video" || media.kind === "audio");
  if (rtp.length > 0 && !rtp.some(({ rtcpMux }) => rtcpMux)) {
    throw new SdpError("Offer has no a=rtcp-mux; one port carries RTP and RTCP");
  }
}

/** This server is the DTLS server, so the viewer must accept to be the client (RFC 8842 §5.3). */
function checkSetup([section, session]: TransportLevels): void {
  const setup = textField(section.fields, "setup") ?? textField(session.fields, "setup");
  // The default in an offer is active (RFC 4145 §4).
  if (setup === undefined || setup === "actpass" || setup === "active") return;
  throw new SdpError(`Offer has a=setup:${setup}; this server is served by actpass or active only`);
}

/** RFC 8839 §5.4: 4–256 ice-chars for the fragment, 22–256 for the password. */
function credential(
  [section, session]: TransportLevels,
  { field, attribute, charactersMin }: { field: string; attribute: string; charactersMin: number },
): string {
  const value = textField(section.fields, field) ?? textField(session.fields, field);
  if (value === undefined) throw new SdpError(`Offer has no a=${attribute}`);
  if (value.length < charactersMin || value.length > 256 || !/^[A-Za-z0-9+/]+$/.test(value)) {
    // The password is a secret, so the message does not repeat it.
    throw new SdpError(
      `Offer's a=${attribute} is not ${charactersMin}–256 characters of A-Za-z0-9+/`,
    );
  }
  return value;
}

function parseFingerprints([section, session]: TransportLevels): Fingerprint[] {
  const own = attributeValues(section, "fingerprint");
  const values = own.length > 0 ? own : attributeValues(session, "fingerprint");
  if (values.length > FINGERPRINTS_MAX) {
    throw new SdpError(`Offer has ${values.length} fingerprints, more than ${FINGERPRINTS_MAX}`);
  }
  const fingerprints = values.map(parseFingerprint).filter((parsed) => parsed !== undefined);
  if (!fingerprints.some(({ algorithm }) => algorithm === "sha-256")) {
    throw new SdpError("Offer has no a=fingerprint with sha-256");
  }
  return fingerprints;
}

function parseFingerprint(text: string): Fingerprint | undefined {
  const [name = "", hex = "", ...rest] = text.trim().split(" ");
  const algorithm = name.toLowerCase();
  if (algorithm !== "sha-256" && algorithm !== "sha-384" && algorithm !== "sha-512") {
    return undefined;
  }
  const bytes = hex.split(":");
  if (
    rest.length > 0 || bytes.length !== HASH_BYTES[algorithm] ||
    !bytes.every((byte) => /^[0-9A-Fa-f]{2}$/.test(byte))
  ) {
    throw new SdpError(
      `Offer's ${algorithm} fingerprint is not ${HASH_BYTES[algorithm]} hex bytes`,
    );
  }
  return { algorithm, value: hex.toUpperCase() };
}
