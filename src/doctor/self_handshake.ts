import { Buffer } from "node:buffer";
import type { DtlsClient } from "werift";
import { SecureChannel } from "../transport/dtls/secure_channel.ts";
import { createServerCertificate } from "../transport/dtls/server_certificate.ts";

/** What {@link shakeHandsWithSelf} exchanges after the handshake. */
const MESSAGE = new TextEncoder().encode("pinhole");

/** Outcome of {@link shakeHandsWithSelf}. */
export interface SelfHandshake {
  /** Datagrams of both sides. */
  readonly datagrams: number;
}

/**
 * Does a DTLS handshake within the process, as a server and as a client, each with a new certificate, and sends one
 * encrypted message each way. It does not wait for an answer that does not come: the caller sets the time limit.
 * @throws {SecureChannelError} If the server refuses the client.
 */
export async function shakeHandsWithSelf(): Promise<SelfHandshake> {
  // Only this needs werift's client, which takes 0.2 s to load.
  const { DtlsClient, ProtectionProfileAeadAes128Gcm, RTCDtlsTransport } = await import("werift");
  const own = await RTCDtlsTransport.SetupCertificate();
  const remoteFingerprints = own.getFingerprints().map(({ value }) => ({
    algorithm: "sha-256" as const,
    value: value.toUpperCase(),
  }));
  let datagrams = 0;
  const server = new SecureChannel({
    certificate: createServerCertificate(),
    remoteFingerprints,
    send: (packet) => {
      datagrams++;
      client.transport.socket.onData(Buffer.from(packet), ["", 0]);
    },
  });
  const client: DtlsClient = new DtlsClient({
    cert: own.certPem,
    key: own.privateKey,
    signatureHash: own.signatureHash,
    srtpProfiles: [ProtectionProfileAeadAes128Gcm],
    extendedMasterSecret: true,
    transport: {
      type: "memory",
      address: {},
      send: (packet: Buffer) => {
        datagrams++;
        server.receive(packet);
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    } as never,
  });
  try {
    await Promise.all([server.establish(), client.connect()]);
    await exchange(server, client);
    return { datagrams };
  } finally {
    // Otherwise werift repeats the flight of an unfinished handshake.
    client.dtls.flight = Number.POSITIVE_INFINITY as typeof client.dtls.flight;
    server.close();
  }
}

async function exchange(server: SecureChannel, client: DtlsClient): Promise<void> {
  const atServer = Promise.withResolvers<boolean>();
  const atClient = Promise.withResolvers<boolean>();
  server.onData((content) => atServer.resolve(isMessage(content)));
  client.onData.subscribe((content) => atClient.resolve(isMessage(content)));
  server.sendData(MESSAGE);
  await client.send(Buffer.from(MESSAGE));
  const isSame = (await Promise.all([atServer.promise, atClient.promise])).every(Boolean);
  if (!isSame) throw new Error("What was encrypted came back as something else");
}

function isMessage(content: Uint8Array): boolean {
  return Buffer.compare(content, MESSAGE) === 0;
}
