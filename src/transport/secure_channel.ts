import { Buffer } from "node:buffer";
import {
  type CipherContext,
  Event,
  ProtectionProfileAeadAes128Gcm,
  ProtectionProfileAes128CmHmacSha1_80,
  type RTCCertificate,
  RTCDtlsFingerprint,
  RTCDtlsParameters,
  RTCDtlsTransport,
  type RTCIceTransport,
} from "werift";
import { AppError, errorText } from "../base/errors.ts";
import type { Fingerprint } from "../sdp/model.ts";
import { assertClientAuthentic } from "./client_proof.ts";
import { DataChannel, type DataChannelOptions } from "./data_channel.ts";
import { DTLS_CONTENT, type DtlsRecord, splitDtlsRecords } from "./dtls_records.ts";
import { HandshakeGate } from "./handshake_gate.ts";
import { type AuthenticRtcp, createSrtcpReceiver, createSrtcpSender } from "./srtcp.ts";
import { createSrtpSender, type SrtpSender } from "./srtp.ts";
import type { SrtpKeys } from "./srtp_keys.ts";

/** The DTLS handshake did not come to an end. */
export class SecureChannelError extends AppError<"dtls_failed"> {}

/** The keys of one viewer, at work. */
export interface SecureMedia {
  readonly rtp: SrtpSender;
  /** Encrypts a compound RTCP packet. */
  protectRtcp(packet: Uint8Array): Uint8Array;
  /** Decrypts a compound RTCP packet; `undefined` when it is not authentic, or came before. */
  unprotectRtcp(packet: Uint8Array): AuthenticRtcp | undefined;
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

/** Why a DTLS datagram, or a record of it, was dropped; a short name for metrics. */
export type DtlsRejection = "dtls_malformed" | "dtls_unexpected" | "dtls_flood" | "dtls_forged";

/**
 * Handshake bytes that one viewer may send in all. A whole handshake is under 4 KiB; the rest is room for what is
 * repeated over a slow tunnel. Beyond it, what werift keeps of unfinished messages would grow without end, and each
 * ClientHello costs the event loop 0.8 ms.
 */
const HANDSHAKE_BYTES_MAX = 32 * 1024;

/** Levels and descriptions of alerts (RFC 5246 §7.2). */
const ALERT_FATAL = 2;
const ALERT_CLOSE_NOTIFY = 0;

/**
 * The DTLS server of one viewer (RFC 8842 with `a=setup:passive`: the browser speaks first, which saves the round trip
 * of waiting for our ClientHello). werift does the handshake; datagrams come in by `receive` and leave by `send`.
 */
export class SecureChannel {
  readonly #transport: RTCDtlsTransport;
  readonly #incoming = new Event<[Buffer]>();
  #onClosed: () => void = () => {};
  readonly #gate = new HandshakeGate();
  #handshakeBytes = 0;
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

  /** Opens the data channel's half of this viewer, before the handshake. */
  openData(options: DataChannelOptions): DataChannel {
    return new DataChannel(this.#transport, options);
  }

  /** Calls back once when the browser closes the channel by an alert. */
  onClosed(closed: () => void): void {
    this.#onClosed = closed;
  }

  /**
   * Takes one DTLS datagram. It is copied.
   * @returns Why the datagram, or its last record that was dropped, was dropped.
   */
  receive(packet: Uint8Array): DtlsRejection | undefined {
    const records = splitDtlsRecords(packet);
    if (records === undefined) return "dtls_malformed";
    let rejection: DtlsRejection | undefined;
    for (const record of records) rejection = this.#receiveRecord(record) ?? rejection;
    return rejection;
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

  #receiveRecord(record: DtlsRecord): DtlsRejection | undefined {
    if (this.#closed) return undefined;
    if (!this.#isExpected(record)) return "dtls_unexpected";
    if (record.contentType === DTLS_CONTENT.alert) return this.#receiveAlert(record);
    if (record.contentType === DTLS_CONTENT.handshake) {
      this.#handshakeBytes += record.bytes.length;
      if (this.#handshakeBytes > HANDSHAKE_BYTES_MAX) return "dtls_flood";
      for (const ready of this.#gate.pass(record)) this.#incoming.execute(Buffer.from(ready));
      return undefined;
    }
    this.#incoming.execute(Buffer.from(record.bytes));
    return undefined;
  }

  /**
   * Whoever can write the viewer's address on a datagram could end its stream with one plaintext record: werift starts
   * over on any ClientHello, and believes any alert. So, once there are keys, nothing counts that they do not protect,
   * and alerts never do before. A browser that starts over makes a new offer.
   */
  #isExpected({ contentType, epoch }: DtlsRecord): boolean {
    if (this.#transport.state === "connected") {
      return epoch > 0 &&
        (contentType === DTLS_CONTENT.alert || contentType === DTLS_CONTENT.handshake ||
          contentType === DTLS_CONTENT.applicationData);
    }
    return contentType === DTLS_CONTENT.handshake ||
      (contentType === DTLS_CONTENT.changeCipherSpec && epoch === 0);
  }

  /** werift takes an encrypted alert for a plaintext one where its nonce looks like one. */
  #receiveAlert(record: DtlsRecord): DtlsRejection | undefined {
    const { contentType, version: protocolVersion, epoch, sequenceNumber, fragment } = record;
    const contentLen = fragment.length;
    try {
      const alert = this.#transport.dtls?.cipher.decryptPacket(
        {
          recordLayerHeader: { contentType, protocolVersion, epoch, sequenceNumber, contentLen },
          fragment: Buffer.from(fragment),
        } as Parameters<CipherContext["decryptPacket"]>[0],
      );
      if (alert?.[0] === ALERT_FATAL || alert?.[1] === ALERT_CLOSE_NOTIFY) this.#onClosed();
      return undefined;
    } catch {
      return "dtls_forged";
    }
  }

  #secureMedia(): SecureMedia {
    const { dtls } = this.#transport;
    const profile = dtls?.srtp.srtpProfile;
    if (dtls === undefined || profile === undefined) throw new Error("no SRTP profile in common");
    const gcm = profile === ProtectionProfileAeadAes128Gcm;
    const exported = dtls.extractSessionKeys(16, gcm ? 12 : 14);
    const name = gcm ? "aead_aes_128_gcm" : "aes_cm_128_hmac_sha1_80";
    const local: SrtpKeys = {
      profile: name,
      masterKey: exported.localKey,
      masterSalt: exported.localSalt,
    };
    const remote: SrtpKeys = {
      profile: name,
      masterKey: exported.remoteKey,
      masterSalt: exported.remoteSalt,
    };
    const sender = createSrtcpSender(local);
    const receiver = createSrtcpReceiver(remote);
    return {
      rtp: createSrtpSender(local),
      protectRtcp: (packet) => sender.protect(packet),
      unprotectRtcp: (packet) => receiver.unprotect(packet),
    };
  }
}
