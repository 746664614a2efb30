/** Where a {@link TcpRelay} stands. */
export interface TcpRelayOptions {
  readonly targetHostname?: string;
  readonly at?: { readonly hostname: string; readonly port: number };
  /** PEM texts: it ends TLS for its visitors. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** Passes TCP connections on to a port of this machine, until a test cuts them. */
export class TcpRelay {
  /** Port to connect to; it stays the same over {@link refuse} and {@link accept}. */
  readonly port: number;
  readonly #listen: (port: number) => Deno.Listener;
  readonly #target: Deno.ConnectOptions;
  readonly #connections = new Set<Deno.Conn>();
  #listener: Deno.Listener | undefined;
  #bytesPassed = 0;

  /**
   * @param target Port that connections are passed on to, of 127.0.0.1 if no other address is named.
   * @param options.at Where to listen. Default: a free port of 127.0.0.1.
   */
  constructor(target: number, options: TcpRelayOptions = {}) {
    const { targetHostname = "127.0.0.1", at = { hostname: "127.0.0.1", port: 0 }, tls } = options;
    const { hostname } = at;
    this.#listen = (port) =>
      tls ? Deno.listenTls({ hostname, port, ...tls }) : Deno.listen({ hostname, port });
    this.#target = { hostname: targetHostname, port: target };
    const listener = this.#listen(at.port);
    this.port = (listener.addr as Deno.NetAddr).port;
    this.#run(listener);
  }

  /** Bytes that were passed on so far, both ways together. */
  get bytesPassed(): number {
    return this.#bytesPassed;
  }

  /** Cuts every connection without a word of any protocol above TCP; new ones are passed on. */
  cut(): void {
    for (const connection of this.#connections) {
      try {
        connection.close();
      } catch {
        // It closed by itself when both its streams had ended, and its pump has yet to notice.
      }
    }
    this.#connections.clear();
  }

  /** Cuts every connection, and refuses new ones until {@link accept}. */
  refuse(): void {
    this.#listener?.close();
    this.#listener = undefined;
    this.cut();
  }

  /** Passes new connections on again. */
  accept(): void {
    if (!this.#listener) this.#run(this.#listen(this.port));
  }

  /** Ends it. Idempotent. */
  close(): void {
    this.refuse();
  }

  async #run(listener: Deno.Listener): Promise<void> {
    this.#listener = listener;
    try {
      for await (const near of listener) this.#pass(near);
    } catch {
      // The listener was closed while it accepted.
    }
  }

  async #pass(near: Deno.Conn): Promise<void> {
    this.#connections.add(near);
    let far: Deno.TcpConn;
    try {
      far = await Deno.connect(this.#target);
    } catch {
      // Nobody is there. Unless it was cut meanwhile, the visitor learns of it by the end of its connection.
      if (this.#connections.delete(near)) near.close();
      return;
    }
    if (!this.#connections.has(near)) return far.close();
    this.#connections.add(far);
    await Promise.all([this.#pump(near, far), this.#pump(far, near)]);
  }

  async #pump(from: Deno.Conn, to: Deno.Conn): Promise<void> {
    const counted = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform: (chunk, on) => {
        this.#bytesPassed += chunk.length;
        on.enqueue(chunk);
      },
    });
    // Either end may close, or cut() may, at any point.
    await from.readable.pipeThrough(counted).pipeTo(to.writable).catch(() => {});
    this.#connections.delete(from);
  }
}
