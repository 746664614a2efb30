import { type Gcm, GCM_IV_BYTES, GCM_TAG_BYTES } from "../rtp/ciphers.ts";
import { CIPHERS } from "../rtp/native_ciphers.ts";
import { DTLS_VERSION, type DtlsRecord, formatDtlsRecord } from "./dtls_records.ts";
import type { BothWays, WriteKeys } from "./key_schedule.ts";

/** The part of the nonce that each record contains (RFC 5288 §3). */
const EXPLICIT_BYTES = 8;
const ASSOCIATED_BYTES = 13;

/** Encrypts and decrypts records by AES-128-GCM (RFC 6347 §4.1.2, RFC 5288). It remembers no numbers. */
export class RecordCipher {
  readonly #local: { readonly gcm: Gcm; readonly salt: Uint8Array };
  readonly #remote: { readonly gcm: Gcm; readonly salt: Uint8Array };

  constructor({ local, remote }: BothWays<WriteKeys>) {
    this.#local = { gcm: CIPHERS.gcm(local.key), salt: local.salt };
    this.#remote = { gcm: CIPHERS.gcm(remote.key), salt: remote.salt };
  }

  /** A record with the encrypted content. Epoch and number of the header are never used twice. */
  seal(
    header: {
      readonly contentType: number;
      readonly epoch: number;
      readonly sequenceNumber: number;
    },
    content: Uint8Array,
  ): Uint8Array {
    const fragment = new Uint8Array(EXPLICIT_BYTES + content.length + GCM_TAG_BYTES);
    const record = formatDtlsRecord(header, fragment);
    // As in the record's header: epoch and sequence number.
    const explicit = record.subarray(3, 3 + EXPLICIT_BYTES);
    const body = record.subarray(record.length - fragment.length);
    body.set(explicit);
    this.#local.gcm.seal({
      iv: nonce(this.#local.salt, explicit),
      associated: associated(explicit, header.contentType, content.length),
      plain: content,
      target: body.subarray(EXPLICIT_BYTES),
    });
    return record;
  }

  /** The content of a record, which is at least as long as the protection; `undefined` if it is not authentic. */
  open({ contentType, fragment, bytes }: DtlsRecord): Uint8Array | undefined {
    const sealed = fragment.subarray(EXPLICIT_BYTES);
    const contentBytes = sealed.length - GCM_TAG_BYTES;
    if (contentBytes < 0) return undefined;
    return this.#remote.gcm.open({
      iv: nonce(this.#remote.salt, fragment.subarray(0, EXPLICIT_BYTES)),
      associated: associated(bytes.subarray(3, 3 + EXPLICIT_BYTES), contentType, contentBytes),
      sealed,
    });
  }
}

function nonce(salt: Uint8Array, explicit: Uint8Array): Uint8Array {
  const iv = new Uint8Array(GCM_IV_BYTES);
  iv.set(salt);
  iv.set(explicit, salt.length);
  return iv;
}

/** RFC 5246 §6.2.3.3, with the epoch as part of the number (RFC 6347 §4.1.2.1). */
function associated(number: Uint8Array, contentType: number, contentBytes: number) {
  const bytes = new Uint8Array(ASSOCIATED_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(number);
  view.setUint8(8, contentType);
  view.setUint16(9, DTLS_VERSION);
  view.setUint16(11, contentBytes);
  return { bytes, length: ASSOCIATED_BYTES };
}
