import type { ServerProcess } from "../servers/server_process.ts";

/** How a client ends its connection: by a close frame, or by a TCP reset. */
export type Ending = "closed" | "cut";

/** A WebSocket by hand, since nothing else can be cut in the middle (RFC 6455). */
export class RawWebSocket {
  readonly #connection: Deno.TcpConn;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  /** Connects, and reads the first byte of the server's answer to the handshake. */
  static async open(server: ServerProcess, session: string): Promise<RawWebSocket> {
    const { hostname, port } = new URL(server.origin);
    const connection = await Deno.connect({ hostname, port: Number(port) });
    const socket = new RawWebSocket(connection);
    const lines = [
      `GET /ws/${session} HTTP/1.1`,
      `Host: ${hostname}:${port}`,
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    await socket.#write(new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`));
    await socket.#read(1);
    return socket;
  }

  /** Sends one JSON message. */
  async say(message: unknown): Promise<void> {
    await this.#sendFrame(1, new TextEncoder().encode(JSON.stringify(message)));
  }

  /** Reads messages until one of these types comes; what comes behind it stays unread. */
  async hear(...types: string[]): Promise<Record<string, unknown>> {
    let head = "";
    while (!head.endsWith("\r\n\r\n")) head += new TextDecoder().decode(await this.#read(1));
    for (;;) {
      const message = JSON.parse(new TextDecoder().decode(await this.#readFrame()));
      if (types.includes(message.type)) return message;
    }
  }

  /** Ends the connection: by a close frame, or at once, which is a reset since something is left unread. */
  async end(by: Ending): Promise<void> {
    if (by === "closed") {
      await this.#sendFrame(8, Uint8Array.of(1000 >>> 8, 1000 & 0xff)).catch(() => {});
      const rest = new Uint8Array(4096);
      while (await this.#connection.read(rest).catch(() => null) !== null);
    }
    this.#connection.close();
  }

  async #sendFrame(opcode: number, payload: Uint8Array): Promise<void> {
    const { length } = payload;
    const size = length < 126 ? [length] : [126, length >>> 8, length & 0xff];
    // A mask of zeros is a mask.
    const header = [0x80 | opcode, 0x80 | (size[0] ?? 0), ...size.slice(1), 0, 0, 0, 0];
    await this.#write(Uint8Array.of(...header, ...payload));
  }

  async #readFrame(): Promise<Uint8Array> {
    const [, size = 0] = await this.#read(2);
    if (size < 126) return await this.#read(size);
    const [high = 0, low = 0] = await this.#read(2);
    return await this.#read((high << 8) | low);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
  }

  async #read(length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const count = await this.#connection.read(bytes.subarray(at));
      if (count === null) throw new Error("The server closed the connection");
      at += count;
    }
    return bytes;
  }
}
