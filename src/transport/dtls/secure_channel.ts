import { type Clock, SYSTEM_CLOCK } from "../../base/clock.ts";
import { AppError, errorText } from "../../base/errors.ts";
import type { Fingerprint } from "../../sdp/model.ts";
import { ALERT, ALERT_LEVEL, type DtlsFault, dtlsFault } from "./alert.ts";
import { ClientHandshake, type HandshakeVerdict } from "./client_handshake.ts";
import type { ServerCertificate } from "./server_certificate.ts";
import { ServerHandshake } from "./server_handshake.ts";
import { DTLS_CONTENT, type DtlsRecord, splitDtlsRecords } from "./dtls_records.ts";
import { ReplayWindow } from "../rtp/replay_window.ts";
import { type AuthenticRtcp, createSrtcpReceiver, createSrtcpSender } from "../rtp/srtcp.ts";
import { createSrtpSender, type SrtpSender } from "../rtp/srtp.ts";

/** The DTLS handshake failed. */
export class SecureChannelError extends AppError<"dtls_failed"> {}

/** SRTP and SRTCP with the keys of one viewer. */
export interface SecureMedia {
  readonly rtp: SrtpSender;
  /** Encrypts a compound RTCP packet. */
  protectRtcp(packet: Uint8Array): Uint8Array;
  /** Decrypts a compound RTCP packet; `undefined` if it is not authentic or a replay. */
  unprotectRtcp(packet: Uint8Array): AuthenticRtcp | undefined;
}

/** Why a DTLS datagram or one of its records was dropped; a short name for metrics. */
export type DtlsRejection =
  | "dtls_malformed"
  | "dtls_unexpected"
  | "dtls_flood"
  | "dtls_forged"
  | "dtls_replayed";

/**
 * Result of a DTLS datagram. `newest`: the browser sent it after all others received so far, so the browser is now at
 * its source address.
 */
export type DtlsVerdict = "taken" | "newest" | DtlsRejection;

/**
 * Total handshake bytes of one viewer. A whole handshake is below 4 KiB; the rest is for retransmissions over a slow
 * tunnel. The limit bounds what is kept of incomplete messages, and the work that each ClientHello costs the event
 * loop.
 */
const HANDSHAKE_BYTES_MAX = 32 * 1024;

/** The epoch of the handshake's keys (RFC 6347 §4.1); there is no second handshake. */
const PROTECTED_EPOCH = 1;

/**
 * The DTLS server of one viewer (RFC 8842 with `a=setup:passive`: the browser sends the first message, which saves a
 * round trip). Datagrams come in through `receive` and are sent through `send`.
 */
export class SecureChannel {
  readonly #server: ServerHandshake;
  readonly #handshake: ClientHandshake;
  readonly #fault = Promise.withResolvers<never>();
  #onClosed: () => void = () => {};
  #onData: (content: Uint8Array) => void = () => {};
  /** For records under the browser's keys. */
  readonly #replay = new ReplayWindow();
  #handshakeBytes = 0;
  #state: "open" | "failed" | "closed" = "open";

  constructor(options: {
    certificate: ServerCertificate;
    remoteFingerprints: readonly Fingerprint[];
    send: (packet: Uint8Array) => void;
    /** Default: the host's clock. */
    clock?: Clock;
  }) {
    const { certificate, remoteFingerprints, send, clock = SYSTEM_CLOCK } = options;
    this.#server = new ServerHandshake({
      certificate,
      send: (packet) => {
        if (this.#state !== "closed") send(packet);
      },
      nowMs: () => clock.now(),
    });
    this.#handshake = new ClientHandshake({
      fingerprints: remoteFingerprints,
      engine: this.#server,
    });
    // A failed handshake that no caller awaits must not be reported as unhandled.
    this.#fault.promise.catch(() => {});
  }

  /**
   * Waits for the browser's handshake and checks its certificate against the offer's fingerprints. On failure sends
   * the browser an alert with the reason.
   * @throws {SecureChannelError}
   */
  async establish(): Promise<SecureMedia> {
    await Promise.race([this.#server.connected, this.#fault.promise]);
    return this.#secureMedia();
  }

  /**
   * Sets the handler of application data that is authentic and not a replay. The data is only valid until the handler
   * returns.
   */
  onData(received: (content: Uint8Array) => void): void {
    this.#onData = received;
  }

  /** Encrypts and sends application data. Does nothing before the handshake and after {@link close}. */
  sendData(content: Uint8Array): void {
    if (this.#state === "open" && this.#server.isConnected) {
      this.#server.sendProtected(DTLS_CONTENT.applicationData, content);
    }
  }

  /** Sets the handler that is called once when the browser closes the channel with an alert. */
  onClosed(closed: () => void): void {
    this.#onClosed = closed;
  }

  /**
   * Processes one DTLS datagram from an address of this viewer. It is copied. If one of its records is dropped, that
   * is the result.
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
   * Processes a DTLS datagram from an unknown address, if all of it is authentic.
   * @returns Whether the browser sent it after all others received so far.
   */
  receiveStray(packet: Uint8Array): boolean {
    if (!this.#server.isConnected) return false;
    const records = splitDtlsRecords(packet) ?? [];
    const { applicationData } = DTLS_CONTENT;
    if (!records.every(({ contentType }) => contentType === applicationData)) return false;
    // Stop at the first failure: an attacker's datagram must not cost a decryption per record.
    for (const record of records) if (this.#receiveRecord(record) !== "newest") return false;
    return records.length > 0;
  }

  /** Ends the channel and sends close_notify, one datagram (RFC 5246 §7.2.1). Idempotent. */
  close(): void {
    if (this.#state === "closed") return;
    if (this.#state !== "failed" && this.#server.isConnected) {
      this.#server.sendAlert(ALERT_LEVEL.warning, ALERT.close_notify);
    }
    this.#state = "closed";
  }

  #receiveRecord(record: DtlsRecord): DtlsVerdict {
    if (this.#state === "closed") return "taken";
    if (this.#state === "failed" || !this.#isExpected(record)) return "dtls_unexpected";
    switch (record.contentType) {
      case DTLS_CONTENT.handshake:
        return this.#receiveHandshake(record);
      case DTLS_CONTENT.changeCipherSpec:
        // The epoch of a record already tells its keys, so this message is redundant, and may be lost or repeated.
        return "taken";
      default:
        return this.#receiveProtected(record);
    }
  }

  /**
   * Once there are keys, plaintext records are ignored: an attacker who forges the viewer's address could end its
   * stream with one. Plaintext alerts are always ignored, because their sender is unknown. A browser that starts over
   * makes a new offer.
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
    const verdict = this.#tryHandshake(record);
    if (typeof verdict === "string") return verdict;
    this.#fail(verdict);
    return "taken";
  }

  /** A defect in our cryptography ends one handshake, and the browser is told. */
  #tryHandshake(record: DtlsRecord): HandshakeVerdict {
    try {
      return this.#handshake.take(record);
    } catch (error) {
      return dtlsFault("internal_error", errorText(error));
    }
  }

  /** Decrypts records under the handshake's keys, each once (RFC 6347 §4.1.2.6). */
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

  /** Ends the handshake and sends the browser an alert, one datagram. */
  #fail({ alert, message }: DtlsFault): void {
    if (this.#state !== "open") return;
    this.#server.sendAlert(ALERT_LEVEL.fatal, ALERT[alert]);
    this.#state = "failed";
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

/** Whether an alert ends the channel (RFC 5246 §7.2). */
function isEnd(alert: Uint8Array): boolean {
  if (alert.length !== 2) return false;
  return alert[0] === ALERT_LEVEL.fatal || alert[1] === ALERT.close_notify;
}
