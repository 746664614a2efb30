import assert from "assert";
import { Listener, type ListenerOptions } from "../../../src/app/listener.ts";
import { type LogFields, type Logger, NULL_LOGGER } from "../../../src/base/log.ts";
import type { HttpApp } from "../../../src/signalling/http_app.ts";
import { eventually, within } from "../deadline.ts";
import { ManualClock } from "./signalling_set_up.ts";

const UTF8 = new TextEncoder();

/** Answers every request; echoes over WebSockets, and says how many bytes a message has. */
export async function echo(...[request, connection]: Parameters<HttpApp>): Promise<Response> {
  if (request.headers.has("Upgrade")) {
    const socket = connection.upgrade({
      idleS: 0,
      listener: { message: (text) => socket.send(String(text?.length)), closed() {} },
    });
    return new Response();
  }
  return new Response(`${(await request.text()).length}\n`);
}

/** A listener on loopback, and the clock that its deadlines go by. */
export interface TestListener extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly port: number;
  connect(): Promise<Client>;
  reload(): Promise<void>;
}

/** Opens a {@link TestListener}. */
export async function listen(options: Partial<ListenerOptions> = {}): Promise<TestListener> {
  const clock = new ManualClock();
  const listener = await Listener.open({
    hostname: "127.0.0.1",
    port: 0,
    key: "server.listen",
    app: echo,
    clock,
    log: NULL_LOGGER,
    ...options,
  });
  const { port } = listener.address;
  return {
    clock,
    port,
    connect: () => Client.connect(port),
    reload: () => listener.reload(),
    [Symbol.asyncDispose]: () => listener.close(),
  };
}

/** A TCP connection that says what it likes. */
export class Client implements Disposable {
  readonly #connection: Deno.Conn;
  /** What has come, as text. */
  heard = "";
  isClosed = false;
  readonly #reading: Promise<void>;

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
    this.#reading = this.#read();
  }

  /** Settles when the server has closed the connection. */
  get done(): Promise<void> {
    return within(this.#reading, { what: "for the connection to end" });
  }

  static async connect(port: number): Promise<Client> {
    return new Client(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  async say(text: string | Uint8Array): Promise<void> {
    let rest = typeof text === "string" ? UTF8.encode(text) : text;
    while (rest.length > 0) rest = rest.subarray(await this.#connection.write(rest));
  }

  /** Says no more, and waits until the server has ended the connection too. */
  async leave(): Promise<void> {
    await this.#connection.closeWrite();
    await this.done;
  }

  async hears(pattern: RegExp): Promise<void> {
    await eventually(() => pattern.test(this.heard) || this.isClosed, {
      what: () => `for ${pattern} in ${JSON.stringify(this.heard)}`,
    });
    assert.match(this.heard, pattern);
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(65536);
    try {
      for (;;) {
        const length = await this.#connection.read(buffer);
        if (length === null) break;
        this.heard += new TextDecoder().decode(buffer.subarray(0, length));
      }
    } catch {
      // Reset, or closed by ourselves.
    }
    this.isClosed = true;
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}

/** A request without its end, and one for a WebSocket. */
export const GET: string = "GET / HTTP/1.1\r\nHost: localhost\r\n";
export const UPGRADE: string = `${GET}Upgrade: websocket\r\nConnection: Upgrade\r\n` +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/** The head of a client's frame with `length` bytes of text, masked with zeros (RFC 6455 §5.2). */
export function frameHead(length: number): Uint8Array {
  const head = new Uint8Array(14);
  head.set([0x81, 0x80 | 127]);
  new DataView(head.buffer).setUint32(6, length);
  return head;
}

/** Lets what was said travel, then lets `ms` pass for the listener. */
export async function pass(clock: ManualClock, ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 50));
  clock.advance(ms);
}

/** A log, and why connections were refused in it. */
export function refusals(): { readonly log: Logger; readonly reasons: unknown[] } {
  const reasons: unknown[] = [];
  const warn = (event: string, fields?: LogFields) => {
    if (event === "connection_refused") reasons.push(fields?.reason);
  };
  return { log: { ...NULL_LOGGER, warn }, reasons };
}
