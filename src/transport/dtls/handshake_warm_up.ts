import { createSign } from "node:crypto";
import { createKeyExchange } from "./key_exchange.ts";
import { deriveMasterSecret, deriveRecordKeys, exportSrtpKeys } from "./key_schedule.ts";
import { GROUP } from "./negotiation.ts";
import { RecordCipher } from "./record_cipher.ts";
import type { ServerCertificate } from "./server_certificate.ts";

/**
 * Does the cryptography of a handshake once. The first time in a process takes several times as long, and should not
 * delay the first viewer.
 */
export function warmUpHandshake({ privateKey }: ServerCertificate): void {
  for (const group of Object.values(GROUP)) {
    const [server, client] = [createKeyExchange(group), createKeyExchange(group)];
    const secret = server.sharedSecret(client.publicKey);
    createSign("sha256").update(server.publicKey).sign(privateKey);
    const randoms = { client: new Uint8Array(32), server: new Uint8Array(32) };
    const masterSecret = deriveMasterSecret(secret, { transcript: secret });
    const cipher = new RecordCipher(deriveRecordKeys(masterSecret, randoms));
    cipher.seal({ contentType: 0, epoch: 0, sequenceNumber: 0 }, secret);
    exportSrtpKeys(masterSecret, { randoms, profile: "aead_aes_128_gcm" });
  }
}
