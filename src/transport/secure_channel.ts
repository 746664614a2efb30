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
import {
  DTLS_CONTENT,
  type DtlsRecord,
  formatDtlsRecord,
  splitDtlsRecords,
} from "./dtls_records.ts";
import { HandshakeGate } from "./handshake_gate.ts";
import { ReplayWindow } from "./replay_window.ts";
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
export type DtlsRejection =
  | "dtls_malformed"
  | "dtls_unexpected"
  | "dtls_flood"
  | "dtls_forged"
  | "dtls_replayed";

/**
 * What became of a DTLS datagram. `newest`: the browser sent it after all others that have come, so it is now where
 * that came from.
 */
export type DtlsVerdict = "taken" | "newest" | DtlsRejection;

/**
 * Handshake bytes that one viewer may send in all. A whole handshake is under 4 KiB; the rest is room for what is
 * repeated over a slow tunnel. Beyond it, what werift keeps of unfinished messages would grow without end, and each
 * ClientHello costs the event loop 0.8 ms.
 */
const HANDSHAKE_BYTES_MAX = 32 * 1024;

/** Sequence numbers of an epoch (RFC 6347 §4.1). */
const EPOCH_RECORDS = 2 ** 48;

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
  /** Of the records that have come under the browser's keys. */
  readonly #replay = new ReplayWindow();
  readonly #send: (packet: Uint8Array) => void;
  #handshakeBytes = 0;
  /** Highest sequence number of ours under the keys. */
  #sentSequence = 0;
  #closed = false;

  constructor(options: {
    certificate: ServerCertificate;
    remoteFingerprints: readonly Fingerprint[];
    send: (packet: Uint8Array) => void;
  }) {
    const connection = {
      onData: this.#incoming,
      send: (packet: Buffer) => {
        this.#noteSent(packet);
        if (!this.#closed) options.send(packet);
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    };
    this.#send = options.send;
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
      this.#continueNumbers();
      return this.#secureMedia();
    } catch (error) {
      throw new SecureChannelError("dtls_failed", `DTLS handshake failed: ${errorText(error)}`);
    }
  }

  /** Opens the data channel's half of this viewer, before the handshake. */
  openData(options: DataChannelOptions): DataChannel {
    return new DataChannel(this.#transport, options);
  }

  /** Encrypts application data and sends it. Before the handshake, and after {@link close}, it does nothing. */
  sendData(content: Uint8Array): void {
    const { dtls, state } = this.#transport;
    if (this.#closed || dtls === undefined || state !== "connected") return;
    const header = {
      contentType: DTLS_CONTENT.applicationData,
      protocolVersion: { major: 254, minor: 253 },
      epoch: 1,
      sequenceNumber: ++dtls.dtls.recordSequenceNumber,
      contentLen: content.length,
    };
    const packet = { recordLayerHeader: header, fragment: Buffer.from(content) };
    dtls.cipher.encryptPacket(packet as Parameters<CipherContext["encryptPacket"]>[0]);
    const { contentType, epoch, sequenceNumber } = header;
    this.#send(formatDtlsRecord({ contentType, epoch, sequenceNumber }, packet.fragment));
  }

  /** Calls back once when the browser closes the channel by an alert. */
  onClosed(closed: () => void): void {
    this.#onClosed = closed;
  }

  /**
   * Takes one DTLS datagram from an address of this viewer. It is copied. Where one of its records is dropped, that is
   * the verdict.
   */
  receive(packet: Uint8Array): DtlsVerdict {
    const records = splitDtlsRecords(packet);
    if (records === undefined) return "dtls_malformed";
    let verdict: DtlsVerdict = "taken";
    for (const record of records) {
      const each = this.#receiveRecord(record);
      if (each !== "taken") verdict = each;
    }
    return verdict;
  }

  /**
   * Takes a DTLS datagram from anywhere, if the browser's keys made all of it.
   * @returns Whether the browser sent it after all others that have come.
   */
  receiveStray(packet: Uint8Array): boolean {
    if (this.#transport.state !== "connected") return false;
    const records = splitDtlsRecords(packet) ?? [];
    const { applicationData } = DTLS_CONTENT;
    if (!records.every(({ contentType }) => contentType === applicationData)) return false;
    // The first is tried alone: what a stranger sends must not cost a decryption for each record of it.
    for (const record of records) if (this.#receiveRecord(record) !== "newest") return false;
    return records.length > 0;
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

  #receiveRecord(record: DtlsRecord): DtlsVerdict {
    if (this.#closed) return "taken";
    if (!this.#isExpected(record)) return "dtls_unexpected";
    const { contentType } = record;
    if (contentType === DTLS_CONTENT.alert || contentType === DTLS_CONTENT.applicationData) {
      return this.#receiveProtected(record);
    }
    if (contentType === DTLS_CONTENT.handshake) {
      this.#handshakeBytes += record.bytes.length;
      if (this.#handshakeBytes > HANDSHAKE_BYTES_MAX) return "dtls_flood";
      for (const ready of this.#gate.pass(record)) this.#incoming.execute(Buffer.from(ready));
      return "taken";
    }
    this.#incoming.execute(Buffer.from(record.bytes));
    return "taken";
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

  /**
   * Decrypts what the handshake's keys protect. werift would do so too, but takes a record as often as it is sent again
   * (RFC 6347 §4.1.2.6 wants it dropped), and an encrypted alert for a plaintext one where its nonce looks like one.
   */
  #receiveProtected(record: DtlsRecord): DtlsVerdict {
    const index = record.epoch * EPOCH_RECORDS + record.sequenceNumber;
    if (!this.#replay.isNew(index)) return "dtls_replayed";
    const content = this.#decrypt(record);
    if (content === undefined) return "dtls_forged";
    const newest = index > this.#replay.highest;
    this.#replay.add(index);
    if (record.contentType === DTLS_CONTENT.applicationData) {
      this.#deliver(content);
    } else if (content[0] === ALERT_FATAL || content[1] === ALERT_CLOSE_NOTIFY) {
      this.#onClosed();
    }
    return newest ? "newest" : "taken";
  }

  /** werift passes over what its SCTP cannot take, such as data behind the end of the association, and so do we. */
  #deliver(content: Buffer): void {
    try {
      this.#transport.dtls?.onData.execute(content);
    } catch {
      // The browser is there all the same.
    }
  }

  /** What a record carries; `undefined` when it is not authentic. */
  #decrypt(record: DtlsRecord): Buffer | undefined {
    const { contentType, version: protocolVersion, epoch, sequenceNumber, fragment } = record;
    const contentLen = fragment.length;
    try {
      return this.#transport.dtls?.cipher.decryptPacket(
        {
          recordLayerHeader: { contentType, protocolVersion, epoch, sequenceNumber, contentLen },
          fragment: Buffer.from(fragment),
        } as Parameters<CipherContext["decryptPacket"]>[0],
      );
    } catch {
      return undefined;
    }
  }

  #noteSent(packet: Uint8Array): void {
    for (const { epoch, sequenceNumber } of splitDtlsRecords(packet) ?? []) {
      if (epoch > 0) this.#sentSequence = Math.max(this.#sentSequence, sequenceNumber);
    }
  }

  /**
   * werift sends its Finished under the number that follows those of the plaintext records, then counts from 1. So one
   * of the first records after it would have the same number once more: browsers drop that as a replay, and the nonce
   * of AES-GCM, which is that number, would be used twice.
   */
  #continueNumbers(): void {
    const { dtls } = this.#transport;
    if (dtls !== undefined) dtls.dtls.recordSequenceNumber = this.#sentSequence;
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
