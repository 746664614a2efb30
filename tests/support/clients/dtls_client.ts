import { Buffer } from "node:buffer";
import {
  DtlsClient,
  HashAlgorithm,
  ProtectionProfileAeadAes128Gcm,
  ProtectionProfileAes128CmHmacSha1_80,
  SignatureAlgorithm,
} from "werift";
import { pemOf } from "./certificate_pem.ts";
import type { SecureChannel } from "../../../src/transport/dtls/secure_channel.ts";
import type { ServerCertificate } from "../../../src/transport/dtls/server_certificate.ts";
import type { SrtpKeys, SrtpProfile } from "../../../src/transport/rtp/srtp_keys.ts";

const PROFILE_NUMBERS = {
  aead_aes_128_gcm: ProtectionProfileAeadAes128Gcm,
  aes_cm_128_hmac_sha1_80: ProtectionProfileAes128CmHmacSha1_80,
} as const;

/** werift looks at a flight's timer 500 ms after it was sent, even where the answer came at once. */
const FLIGHT_TIMER_MS = 700;

/** How a {@link TestDtlsClient} shakes hands. */
export interface DtlsClientOptions {
  /** What it presents. */
  readonly certificate: ServerCertificate;
  /** Private key that it signs with, as PEM. Default: the one that belongs to the certificate. */
  readonly key?: string;
  /** In the order of its preference. Default: GCM alone. */
  readonly profiles?: readonly SrtpProfile[];
}

/** The browser's side of a {@link SecureChannel}, in memory. */
export class TestDtlsClient implements AsyncDisposable {
  /** Datagrams that went to the server. */
  readonly sent: Uint8Array[] = [];
  readonly #client: DtlsClient;
  readonly #profiles: readonly SrtpProfile[];

  /** @param server Where its datagrams go; what the server sends belongs into {@link receive}. */
  constructor(server: () => SecureChannel, options: DtlsClientOptions) {
    const { certificate, profiles = ["aead_aes_128_gcm"] } = options;
    const { cert, key } = pemOf(certificate);
    this.#profiles = profiles;
    this.#client = new DtlsClient({
      cert,
      key: options.key ?? key,
      signatureHash: { hash: HashAlgorithm.sha256_4, signature: SignatureAlgorithm.ecdsa_3 },
      srtpProfiles: profiles.map((profile) => PROFILE_NUMBERS[profile]),
      extendedMasterSecret: true,
      transport: {
        type: "memory",
        address: {},
        send: (packet: Buffer) => {
          this.sent.push(Uint8Array.from(packet));
          server().receive(packet);
          return Promise.resolve();
        },
        close: () => Promise.resolve(),
      } as never,
    });
  }

  /** Takes a datagram of the server. */
  receive(packet: Uint8Array): void {
    this.#client.transport.socket.onData(Buffer.from(packet), ["", 0]);
  }

  /** Begins the handshake. */
  connect(): Promise<void> {
    return this.#client.connect();
  }

  /** The keys that came out of the handshake, ours first. */
  keys(): { readonly local: SrtpKeys; readonly remote: SrtpKeys } {
    const number = this.#client.srtp.srtpProfile;
    const profile = this.#profiles.find((each) => PROFILE_NUMBERS[each] === number);
    if (profile === undefined) throw new Error("No SRTP profile was agreed upon");
    const saltBytes = profile === "aead_aes_128_gcm" ? 12 : 14;
    const keys = this.#client.extractSessionKeys(16, saltBytes);
    return {
      local: { profile, masterKey: keys.localKey, masterSalt: keys.localSalt },
      remote: { profile, masterKey: keys.remoteKey, masterSalt: keys.remoteSalt },
    };
  }

  /** A record as this client encrypts it. */
  encrypt(contentType: number, plain: Uint8Array, sequenceNumber = 99): Uint8Array {
    const recordLayerHeader = {
      contentType,
      protocolVersion: { major: 254, minor: 253 },
      epoch: 1,
      sequenceNumber,
      contentLen: 0,
    };
    const packet = { recordLayerHeader, fragment: Buffer.from(plain) };
    this.#client.cipher.encryptPacket(packet as never);
    return plainRecord(contentType, packet.fragment, { epoch: 1, sequenceNumber });
  }

  /** Gives up a handshake that goes on, and waits for the last timer. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { dtls } = this.#client;
    dtls.flight = Number.POSITIVE_INFINITY as typeof dtls.flight;
    await new Promise((resolve) => setTimeout(resolve, FLIGHT_TIMER_MS));
  }
}

/** A record as anybody can write it. */
export function plainRecord(
  contentType: number,
  fragment: Uint8Array,
  { epoch = 0, sequenceNumber = 0 }: { epoch?: number; sequenceNumber?: number } = {},
): Uint8Array {
  const record = new Uint8Array(13 + fragment.length);
  const view = new DataView(record.buffer);
  record.set([contentType, 254, 253]);
  view.setUint16(3, epoch);
  view.setUint32(7, sequenceNumber);
  view.setUint16(11, fragment.length);
  record.set(fragment, 13);
  return record;
}
