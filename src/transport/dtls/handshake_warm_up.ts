import { Buffer } from "node:buffer";
import { DtlsClient, ProtectionProfileAeadAes128Gcm } from "werift";
import { SecureChannel, type ServerCertificate } from "./secure_channel.ts";

/**
 * Does one DTLS handshake within the process. The first one takes a quarter of a second, because the elliptic-curve
 * code is not compiled yet, and should not delay the first viewer.
 */
export async function warmUpHandshake(certificate: ServerCertificate): Promise<void> {
  let toClient: (packet: Buffer) => void = () => {};
  const server = new SecureChannel({
    certificate,
    remoteFingerprints: [certificate.fingerprint],
    send: (packet) => toClient(Buffer.from(packet)),
  });
  const established = server.establish();
  const { certPem, privateKey, signatureHash } = certificate.certificate;
  const client = new DtlsClient({
    cert: certPem,
    key: privateKey,
    signatureHash,
    srtpProfiles: [ProtectionProfileAeadAes128Gcm],
    extendedMasterSecret: true,
    transport: {
      type: "memory",
      address: {},
      send: (packet: Buffer) => Promise.resolve(server.receive(packet)),
      close: () => Promise.resolve(),
    } as never,
  });
  toClient = (packet) => client.transport.socket.onData(packet, ["", 0]);
  await client.connect();
  await established;
  server.close();
}
