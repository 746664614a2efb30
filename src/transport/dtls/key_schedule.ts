import { createHash, createHmac } from "node:crypto";
import { concatBytes } from "../../base/bytes.ts";
import type { SrtpKeys, SrtpProfile } from "../rtp/srtp_keys.ts";

const MASTER_SECRET_BYTES = 48;
const VERIFY_DATA_BYTES = 12;
/** AES-128-GCM of TLS 1.2 (RFC 5288 §3): a key, and the part of the nonce that is not sent. */
const WRITE_KEY_BYTES = 16;
const WRITE_SALT_BYTES = 4;

/** The random values of both hellos, 32 bytes each. */
export interface Randoms {
  readonly client: Uint8Array;
  readonly server: Uint8Array;
}

/** Keys for one direction of records. */
export interface WriteKeys {
  /** 16 bytes. */
  readonly key: Uint8Array;
  /** 4 bytes. */
  readonly salt: Uint8Array;
}

/** Keys for both directions, ours first. */
export interface BothWays<Keys> {
  readonly local: Keys;
  readonly remote: Keys;
}

/**
 * The master secret, 48 bytes.
 * @param source What it is bound to: the transcript including ClientKeyExchange, where both sides use the extended
 * master secret (RFC 7627 §4), else the random values (RFC 5246 §8.1).
 */
export function deriveMasterSecret(
  sharedSecret: Uint8Array,
  source: { readonly transcript: Uint8Array } | Randoms,
): Uint8Array {
  const [label, seed] = "transcript" in source
    ? ["extended master secret", sha256(source.transcript)] as const
    : ["master secret", concatBytes(source.client, source.server)] as const;
  return prf(sharedSecret, { label, seed, bytes: MASTER_SECRET_BYTES });
}

/** The server's keys for records (RFC 5246 §6.3). */
export function deriveRecordKeys(masterSecret: Uint8Array, randoms: Randoms): BothWays<WriteKeys> {
  const [remoteKey, localKey, remoteSalt, localSalt] = split(
    prf(masterSecret, {
      label: "key expansion",
      seed: concatBytes(randoms.server, randoms.client),
      bytes: 2 * (WRITE_KEY_BYTES + WRITE_SALT_BYTES),
    }),
    WRITE_KEY_BYTES,
    WRITE_SALT_BYTES,
  );
  return {
    local: { key: localKey, salt: localSalt },
    remote: { key: remoteKey, salt: remoteSalt },
  };
}

/** The server's keys for SRTP (RFC 5764 §4.2). */
export function exportSrtpKeys(
  masterSecret: Uint8Array,
  { randoms, profile }: { randoms: Randoms; profile: SrtpProfile },
): BothWays<SrtpKeys> {
  const saltBytes = profile === "aead_aes_128_gcm" ? 12 : 14;
  const [remoteKey, localKey, remoteSalt, localSalt] = split(
    prf(masterSecret, {
      label: "EXTRACTOR-dtls_srtp",
      seed: concatBytes(randoms.client, randoms.server),
      bytes: 2 * (16 + saltBytes),
    }),
    16,
    saltBytes,
  );
  return {
    local: { profile, masterKey: localKey, masterSalt: localSalt },
    remote: { profile, masterKey: remoteKey, masterSalt: remoteSalt },
  };
}

/** The content of a Finished (RFC 5246 §7.4.9), 12 bytes. */
export function verifyData(
  side: "client" | "server",
  { masterSecret, transcript }: { masterSecret: Uint8Array; transcript: Uint8Array },
): Uint8Array {
  const seed = sha256(transcript);
  return prf(masterSecret, { label: `${side} finished`, seed, bytes: VERIFY_DATA_BYTES });
}

/** The client's half of each pair comes first. */
function split(
  block: Uint8Array,
  keyBytes: number,
  saltBytes: number,
): readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array] {
  const saltsAt = 2 * keyBytes;
  return [
    block.subarray(0, keyBytes),
    block.subarray(keyBytes, saltsAt),
    block.subarray(saltsAt, saltsAt + saltBytes),
    block.subarray(saltsAt + saltBytes, saltsAt + 2 * saltBytes),
  ];
}

/** P_SHA256 (RFC 5246 §5). */
function prf(
  secret: Uint8Array,
  { label, seed, bytes }: { label: string; seed: Uint8Array; bytes: number },
): Uint8Array {
  const labelled = concatBytes(new TextEncoder().encode(label), seed);
  const hmac = (data: Uint8Array) => createHmac("sha256", secret).update(data).digest();
  const output: Uint8Array[] = [];
  let a: Uint8Array = labelled;
  for (let done = 0; done < bytes; done += 32) {
    a = hmac(a);
    output.push(hmac(concatBytes(a, labelled)));
  }
  return concatBytes(...output).subarray(0, bytes);
}

function sha256(data: Uint8Array): Uint8Array {
  return createHash("sha256").update(data).digest();
}
