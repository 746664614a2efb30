/** Content types of DTLS records (RFC 5246 §6.2.1). */
export const DTLS_CONTENT = {
  changeCipherSpec: 20,
  alert: 21,
  handshake: 22,
  applicationData: 23,
} as const;

/** DTLS 1.2, in ones' complement (RFC 6347 §4.1). */
export const DTLS_VERSION = 0xfefd;

const HEADER_BYTES = 13;
/** Explicit nonce and tag of AES-GCM (RFC 5288 §3): the minimum of an encrypted record. */
const PROTECTION_BYTES = 8 + 16;

/** One record of a datagram (RFC 6347 §4.1), unverified. */
export interface DtlsRecord {
  readonly contentType: number;
  /** 0 before keys are in use; in later epochs the record is encrypted. */
  readonly epoch: number;
  /** 48 bits. */
  readonly sequenceNumber: number;
  /** Content of the record, a view of the datagram. */
  readonly fragment: Uint8Array;
  /** The record with its header, a view of the datagram. */
  readonly bytes: Uint8Array;
}

/** Splits a datagram into its records; `undefined` if it does not consist of complete records. */
export function splitDtlsRecords(datagram: Uint8Array): DtlsRecord[] | undefined {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  const records: DtlsRecord[] = [];
  let at = 0;
  while (at < datagram.length) {
    if (at + HEADER_BYTES > datagram.length) return undefined;
    const end = at + HEADER_BYTES + view.getUint16(at + 11);
    if (end > datagram.length) return undefined;
    const epoch = view.getUint16(at + 3);
    const fragment = datagram.subarray(at + HEADER_BYTES, end);
    if (epoch > 0 && fragment.length < PROTECTION_BYTES) return undefined;
    records.push({
      contentType: view.getUint8(at),
      epoch,
      sequenceNumber: view.getUint16(at + 5) * 2 ** 32 + view.getUint32(at + 7),
      fragment,
      bytes: datagram.subarray(at, end),
    });
    at = end;
  }
  return records;
}

/** Formats a DTLS 1.2 record around encrypted content. */
export function formatDtlsRecord(
  { contentType, epoch, sequenceNumber }: {
    readonly contentType: number;
    readonly epoch: number;
    readonly sequenceNumber: number;
  },
  fragment: Uint8Array,
): Uint8Array {
  const record = new Uint8Array(HEADER_BYTES + fragment.length);
  const view = new DataView(record.buffer);
  view.setUint8(0, contentType);
  view.setUint16(1, DTLS_VERSION);
  view.setUint16(3, epoch);
  view.setUint16(5, Math.floor(sequenceNumber / 2 ** 32));
  view.setUint32(7, sequenceNumber % 2 ** 32);
  view.setUint16(11, fragment.length);
  record.set(fragment, HEADER_BYTES);
  return record;
}
