import { Buffer } from "node:buffer";
import type { ServerCertificate } from "../../../src/transport/dtls/server_certificate.ts";

/** A certificate and its key, as most programs read them. */
export function pemOf({ der, privateKey }: ServerCertificate): { cert: string; key: string } {
  const lines = Buffer.from(der).toString("base64").match(/.{1,64}/g) ?? [];
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`,
    key: String(privateKey.export({ type: "pkcs8", format: "pem" })),
  };
}
