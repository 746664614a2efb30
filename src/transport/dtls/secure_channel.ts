import { type RTCCertificate, RTCDtlsTransport } from "werift";
import { type Clock, SYSTEM_CLOCK } from "../../base/clock.ts";
import { AppError, errorText } from "../../base/errors.ts";
import type { Fingerprint } from "../../sdp/model.ts";
import { ALERT, ALERT_LEVEL, type DtlsFault, dtlsFault } from "./alert.ts";
import { ClientHandshake, type HandshakeVerdict } from "./client_handshake.ts";
import { WeriftServer } from "./werift_server.ts";
import { DTLS_CONTENT, type DtlsRecord, splitDtlsRecords } from "./dtls_records.ts";
import { ReplayWindow } from "../rtp/replay_window.ts";
import { type AuthenticRtcp, createSrtcpReceiver, createSrtcpSender } from "../rtp/srtcp.ts";
import { createSrtpSender, type SrtpSender } from "../rtp/srtp.ts";

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

/** The epoch of the keys that a handshake makes (RFC 6347 §4.1); there is no second handshake. */
const PROTECTED_EPOCH = 1;

/**
 * The DTLS server of one viewer (RFC 8842 with `a=setup:passive`: the browser speaks first, which saves the round trip
 * of waiting for our ClientHello). werift does the handshake, of messages that were read here first; datagrams come in
 * by `receive` and leave by `send`.
 */
export class SecureChannel {
  readonly #server: WeriftServer;
  readonly #handshake: ClientHandshake;
  readonly #fault = Promise.withResolvers<never>();
  #onClosed: () => void = () => {};
  #onData: (content: Uint8Array) => void = () => {};
  /** Of the records that have come under the browser's keys. */
  readonly #replay = new ReplayWindow();
  #handshakeBytes = 0;
  #state: "open" | "failed" | "closed" = "open";

  constructor(options: {
    certificate: ServerCertificate;
    remoteFingerprints: readonly Fingerprint[];
    send: (packet: Uint8Array) => void;
    /** Default: the host's. */
    clock?: Clock;
  }) {
    const { certificate: { certificate }, remoteFingerprints, send, clock = SYSTEM_CLOCK } =
      options;
    this.#server = new WeriftServer({
      certificate,
      remoteFingerprints,
      send: (packet) => {
        if (this.#state !== "closed") send(packet);
      },
      nowMs: () => clock.now(),
    });
    this.#handshake = new ClientHandshake({
      fingerprints: remoteFingerprints,
      engine: this.#server,
    });
    // Without anybody who waits for the handshake its failure is nothing to report.
    this.#fault.promise.catch(() => {});
  }

  /**
   * Waits for the browser's handshake and checks its certificate against the offer's fingerprints. A browser that cannot
   * be served is told why by an alert.
   * @throws {SecureChannelError}
   */
  async establish(): Promise<SecureMedia> {
    try {
      await Promise.race([this.#server.start(), this.#fault.promise]);
      return this.#secureMedia();
    } catch (error) {
      if (error instanceof SecureChannelError) throw error;
      this.#fail(dtlsFault("internal_error", errorText(error)));
      return await this.#fault.promise;
    }
  }

  /** Calls back with each piece of application data that is authentic and new. It is only valid until the call returns. */
  onData(received: (content: Uint8Array) => void): void {
    this.#onData = received;
  }

  /** Encrypts application data and sends it. Before the handshake, and after {@link close}, it does nothing. */
  sendData(content: Uint8Array): void {
    if (this.#state === "open" && this.#server.isConnected) {
      this.#server.sendProtected(DTLS_CONTENT.applicationData, content);
    }
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
    if (!this.#server.isConnected) return false;
    const records = splitDtlsRecords(packet) ?? [];
    const { applicationData } = DTLS_CONTENT;
    if (!records.every(({ contentType }) => contentType === applicationData)) return false;
    // The first is tried alone: what a stranger sends must not cost a decryption for each record of it.
    for (const record of records) if (this.#receiveRecord(record) !== "newest") return false;
    return records.length > 0;
  }

  /** Ends the channel, and says so to the browser: one datagram (RFC 5246 §7.2.1). Idempotent. */
  close(): void {
    if (this.#state === "closed") return;
    if (this.#state !== "failed" && this.#server.isConnected) {
      this.#server.sendAlert(ALERT_LEVEL.warning, ALERT.close_notify);
    }
    this.#state = "closed";
    this.#server.stop();
  }

  #receiveRecord(record: DtlsRecord): DtlsVerdict {
    if (this.#state === "closed") return "taken";
    if (this.#state === "failed" || !this.#isExpected(record)) return "dtls_unexpected";
    switch (record.contentType) {
      case DTLS_CONTENT.handshake:
        return this.#receiveHandshake(record);
      case DTLS_CONTENT.changeCipherSpec:
        // Which keys a record is under stands in its epoch; this says no more, and may be lost or repeated.
        return "taken";
      default:
        return this.#receiveProtected(record);
    }
  }

  /**
   * Whoever can write the viewer's address on a datagram could end its stream with one plaintext record, if such a
   * record counted once there are keys. An alert never does before: nobody can tell whose it is. A browser that starts
   * over makes a new offer.
   */
  #isExpected({ contentType, epoch, fragment }: DtlsRecord): boolean {
    switch (contentType) {
      case DTLS_CONTENT.handshake:
        return epoch === PROTECTED_EPOCH || (epoch === 0 && !this.#server.isConnected);
      case DTLS_CONTENT.changeCipherSpec:
        return epoch === 0 && !this.#server.isConnected && fragment.length === 1 &&
          fragment[0] === 1;
      case DTLS_CONTENT.alert:
      case DTLS_CONTENT.applicationData:
        return epoch === PROTECTED_EPOCH && this.#server.isConnected;
      default:
        return false;
    }
  }

  #receiveHandshake(record: DtlsRecord): DtlsVerdict {
    this.#handshakeBytes += record.bytes.length;
    if (this.#handshakeBytes > HANDSHAKE_BYTES_MAX) return "dtls_flood";
    const verdict: HandshakeVerdict = this.#handshake.take(record);
    if (typeof verdict === "string") return verdict;
    this.#fail(verdict);
    return "taken";
  }

  /**
   * Decrypts what the handshake's keys protect. werift would do so too, but takes a record as often as it is sent again
   * (RFC 6347 §4.1.2.6 wants it dropped), and an encrypted alert for a plaintext one where its nonce looks like one.
   */
  #receiveProtected(record: DtlsRecord): DtlsVerdict {
    const { sequenceNumber } = record;
    if (!this.#replay.isNew(sequenceNumber)) return "dtls_replayed";
    const content = this.#server.decrypt(record);
    if (content === undefined) return "dtls_forged";
    const newest = sequenceNumber > this.#replay.highest;
    this.#replay.add(sequenceNumber);
    if (record.contentType === DTLS_CONTENT.applicationData) {
      this.#onData(content);
    } else if (isEnd(content)) {
      this.#onClosed();
    }
    return newest ? "newest" : "taken";
  }

  /** Ends the handshake, and says why to the browser: one datagram. */
  #fail({ alert, message }: DtlsFault): void {
    if (this.#state !== "open") return;
    this.#server.sendAlert(ALERT_LEVEL.fatal, ALERT[alert]);
    this.#state = "failed";
    this.#server.stop();
    this.#fault.reject(
      new SecureChannelError("dtls_failed", `DTLS handshake failed: ${message} (alert ${alert})`),
    );
  }

  #secureMedia(): SecureMedia {
    const { local, remote } = this.#server.exportKeys();
    const sender = createSrtcpSender(local);
    const receiver = createSrtcpReceiver(remote);
    return {
      rtp: createSrtpSender(local),
      protectRtcp: (packet) => sender.protect(packet),
      unprotectRtcp: (packet) => receiver.unprotect(packet),
    };
  }
}

/** Whether the browser ends the channel with what its alert carries (RFC 5246 §7.2). */
function isEnd(alert: Uint8Array): boolean {
  if (alert.length !== 2) return false;
  return alert[0] === ALERT_LEVEL.fatal || alert[1] === ALERT.close_notify;
}
