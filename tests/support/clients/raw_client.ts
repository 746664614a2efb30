/** A TCP client that says what it likes, and keeps the bytes that it is answered. The connection is its own to close. */
export class RawClient implements Disposable {
  readonly heard: Uint8Array[] = [];
  isOver = false;
  readonly #connection: Deno.Conn;

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
    void this.#read();
  }

  /** @returns False when the server has ended the connection. */
  async say(bytes: Uint8Array): Promise<boolean> {
    try {
      for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
      return true;
    } catch {
      return false;
    }
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(65536);
    try {
      for (;;) {
        const length = await this.#connection.read(buffer);
        if (length === null) break;
        this.heard.push(buffer.slice(0, length));
      }
    } catch {
      // Reset, or closed by ourselves.
    }
    this.isOver = true;
  }
}
