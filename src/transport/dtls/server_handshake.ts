import { createSign, randomBytes } from "node:crypto";
import { concatBytes } from "../../base/bytes.ts";
import type { SrtpKeys } from "../rtp/srtp_keys.ts";
import type { ClientHello } from "./client_hello.ts";
import type { HandshakeEngine } from "./client_handshake.ts";
import { DTLS_CONTENT, type DtlsRecord, formatDtlsRecord } from "./dtls_records.ts";
import { formatMessage } from "./handshake_message.ts";
import { createKeyExchange, type KeyExchange } from "./key_exchange.ts";
import {
  type BothWays,
  deriveMasterSecret,
  deriveRecordKeys,
  exportSrtpKeys,
  type Randoms,
  verifyData,
} from "./key_schedule.ts";
import type { Agreement } from "./negotiation.ts";
import { RecordCipher } from "./record_cipher.ts";
import type { ServerCertificate } from "./server_certificate.ts";
import {
  formatCertificate,
  formatCertificateRequest,
  formatKeyParameters,
  formatServerHello,
  formatServerKeyExchange,
  SERVER_MESSAGE,
} from "./server_flights.ts";

const RANDOM_BYTES = 32;

/** Minimum milliseconds between two repetitions: clients' timers start at 50 ms. */
const REPEAT_MS_MIN = 40;

/** Maximum repetitions for one viewer: a doubling timer reaches its maximum, a minute, after eleven. */
const REPEATS_MAX = 32;

/** Version of a record that a client without later versions reads, too. */
const DTLS_1_0 = [0xfe, 0xff] as const;

export interface ServerHandshakeOptions {
  readonly certificate: ServerCertificate;
  readonly send: (datagram: Uint8Array) => void;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
}

/** What the handshake has agreed on so far. */
interface Secrets {
  readonly agreement: Agreement;
  readonly randoms: Randoms;
  readonly exchange: KeyExchange;
  masterSecret?: Uint8Array;
  cipher?: RecordCipher;
}

/**
 * The server's side of one DTLS 1.2 handshake (RFC 6347 §4.2), and its records afterwards: ECDHE with an ECDSA
 * certificate, AES-128-GCM, SRTP. It answers messages that {@link ClientHandshake} has validated, and has no timer: each
 * of its flights answers one of the client, which repeats that one until it has the answer.
 *
 * It asks for no cookie (RFC 6347 §4.2.1), which costs a round trip: what may be sent to an address that has not
 * consented is limited, and only a client with ICE's credentials gets here.
 */
export class ServerHandshake implements HandshakeEngine {
  readonly #options: ServerHandshakeOptions;
  readonly #flight = new LastFlight();
  readonly #connected = Promise.withResolvers<void>();
  /** Handshake messages of both sides that Finished covers (RFC 6347 §4.2.6). */
  #transcript: Uint8Array[] = [];
  #secrets: Secrets | undefined;
  #nextMessage = 0;
  /** Numbers of the next record in the clear, and of the next that is encrypted: none is used twice. */
  #nextClear = 0;
  #nextSealed = 0;
  #isConnected = false;

  constructor(options: ServerHandshakeOptions) {
    this.#options = options;
  }

  /** Whether the handshake is done. */
  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Settles when the handshake is done. */
  get connected(): Promise<void> {
    return this.#connected.promise;
  }

  get masterSecret(): Uint8Array | undefined {
    return this.#secrets?.masterSecret;
  }

  transcript(): Uint8Array {
    return concatBytes(...this.#transcript);
  }

  answerHello(message: Uint8Array, hello: ClientHello, agreement: Agreement): void {
    const randoms = { client: hello.random.slice(), server: randomBytes(RANDOM_BYTES) };
    const exchange = createKeyExchange(agreement.group);
    this.#secrets = { agreement, randoms, exchange };
    const parameters = formatKeyParameters(agreement.group, exchange.publicKey);
    const { certificate } = this.#options;
    const signature = createSign("sha256").update(randoms.client).update(randoms.server)
      .update(parameters).sign(certificate.privateKey);
    const answers = [
      this.#number(
        SERVER_MESSAGE.serverHello,
        formatServerHello(hello, { agreement, random: randoms.server }),
      ),
      this.#number(SERVER_MESSAGE.certificate, formatCertificate(certificate.der)),
      this.#number(
        SERVER_MESSAGE.serverKeyExchange,
        formatServerKeyExchange(parameters, signature),
      ),
      this.#number(SERVER_MESSAGE.certificateRequest, formatCertificateRequest()),
      this.#number(SERVER_MESSAGE.serverHelloDone, new Uint8Array(0)),
    ];
    this.#transcript = [message, ...answers];
    this.#sendFlight(answers.map((answer) => this.#clear(DTLS_CONTENT.handshake, answer)));
  }

  note(message: Uint8Array): void {
    this.#transcript.push(message);
  }

  exchangeKeys(clientKey: Uint8Array): void {
    const secrets = this.#agreed();
    const { agreement, randoms, exchange } = secrets;
    const source = agreement.extendedMasterSecret ? { transcript: this.transcript() } : randoms;
    secrets.masterSecret = deriveMasterSecret(exchange.sharedSecret(clientKey), source);
    secrets.cipher = new RecordCipher(deriveRecordKeys(secrets.masterSecret, randoms));
  }

  finish(message: Uint8Array): void {
    const { masterSecret } = this.#agreed();
    if (masterSecret === undefined) throw new Error("There are no keys before ClientKeyExchange");
    this.note(message.slice());
    const body = verifyData("server", { masterSecret, transcript: this.transcript() });
    const finished = this.#number(SERVER_MESSAGE.finished, body);
    this.#sendFlight([
      this.#clear(DTLS_CONTENT.changeCipherSpec, Uint8Array.of(1)),
      this.#seal(DTLS_CONTENT.handshake, finished),
    ]);
    this.#isConnected = true;
    this.#connected.resolve();
  }

  repeat(): void {
    const datagram = this.#flight.repeat(this.#options.nowMs());
    if (datagram !== undefined) this.#options.send(datagram);
  }

  decrypt(record: DtlsRecord): Uint8Array | undefined {
    return this.#secrets?.cipher?.open(record);
  }

  /** Sends an alert: encrypted once the handshake is done, before that also readable for a DTLS 1.0 client. */
  sendAlert(level: number, description: number): void {
    const content = Uint8Array.of(level, description);
    if (this.#isConnected) return this.sendProtected(DTLS_CONTENT.alert, content);
    const record = this.#clear(DTLS_CONTENT.alert, content);
    record.set(DTLS_1_0, 1);
    this.#options.send(record);
  }

  /** Encrypts and sends a record; does nothing before the handshake is done. */
  sendProtected(contentType: number, content: Uint8Array): void {
    if (this.#isConnected) this.#options.send(this.#seal(contentType, content));
  }

  /** Keys for SRTP (RFC 5764 §4.2). @throws Before the keys were exchanged. */
  exportKeys(): BothWays<SrtpKeys> {
    const { masterSecret, randoms, agreement } = this.#agreed();
    if (masterSecret === undefined) throw new Error("There are no keys before ClientKeyExchange");
    const profile = agreement.srtpProfile === 7 ? "aead_aes_128_gcm" : "aes_cm_128_hmac_sha1_80";
    return exportSrtpKeys(masterSecret, { randoms, profile });
  }

  #agreed(): Secrets {
    if (this.#secrets === undefined) throw new Error("Nothing is agreed before ClientHello");
    return this.#secrets;
  }

  #number(type: number, body: Uint8Array): Uint8Array {
    return formatMessage({ type, sequence: this.#nextMessage++, body });
  }

  #clear(contentType: number, content: Uint8Array): Uint8Array {
    return formatDtlsRecord({ contentType, epoch: 0, sequenceNumber: this.#nextClear++ }, content);
  }

  #seal(contentType: number, content: Uint8Array): Uint8Array {
    const { cipher } = this.#agreed();
    if (cipher === undefined) throw new Error("There are no keys before ClientKeyExchange");
    return cipher.seal({ contentType, epoch: 1, sequenceNumber: this.#nextSealed++ }, content);
  }

  /** The records of a flight fit into one datagram. */
  #sendFlight(records: readonly Uint8Array[]): void {
    const datagram = concatBytes(...records);
    this.#flight.replace(datagram);
    this.#options.send(datagram);
  }
}

/**
 * The last flight of the server. A client that repeats its own flight has not received it, and gets it again (RFC 6347
 * §4.2.4). Pure: it owns no socket and no clock.
 */
class LastFlight {
  #datagram: Uint8Array | undefined;
  #repeatedAtMs = Number.NEGATIVE_INFINITY;
  #repeats = 0;

  /** A new flight is sent: the previous one was received. */
  replace(datagram: Uint8Array): void {
    this.#datagram = datagram;
  }

  /** The client repeated its flight. @returns The datagram to send again; `undefined` if it was just sent. */
  repeat(nowMs: number): Uint8Array | undefined {
    if (nowMs - this.#repeatedAtMs < REPEAT_MS_MIN || this.#repeats >= REPEATS_MAX) {
      return undefined;
    }
    this.#repeatedAtMs = nowMs;
    this.#repeats++;
    return this.#datagram;
  }
}
