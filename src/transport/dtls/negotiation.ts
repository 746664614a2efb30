import { type DtlsFault, dtlsFault } from "./alert.ts";
import type { ClientHello } from "./client_hello.ts";
import { DTLS_VERSION } from "./dtls_records.ts";

const DTLS_MAJOR = 0xfe;
/** TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, which every browser must offer (RFC 8827 §6.5). */
export const CIPHER_SUITE = 0xc02b;
/** ecdsa_secp256r1_sha256, which signs the server's certificate and key exchange. */
export const SIGNATURE_ALGORITHM = 0x0403;
const NULL_COMPRESSION = 0;
const UNCOMPRESSED_POINTS = 0;

/** Supported groups for the key exchange (RFC 8422 §5.1.1). */
export const GROUP = { secp256r1: 23, x25519: 29 } as const;
/** One of {@link GROUP}. */
export type Group = typeof GROUP[keyof typeof GROUP];

/** SRTP_AEAD_AES_128_GCM and SRTP_AES128_CM_HMAC_SHA1_80 (RFC 7714 §14.2, RFC 5764 §4.1.2), preferred first. */
const SRTP_PROFILES = [7, 1] as const;

/** The negotiated parameters. */
export interface Agreement {
  readonly group: Group;
  readonly srtpProfile: typeof SRTP_PROFILES[number];
  readonly extendedMasterSecret: boolean;
}

/** Names for messages; others are shown as numbers. */
const VERSION_NAMES = { 0xfeff: "DTLS 1.0", 0xfefd: "DTLS 1.2", 0xfefc: "DTLS 1.3" };
const GROUP_NAMES = {
  22: "secp256k1",
  23: "P-256",
  24: "P-384",
  25: "P-521",
  29: "X25519",
  30: "X448",
  0x11ec: "X25519MLKEM768",
};
const PROFILE_NAMES = {
  1: "SRTP_AES128_CM_HMAC_SHA1_80",
  2: "SRTP_AES128_CM_HMAC_SHA1_32",
  7: "SRTP_AEAD_AES_128_GCM",
  8: "SRTP_AEAD_AES_256_GCM",
};
const SIGNATURE_NAMES = {
  0x0201: "RSA with SHA-1",
  0x0203: "ECDSA with SHA-1",
  0x0401: "RSA with SHA-256",
  0x0403: "ECDSA with SHA-256",
  0x0501: "RSA with SHA-384",
  0x0503: "ECDSA with SHA-384",
  0x0601: "RSA with SHA-512",
  0x0603: "ECDSA with SHA-512",
  0x0804: "RSA-PSS with SHA-256",
  0x0805: "RSA-PSS with SHA-384",
  0x0806: "RSA-PSS with SHA-512",
  0x0807: "Ed25519",
  0x0808: "Ed448",
};
const SUITE_NAMES = {
  0x009c: "TLS_RSA_WITH_AES_128_GCM_SHA256",
  0x009d: "TLS_RSA_WITH_AES_256_GCM_SHA384",
  0x00ff: "TLS_EMPTY_RENEGOTIATION_INFO_SCSV",
  0x1301: "TLS_AES_128_GCM_SHA256",
  0x1302: "TLS_AES_256_GCM_SHA384",
  0x1303: "TLS_CHACHA20_POLY1305_SHA256",
  0xc009: "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
  0xc00a: "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
  0xc013: "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
  0xc014: "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
  0xc023: "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
  0xc024: "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
  0xc02c: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
  0xc02f: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
  0xc030: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
  0xcca8: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
  0xcca9: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
};
/** A client may offer thousands; a message lists the first ones. */
const NAMED_MAX = 12;

/** Negotiates the parameters with a client, or explains why that fails. */
export function negotiate(hello: ClientHello): Agreement | DtlsFault {
  const { version, supportedVersions, cipherSuites, groups, srtpProfiles } = hello;
  const isRecent = version >> 8 === DTLS_MAJOR && version <= DTLS_VERSION;
  // Only a client with DTLS 1.3 lists its versions; if 1.2 is missing, it would refuse the ServerHello.
  if (!isRecent || supportedVersions?.includes(DTLS_VERSION) === false) {
    return nothingShared("protocol_version", "version of DTLS", {
      offered: nameAll(supportedVersions ?? [version], VERSION_NAMES),
      taken: "DTLS 1.2",
    });
  }
  if (!cipherSuites.includes(CIPHER_SUITE)) {
    return nothingShared("handshake_failure", "cipher suite", {
      offered: nameAll(cipherSuites, SUITE_NAMES),
      taken: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    });
  }
  const fault = judgeFormats(hello);
  if (fault !== undefined) return fault;
  // RFC 8422 §4: a client without a list of groups accepts any.
  const group = groups === undefined ? GROUP.secp256r1 : groups.find(isGroup);
  if (group === undefined) {
    return nothingShared("handshake_failure", "elliptic curve", {
      offered: nameAll(groups ?? [], GROUP_NAMES),
      taken: "P-256 and X25519",
    });
  }
  const srtpProfile = SRTP_PROFILES.find((profile) => srtpProfiles?.includes(profile));
  if (srtpProfile === undefined) {
    return nothingShared("handshake_failure", "SRTP profile", {
      offered: nameAll(srtpProfiles ?? [], PROFILE_NAMES),
      taken: "SRTP_AEAD_AES_128_GCM and SRTP_AES128_CM_HMAC_SHA1_80",
    });
  }
  return { group, srtpProfile, extendedMasterSecret: hello.extendedMasterSecret };
}

/** Checks properties that are the same in every working client. */
function judgeFormats(hello: ClientHello): DtlsFault | undefined {
  const { compressionMethods, pointFormats, signatureAlgorithms, renegotiationInfo } = hello;
  if (!compressionMethods.includes(NULL_COMPRESSION)) {
    return dtlsFault("illegal_parameter", "The client requires compression");
  }
  if (pointFormats?.includes(UNCOMPRESSED_POINTS) === false) {
    return dtlsFault("illegal_parameter", "The client does not accept uncompressed points");
  }
  if (signatureAlgorithms?.includes(SIGNATURE_ALGORITHM) === false) {
    return nothingShared("handshake_failure", "signature algorithm", {
      offered: nameAll(signatureAlgorithms, SIGNATURE_NAMES),
      taken: "ECDSA with SHA-256",
    });
  }
  // RFC 5746 §3.6: must be empty in a first handshake.
  if (renegotiationInfo !== undefined && renegotiationInfo.length > 0) {
    return dtlsFault("handshake_failure", "The client's first handshake has renegotiation data");
  }
  return undefined;
}

function isGroup(group: number): group is Group {
  return group === GROUP.secp256r1 || group === GROUP.x25519;
}

function nothingShared(
  alert: DtlsFault["alert"],
  what: string,
  { offered, taken }: { offered: string; taken: string },
): DtlsFault {
  return dtlsFault(
    alert,
    `No ${what} in common: the client offers ${offered}; the server supports ${taken}`,
  );
}

function nameAll(numbers: readonly number[], names: Readonly<Record<number, string>>): string {
  const named = numbers.slice(0, NAMED_MAX).map((number) =>
    names[number] ?? `0x${number.toString(16).padStart(4, "0")}`
  );
  if (numbers.length > NAMED_MAX) named.push(`${numbers.length - NAMED_MAX} more`);
  return named.join(", ") || "none";
}
