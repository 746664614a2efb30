import { Buffer } from "node:buffer";
import {
  Event,
  ProtectionProfileAeadAes128Gcm,
  ProtectionProfileAes128CmHmacSha1_80,
  type RTCCertificate,
  RTCDtlsFingerprint,
  RTCDtlsParameters,
  RTCDtlsTransport,
  type RTCIceTransport,
  SrtcpSession,
} from "werift";
import { AppError, errorText } from "../base/errors.ts";
import type { Fingerprint } from "../sdp/model.ts";
import { assertClientAuthentic } from "./client_proof.ts";
import { createSrtpSender, type SrtpSender } from "./srtp.ts";

/** The DTLS handshake did not come to an end. */
export class SecureChannelError extends AppError<"dtls_failed"> {}

/** The keys of one viewer, at work. */
export interface SecureMedia {
  readonly rtp: SrtpSender;
  /** Encrypts a compound RTCP packet. */
  protectRtcp(packet: Uint8Array): Uint8Array;
  /** Decrypts a compound RTCP packet; `undefined` when it is not authentic. */
  unprotectRtcp(packet: Uint8Array): Uint8Array | undefined;
}

/** The certificate that every peer of this process presents: making one takes 30 ms, too long for each viewer. */
export interface ServerCertificate {
  readonly fingerprint: Fingerprint;
  /** werift's own form; only this file reads it. */
  readonly certificate: RTCCertificate;
}

/** Makes a self-signed ECDSA P-256 certificate. */
export async function createServerCertificate(): Promise<ServerCertificate> {
  const certificate = await RTCDtlsTransport.SetupCertificate();
  const fingerprint = certificate.getFingerprints()[0];
  if (fingerprint?.algorithm !== "sha-256") {
    throw new Error("werift made a certificate without a sha-256 fingerprint");
  }
  return {
    certificate,
    fingerprint: { algorithm: "sha-256", value: fingerprint.value.toUpperCase() },
  };
}

const DTLS_CONTENT_HANDSHAKE = 22;
const DTLS_HANDSHAKE_CLIENT_HELLO = 1;

/**
 * The DTLS server of one viewer (RFC 8842 with `a=setup:passive`: the browser speaks first, which saves the round trip
 * of waiting for our ClientHello). werift does the handshake; datagrams come in by `receive` and leave by `send`.
 */
export class SecureChannel {
  readonly #transport: RTCDtlsTransport;
  readonly #incoming = new Event<[Buffer]>();
  #closed = false;

  constructor(options: {
    certificate: ServerCertificate;
    remoteFingerprints: readonly Fingerprint[];
    send: (packet: Uint8Array) => void;
  }) {
    const connection = {
      onData: this.#incoming,
      send: (packet: Buffer) => {
        if (!this.#closed) options.send(packet);
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    };
    // Of an ICE transport werift's DTLS uses no more than this; our own agent does the rest.
    const ice = {
      connection,
      role: "controlled",
      state: "connected",
      stop: () => Promise.resolve(),
    };
    this.#transport = new RTCDtlsTransport(
      {} as ConstructorParameters<typeof RTCDtlsTransport>[0],
      ice as unknown as RTCIceTransport,
      options.certificate.certificate,
      [ProtectionProfileAeadAes128Gcm, ProtectionProfileAes128CmHmacSha1_80],
    );
    this.#transport.role = "server";
    this.#transport.setRemoteParams(
      new RTCDtlsParameters(
        options.remoteFingerprints.map(({ algorithm, value }) =>
          new RTCDtlsFingerprint(algorithm, value)
        ),
        "client",
      ),
    );
  }

  /**
   * Waits for the browser's handshake and checks its certificate against the offer's fingerprints.
   * @throws {SecureChannelError}
   */
  async establish(): Promise<SecureMedia> {
    try {
      await this.#transport.start();
      assertClientAuthentic(this.#transport);
      return this.#secureMedia();
    } catch (error) {
      throw new SecureChannelError("dtls_failed", `DTLS handshake failed: ${errorText(error)}`);
    }
  }

  /** Calls back once when the browser closes the channel by an alert, or the handshake breaks. */
  onClosed(closed: () => void): void {
    this.#transport.onStateChange.subscribe((state) => {
      if (!this.#closed && (state === "closed" || state === "failed")) closed();
    });
  }

  /** Takes one DTLS datagram. It is copied. */
  receive(packet: Uint8Array): void {
    if (this.#closed || this.#isRestart(packet)) return;
    this.#incoming.execute(Buffer.from(packet));
  }

  /** Ends the channel. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#incoming.complete();
    // werift repeats a flight for half a minute unless it believes that a later one was reached.
    const { dtls } = this.#transport;
    if (dtls !== undefined) dtls.dtls.flight = Number.POSITIVE_INFINITY as typeof dtls.dtls.flight;
    void this.#transport.stop();
  }

  /**
   * werift starts over on any ClientHello, authenticated or not. Once connected, nobody may reset a viewer's keys
   * with one forged datagram: a browser that starts over makes a new offer.
   */
  #isRestart(packet: Uint8Array): boolean {
    return this.#transport.state === "connected" && packet[0] === DTLS_CONTENT_HANDSHAKE &&
      packet[3] === 0 && packet[4] === 0 && packet[13] === DTLS_HANDSHAKE_CLIENT_HELLO;
  }

  #secureMedia(): SecureMedia {
    const { dtls } = this.#transport;
    const profile = dtls?.srtp.srtpProfile;
    if (dtls === undefined || profile === undefined) throw new Error("no SRTP profile in common");
    const gcm = profile === ProtectionProfileAeadAes128Gcm;
    const keys = dtls.extractSessionKeys(16, gcm ? 12 : 14);
    const srtcp = new SrtcpSession({
      keys: {
        localMasterKey: keys.localKey,
        localMasterSalt: keys.localSalt,
        remoteMasterKey: keys.remoteKey,
        remoteMasterSalt: keys.remoteSalt,
      },
      profile,
    });
    return {
      rtp: createSrtpSender({
        profile: gcm ? "aead_aes_128_gcm" : "aes_cm_128_hmac_sha1_80",
        masterKey: keys.localKey,
        masterSalt: keys.localSalt,
      }),
      protectRtcp: (packet) => srtcp.encrypt(Buffer.from(packet)),
      unprotectRtcp(packet) {
        try {
          return srtcp.decrypt(Buffer.from(packet));
        } catch {
          return undefined;
        }
      },
    };
  }
}
