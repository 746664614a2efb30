/** Starts a record among other output, as in JSON text sequences (RFC 7464 §2.2). */
const RECORD_SEPARATOR = 0x1e;
const LINE_FEED = 0x0a;

/** Maximum length of a record, in bytes: a write to a pipe is atomic up to this size (pipe(7), PIPE_BUF). */
const RECORD_BYTES_MAX = 4096;

/** Formats a value as one record, for a single write to a stream with several writers. */
export function formatRecord(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`\x1e${JSON.stringify(value)}\n`);
}

/** Splits a stream into records and other output between them. */
export class RecordReader {
  readonly #onRecord: (value: unknown) => void;
  readonly #onOther: (bytes: Uint8Array) => void;
  /** An incomplete record, from its separator on. */
  #rest = new Uint8Array(0);

  /** @param options.onOther Receives all bytes that are not part of a record. */
  constructor(
    { onRecord, onOther }: {
      onRecord: (value: unknown) => void;
      onOther: (bytes: Uint8Array) => void;
    },
  ) {
    this.#onRecord = onRecord;
    this.#onOther = onOther;
  }

  /** Processes the next bytes of the stream. */
  take(chunk: Uint8Array): void {
    let bytes = new Uint8Array(this.#rest.length + chunk.length);
    bytes.set(this.#rest);
    bytes.set(chunk, this.#rest.length);
    for (;;) {
      const start = bytes.indexOf(RECORD_SEPARATOR);
      if (start < 0) break;
      this.#other(bytes.subarray(0, start));
      bytes = bytes.subarray(start);
      const end = bytes.indexOf(LINE_FEED);
      if (end < 0 && bytes.length <= RECORD_BYTES_MAX) {
        this.#rest = bytes;
        return;
      }
      const record = end < 0 ? bytes : bytes.subarray(0, end + 1);
      this.#record(record);
      bytes = bytes.subarray(record.length);
    }
    this.#rest = new Uint8Array(0);
    this.#other(bytes);
  }

  /** Ends the stream. */
  end(): void {
    this.#other(this.#rest);
    this.#rest = new Uint8Array(0);
  }

  #record(bytes: Uint8Array): void {
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder().decode(bytes.subarray(1)));
    } catch {
      return this.#other(bytes);
    }
    this.#onRecord(value);
  }

  #other(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#onOther(bytes);
  }
}
