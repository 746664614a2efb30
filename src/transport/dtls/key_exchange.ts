import { Buffer } from "node:buffer";
import { createECDH, createPublicKey, diffieHellman, generateKeyPairSync } from "node:crypto";
import { GROUP, type Group } from "./negotiation.ts";

/** An ephemeral key of the server. */
export interface KeyExchange {
  /** As ServerKeyExchange contains it (RFC 8422 §5.4). */
  readonly publicKey: Uint8Array;
  /**
   * The secret shared with a client.
   * @param clientKey Was found safe to use: see `ClientHandshake`.
   * @returns 32 bytes.
   */
  sharedSecret(clientKey: Uint8Array): Uint8Array;
}

/** `SubjectPublicKeyInfo` of an X25519 key up to the key (RFC 8410 §4, §10.1). */
const X25519_PREFIX = Uint8Array.fromHex("302a300506032b656e032100");

/** Generates a key. */
export function createKeyExchange(group: Group): KeyExchange {
  return group === GROUP.secp256r1 ? createP256() : createX25519();
}

function createP256(): KeyExchange {
  const ecdh = createECDH("prime256v1");
  const publicKey = ecdh.generateKeys();
  return { publicKey, sharedSecret: (clientKey) => ecdh.computeSecret(clientKey) };
}

function createX25519(): KeyExchange {
  const { publicKey, privateKey } = generateKeyPairSync("x25519");
  return {
    publicKey: publicKey.export({ type: "spki", format: "der" }).subarray(X25519_PREFIX.length),
    sharedSecret(clientKey) {
      const key = Buffer.concat([X25519_PREFIX, clientKey]);
      const client = createPublicKey({ key, format: "der", type: "spki" });
      return diffieHellman({ privateKey, publicKey: client });
    },
  };
}
