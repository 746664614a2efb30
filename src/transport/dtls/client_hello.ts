import { ByteReader, readUint16s } from "./byte_reader.ts";

/** Types of extensions that this server reads (RFC 5246 §7.4.1.4, 8422 §5.1, 5764 §4.1, 7627 §5.1, 8446 §4.2.1). */
export const EXTENSION = {
  supportedGroups: 10,
  pointFormats: 11,
  signatureAlgorithms: 13,
  useSrtp: 14,
  extendedMasterSecret: 23,
  supportedVersions: 43,
  renegotiationInfo: 0xff01,
} as const;

const RANDOM_BYTES = 32;
const SESSION_ID_BYTES_MAX = 32;
const NO_EXTENSIONS: ReadonlyMap<number, Uint8Array> = new Map();

/** A ClientHello (RFC 6347 §4.2.1). Its parts are views of the message. */
export interface ClientHello {
  /** Highest version of DTLS 1.2 and older, such as 0xfefd. */
  readonly version: number;
  readonly random: Uint8Array;
  /** Empty in the first hello. */
  readonly cookie: Uint8Array;
  readonly cipherSuites: readonly number[];
  readonly compressionMethods: Uint8Array;
  /** `undefined` if absent: then the client accepts any (RFC 8422 §4). */
  readonly groups: readonly number[] | undefined;
  readonly pointFormats: Uint8Array | undefined;
  /** Hash and signature in one number, such as 0x0403; `undefined` if absent. */
  readonly signatureAlgorithms: readonly number[] | undefined;
  readonly srtpProfiles: readonly number[] | undefined;
  readonly extendedMasterSecret: boolean;
  /** `undefined` for a client without DTLS 1.3. */
  readonly supportedVersions: readonly number[] | undefined;
  /** Content of a renegotiation_info extension (RFC 5746 §3.2). */
  readonly renegotiationInfo: Uint8Array | undefined;
}

/** Parses the body of a ClientHello; `undefined` if a length is inconsistent, or an extension occurs twice. */
export function parseClientHello(body: Uint8Array): ClientHello | undefined {
  const reader = new ByteReader(body);
  const version = reader.number(2);
  const random = reader.bytes(RANDOM_BYTES);
  const sessionId = reader.vector(1);
  const cookie = reader.vector(1);
  const cipherSuites = readUint16s(reader.vector(2));
  const compressionMethods = reader.vector(1);
  const extensions = reader.hasMore ? parseExtensions(reader.vector(2)) : NO_EXTENSIONS;
  if (!reader.isWhole || sessionId.length > SESSION_ID_BYTES_MAX) return undefined;
  if (cipherSuites === undefined || cipherSuites.length === 0) return undefined;
  if (compressionMethods.length === 0 || extensions === undefined) return undefined;
  const known = parseKnownExtensions(extensions);
  return known && { version, random, cookie, cipherSuites, compressionMethods, ...known };
}

function parseExtensions(vector: Uint8Array): ReadonlyMap<number, Uint8Array> | undefined {
  const reader = new ByteReader(vector);
  const extensions = new Map<number, Uint8Array>();
  while (reader.hasMore) {
    const type = reader.number(2);
    if (extensions.has(type)) return undefined;
    extensions.set(type, reader.vector(2));
  }
  return reader.isWhole ? extensions : undefined;
}

type KnownExtensions = Pick<
  ClientHello,
  | "groups"
  | "pointFormats"
  | "signatureAlgorithms"
  | "srtpProfiles"
  | "extendedMasterSecret"
  | "supportedVersions"
  | "renegotiationInfo"
>;

function parseKnownExtensions(
  extensions: ReadonlyMap<number, Uint8Array>,
): KnownExtensions | undefined {
  let isSound = true;
  /** Parses one extension, if present. */
  const read = <T>(type: number, parse: (reader: ByteReader) => T | undefined): T | undefined => {
    const data = extensions.get(type);
    if (data === undefined) return undefined;
    const reader = new ByteReader(data);
    const value = parse(reader);
    isSound &&= reader.isWhole && value !== undefined;
    return value;
  };
  const known = {
    groups: read(EXTENSION.supportedGroups, (reader) => readUint16s(reader.vector(2))),
    pointFormats: read(EXTENSION.pointFormats, (reader) => reader.vector(1)),
    signatureAlgorithms: read(
      EXTENSION.signatureAlgorithms,
      (reader) => readUint16s(reader.vector(2)),
    ),
    srtpProfiles: read(EXTENSION.useSrtp, (reader) => {
      const profiles = readUint16s(reader.vector(2));
      reader.vector(1); // The MKI, which no browser sends and this server does not use.
      return profiles;
    }),
    extendedMasterSecret: read(EXTENSION.extendedMasterSecret, () => true) ?? false,
    supportedVersions: read(
      EXTENSION.supportedVersions,
      (reader) => readUint16s(reader.vector(1)),
    ),
    renegotiationInfo: read(EXTENSION.renegotiationInfo, (reader) => reader.vector(1)),
  };
  return isSound ? known : undefined;
}
