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

/** What werift believes of the far end when nothing is to be sent again any more. */
const LAST_FLIGHT = Number.POSITIVE_INFINITY;

const DTLS_1_2 = { major: 254, minor: 253 } as const;
/** A client that knows no other version may drop a record of a later one. */
const DTLS_1_0 = { major: 254, minor: 255 } as const;

/** What a {@link WeriftServer} is made of. */
export interface WeriftServerOptions {
  readonly certificate: RTCCertificate;
  readonly remoteFingerprints: readonly Fingerprint[];
  readonly send: (packet: Uint8Array) => void;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
}

/**
 * werift's DTLS server as the engine of one handshake, and its ciphers after it. Only what was read and found sound may
 * come here: werift trusts lengths, and starts over on any ClientHello.
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

  /** Whether the handshake has come to its end. */
  get isConnected(): boolean {
    return this.#transport.state === "connected";
  }

  get cookie(): Uint8Array | undefined {
    return this.#server?.dtls.cookie;
  }

  get masterSecret(): Uint8Array | undefined {
    return this.#server?.cipher.masterSecret;
  }

  /** Waits for the handshake's end. It rejects with whatever werift throws. */
  async start(): Promise<void> {
    const connected = this.#transport.start();
    // A client that names no groups takes any (RFC 8422 §4), and werift would take none.
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

  /** Sends an alert: encrypted once the server's keys are in use, and readable for a client of DTLS 1.0 before. */
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

  /** Encrypts what a record is to carry, and sends it; nothing before there are keys. */
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

  /** Keys for SRTP (RFC 5764 §4.2), ours first. @throws Before the handshake's end. */
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

  /** Ends whatever werift would still do. Idempotent. */
  stop(): void {
    this.#incoming.complete();
    // werift repeats a flight for half a minute unless it believes that a later one was reached.
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
    // werift counts on from 0 behind its Finished, and would use that record's number once more: browsers drop that as a
    // replay, and the nonce of AES-GCM, which is that number, would be used twice.
    if (record?.contentType === DTLS_CONTENT.handshake && record.epoch > 0 && dtls !== undefined) {
      dtls.recordSequenceNumber = record.sequenceNumber;
    }
    this.#flight.note(packet);
    this.#options.send(packet);
  }
}

/** Datagrams that one flight of the server has at most: ServerHello to ServerHelloDone are five. */
const DATAGRAMS_MAX = 8;

/** Milliseconds between two repetitions: the timers of clients begin at 50 ms. */
const REPEAT_MS_MIN = 40;

/** Repetitions for one viewer in all: timers that double reach their longest, a minute, after eleven. */
const REPEATS_MAX = 32;

/**
 * What this server sent last. A client that repeats its own flight has not seen it, and gets it again (RFC 6347 §4.2.4).
 * Pure: it owns no socket and no clock.
 */
class LastFlight {
  #datagrams: Uint8Array[] = [];
  #isOpen = false;
  #repeatedAtMs = Number.NEGATIVE_INFINITY;
  #repeats = 0;

  /** Another flight begins: the former one has come through. */
  begin(): void {
    this.#datagrams = [];
    this.#isOpen = true;
  }

  /** The flight is whole; what leaves now is something else. */
  end(): void {
    this.#isOpen = false;
  }

  /** Notes a datagram that leaves; it is copied. */
  note(datagram: Uint8Array): void {
    if (!this.#isOpen || this.#datagrams.length >= DATAGRAMS_MAX) return;
    this.#datagrams.push(Uint8Array.from(datagram));
  }

  /** The client repeats its flight. @returns What to send again; nothing when that has just been sent. */
  repeat(nowMs: number): readonly Uint8Array[] {
    if (nowMs - this.#repeatedAtMs < REPEAT_MS_MIN || this.#repeats >= REPEATS_MAX) return [];
    this.#repeatedAtMs = nowMs;
    this.#repeats++;
    return this.#datagrams;
  }
}
