/** Passes TCP connections on to a port of this machine, until a test cuts them. */
export class TcpRelay {
  /** Local port to connect to; it stays the same over {@link refuse} and {@link accept}. */
  readonly port: number;
  readonly #target: number;
  readonly #connections = new Set<Deno.Conn>();
  #listener: Deno.Listener | undefined;

  /** @param target Port on 127.0.0.1 that connections are passed on to. */
  constructor(target: number) {
    this.#target = target;
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = (listener.addr as Deno.NetAddr).port;
    this.#run(listener);
  }

  /** Cuts every connection without a word of any protocol above TCP; new ones are passed on. */
  cut(): void {
    for (const connection of this.#connections) connection.close();
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
    if (!this.#listener) this.#run(Deno.listen({ hostname: "127.0.0.1", port: this.port }));
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
    const far = await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
    this.#connections.add(far);
    await Promise.all([this.#pump(near, far), this.#pump(far, near)]);
  }

  async #pump(from: Deno.Conn, to: Deno.Conn): Promise<void> {
    // Either end may close, or cut() may, at any point.
    await from.readable.pipeTo(to.writable).catch(() => {});
    this.#connections.delete(from);
  }
}
