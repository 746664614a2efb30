/** What a client says first that speaks HTTP/2 without having been asked (RFC 9113 §3.4). */
const PREFACE = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** Watches the beginning of a connection for HTTP/2, in however small pieces it comes. */
export class Http2Preface {
  /** How much of it was heard; `undefined` once something else was. */
  #heard: number | undefined = 0;

  /** Whether these bytes, behind those before them, make the preface whole. */
  isCompletedBy(bytes: Uint8Array): boolean {
    for (const byte of bytes) {
      if (this.#heard === undefined) return false;
      this.#heard = byte === PREFACE[this.#heard] ? this.#heard + 1 : undefined;
      if (this.#heard === PREFACE.length) return true;
    }
    return false;
  }
}
