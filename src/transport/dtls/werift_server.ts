import { Buffer } from "node:buffer";
import {
  type CipherContext,
  type DtlsServer,
  Event,
  ProtectionProfileAeadAes128Gcm,
  ProtectionProfileAes128CmHmacSha1_80,
  type RTCCertificate,
  RTCDtlsFingerprint,
  RTCDtlsParameters,
  RTCDtlsTransport,
  type RTCIceTransport,
} from "werift";
import type { Fingerprint } from "../../sdp/model.ts";
import {
  DTLS_CONTENT,
  type DtlsRecord,
  formatDtlsRecord,
  splitDtlsRecords,
} from "./dtls_records.ts";
import type { SrtpKeys } from "../rtp/srtp_keys.ts";
import type { HandshakeEngine } from "./client_handshake.ts";
import { GROUP } from "./negotiation.ts";

/** Value of werift's flight counter that stops all retransmissions. */
const LAST_FLIGHT = Number.POSITIVE_INFINITY;

const DTLS_1_2 = { major: 254, minor: 253 } as const;
/** A client without later versions may drop a record with a later version. */
const DTLS_1_0 = { major: 254, minor: 255 } as const;

export interface WeriftServerOptions {
  readonly certificate: RTCCertificate;
  readonly remoteFingerprints: readonly Fingerprint[];
  readonly send: (packet: Uint8Array) => void;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
}

/**
 * werift's DTLS server as the engine of one handshake, and its ciphers afterwards. Pass only validated input: werift
 * trusts lengths, and restarts on any ClientHello.
 */
export class WeriftServer implements HandshakeEngine {
  readonly #transport: RTCDtlsTransport;
  readonly #incoming = new Event<[Buffer]>();
  readonly #options: WeriftServerOptions;
  readonly #flight = new LastFlight();

  constructor(options: WeriftServerOptions) {
    this.#options = options;
    const connection = {
      onData: this.#incoming,
      send: (packet: Buffer) => {
        this.#leaves(packet);
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    };
    // The part of an ICE transport that werift's DTLS uses; our own agent does the rest.
    const ice = {
      connection,
      role: "controlled",
      state: "connected",
      stop: () => Promise.resolve(),
    };
    this.#transport = new RTCDtlsTransport(
      {} as ConstructorParameters<typeof RTCDtlsTransport>[0],
      ice as unknown as RTCIceTransport,
      options.certificate,
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

  /** Whether the handshake is done. */
  get isConnected(): boolean {
    return this.#transport.state === "connected";
  }

  get cookie(): Uint8Array | undefined {
    return this.#server?.dtls.cookie;
  }

  get masterSecret(): Uint8Array | undefined {
    return this.#server?.cipher.masterSecret;
  }

  /** Waits for the end of the handshake. Rejects with whatever werift throws. */
  async start(): Promise<void> {
    const connected = this.#transport.start();
    // A client without a list of groups accepts any (RFC 8422 §4), but werift would select none.
    if (this.#server !== undefined) this.#server.cipher.namedCurve = GROUP.secp256r1;
    await connected;
    this.#flight.end();
  }

  pass(record: Uint8Array, answers: "none" | "now" | "later"): void {
    if (answers !== "none") this.#flight.begin();
    this.#incoming.execute(Buffer.from(record));
    if (answers === "now") this.#flight.end();
  }

  repeat(): void {
    for (const packet of this.#flight.repeat(this.#options.nowMs())) this.#options.send(packet);
  }

  transcript(): Uint8Array {
    const messages = this.#server?.dtls.sortedHandshakeCache ?? [];
    return Buffer.concat(messages.map((message) => message.serialize()));
  }

  decrypt(record: DtlsRecord): Buffer | undefined {
    const { contentType, version: protocolVersion, epoch, sequenceNumber, fragment } = record;
    const contentLen = fragment.length;
    try {
      return this.#server?.cipher.decryptPacket(
        {
          recordLayerHeader: { contentType, protocolVersion, epoch, sequenceNumber, contentLen },
          fragment: Buffer.from(fragment),
        } as Parameters<CipherContext["decryptPacket"]>[0],
      );
    } catch {
      return undefined;
    }
  }

  /** Sends an alert: encrypted once the server's keys are in use, before that also readable for a DTLS 1.0 client. */
  sendAlert(level: number, description: number): void {
    const dtls = this.#server?.dtls;
    if (dtls === undefined) return;
    const content = Uint8Array.of(level, description);
    const contentType = DTLS_CONTENT.alert;
    if (dtls.epoch > 0) return this.sendProtected(contentType, content);
    const sequenceNumber = ++dtls.recordSequenceNumber;
    const record = formatDtlsRecord({ contentType, epoch: 0, sequenceNumber }, content);
    record.set([DTLS_1_0.major, DTLS_1_0.minor], 1);
    this.#options.send(record);
  }

  /** Encrypts and sends a record; does nothing before there are keys. */
  sendProtected(contentType: number, content: Uint8Array): void {
    const server = this.#server;
    if (server === undefined || server.dtls.epoch === 0) return;
    const header = {
      contentType,
      protocolVersion: DTLS_1_2,
      epoch: server.dtls.epoch,
      sequenceNumber: ++server.dtls.recordSequenceNumber,
      contentLen: content.length,
    };
    const packet = { recordLayerHeader: header, fragment: Buffer.from(content) };
    server.cipher.encryptPacket(packet as Parameters<CipherContext["encryptPacket"]>[0]);
    this.#options.send(formatDtlsRecord(header, packet.fragment));
  }

  /** Keys for SRTP (RFC 5764 §4.2). @throws Before the end of the handshake. */
  exportKeys(): { readonly local: SrtpKeys; readonly remote: SrtpKeys } {
    const server = this.#server;
    const number = server?.srtp.srtpProfile;
    if (server === undefined || number === undefined) throw new Error("no SRTP profile in common");
    const isGcm = number === ProtectionProfileAeadAes128Gcm;
    const profile = isGcm ? "aead_aes_128_gcm" : "aes_cm_128_hmac_sha1_80";
    const exported = server.extractSessionKeys(16, isGcm ? 12 : 14);
    return {
      local: { profile, masterKey: exported.localKey, masterSalt: exported.localSalt },
      remote: { profile, masterKey: exported.remoteKey, masterSalt: exported.remoteSalt },
    };
  }

  /** Stops all activity of werift. Idempotent. */
  stop(): void {
    this.#incoming.complete();
    // werift repeats a flight for half a minute unless a later one was reached.
    const dtls = this.#server?.dtls;
    if (dtls !== undefined) dtls.flight = LAST_FLIGHT as typeof dtls.flight;
    this.#transport.stop().catch(() => {});
  }

  get #server(): DtlsServer | undefined {
    return this.#transport.dtls as DtlsServer | undefined;
  }

  #leaves(packet: Buffer): void {
    const [record] = splitDtlsRecords(packet) ?? [];
    const dtls = this.#server?.dtls;
    // After its Finished werift would reuse that record's sequence number 0: browsers drop the second as a replay, and
    // the AES-GCM nonce, which is that number, would be used twice.
    if (record?.contentType === DTLS_CONTENT.handshake && record.epoch > 0 && dtls !== undefined) {
      dtls.recordSequenceNumber = record.sequenceNumber;
    }
    this.#flight.note(packet);
    this.#options.send(packet);
  }
}

/** Maximum datagrams of one flight of the server: ServerHello to ServerHelloDone are five. */
const DATAGRAMS_MAX = 8;

/** Minimum milliseconds between two repetitions: clients' timers start at 50 ms. */
const REPEAT_MS_MIN = 40;

/** Maximum repetitions for one viewer: a doubling timer reaches its maximum, a minute, after eleven. */
const REPEATS_MAX = 32;

/**
 * The last flight of the server. A client that repeats its own flight has not received it, and gets it again (RFC 6347
 * §4.2.4). Pure: it owns no socket and no clock.
 */
class LastFlight {
  #datagrams: Uint8Array[] = [];
  #isOpen = false;
  #repeatedAtMs = Number.NEGATIVE_INFINITY;
  #repeats = 0;

  /** A new flight begins: the previous one was received. */
  begin(): void {
    this.#datagrams = [];
    this.#isOpen = true;
  }

  /** The flight is complete; later datagrams do not belong to it. */
  end(): void {
    this.#isOpen = false;
  }

  /** Records a sent datagram; it is copied. */
  note(datagram: Uint8Array): void {
    if (!this.#isOpen || this.#datagrams.length >= DATAGRAMS_MAX) return;
    this.#datagrams.push(Uint8Array.from(datagram));
  }

  /** The client repeated its flight. @returns The datagrams to send again; empty if they were just sent. */
  repeat(nowMs: number): readonly Uint8Array[] {
    if (nowMs - this.#repeatedAtMs < REPEAT_MS_MIN || this.#repeats >= REPEATS_MAX) return [];
    this.#repeatedAtMs = nowMs;
    this.#repeats++;
    return this.#datagrams;
  }
}
