import { cString, holding } from "../library_calls.ts";
import type { Libc } from "./libc.ts";
import { LINUX } from "./libc.ts";

/** `sizeof(struct sockaddr_un)`: two bytes of family, then the path with its final 0. */
const ADDRESS_BYTES = 110;

/** Connections that the kernel queues until they are accepted. */
const BACKLOG = 64;

/** Access for the owner only. */
const SOCKET_MODE = 0o600;

/** A listening Unix stream socket. Only its owner (and root) can connect. */
export class UnixListener {
  readonly #libc: Libc;
  readonly #fd: number;
  #accepting: Promise<unknown> = Promise.resolve();
  #closed = false;

  /**
   * Listens at `path`, replacing an existing file.
   * @throws {BridgeError} `bridge_files`
   */
  constructor(libc: Libc, path: string) {
    this.#libc = libc;
    this.#fd = newSocket(libc);
    try {
      this.#bind(path);
    } catch (error) {
      libc.symbols.close(this.#fd);
      throw error;
    }
  }

  /** Waits for the next connection; `undefined` if the listener is closed, or the host has no descriptor left. */
  async accept(): Promise<UnixConnection | undefined> {
    if (this.#closed) return undefined;
    const accepting = this.#libc.symbols.accept4(this.#fd, null, null, LINUX.SOCK_CLOEXEC);
    this.#accepting = accepting;
    const fd = await accepting;
    return fd < 0 ? undefined : new UnixConnection(this.#libc, fd);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Closes the listener and ends `accept`. The socket's file stays. Called once. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#libc.symbols.shutdown(this.#fd, LINUX.SHUT_RDWR);
    await this.#accepting;
    this.#libc.symbols.close(this.#fd);
  }

  /**
   * A socket gets its mode from the umask, which all threads share. So it is created in a private folder, and moved
   * once it has the right mode.
   */
  #bind(path: string): void {
    const { symbols } = this.#libc;
    const folder = cString(`${path}.XXXXXX`);
    const failure = () => this.#libc.failure("bridge_files", `Cannot make the socket "${path}"`);
    if (symbols.mkdtemp(folder) === null) throw failure();
    const hidden = `${new TextDecoder().decode(folder.subarray(0, -1))}/s`;
    const address = addressOf(hidden);
    const [from, to] = [cString(hidden), cString(path)];
    try {
      const done = symbols.bind(this.#fd, address, address.byteLength) === 0 &&
        symbols.listen(this.#fd, BACKLOG) === 0 &&
        symbols.chmod(from, SOCKET_MODE) === 0 &&
        symbols.rename(from, to) === 0;
      if (!done) throw failure();
    } finally {
      symbols.unlink(from);
      symbols.rmdir(folder);
    }
  }
}

/** One end of a connected Unix stream socket. */
export class UnixConnection {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #pending = new Set<Promise<unknown>>();
  #closed: Promise<void> | undefined;

  /** Takes ownership of a connected descriptor. */
  constructor(libc: Libc, fd: number) {
    this.#libc = libc;
    this.#fd = fd;
  }

  /** @throws {BridgeError} `bridge_closed` if no process listens there. */
  static connect(libc: Libc, path: string): UnixConnection {
    const fd = newSocket(libc);
    const address = addressOf(path);
    if (libc.symbols.connect(fd, address, address.byteLength) !== 0) {
      const failure = libc.failure("bridge_closed", `Cannot connect to "${path}"`);
      libc.symbols.close(fd);
      throw failure;
    }
    return new UnixConnection(libc, fd);
  }

  /** Process id of the peer when it connected, from the kernel; 0 if unknown. */
  get peerPid(): number {
    const credentials = new Int32Array(3);
    const { SOL_SOCKET, SO_PEERCRED } = LINUX;
    const length = new Uint32Array([credentials.byteLength]);
    this.#libc.symbols.getsockopt(this.#fd, SOL_SOCKET, SO_PEERCRED, credentials, length);
    return credentials[0] ?? 0;
  }

  /** Waits for bytes. @returns How many arrived; 0 if the connection has ended. */
  async read(buffer: Uint8Array<ArrayBuffer>): Promise<number> {
    if (this.#closed !== undefined) return 0;
    const { symbols } = this.#libc;
    const length = BigInt(buffer.byteLength);
    const count = await this.#track(holding([buffer], symbols.recv(this.#fd, buffer, length, 0)));
    return Math.max(0, Number(count));
  }

  /**
   * Writes as many bytes as possible without blocking.
   * @returns How many; also 0 if the connection has ended, which `read` reports.
   */
  writeNow(bytes: Uint8Array<ArrayBuffer>): number {
    if (this.#closed !== undefined) return 0;
    const flags = LINUX.MSG_DONTWAIT | LINUX.MSG_NOSIGNAL;
    const length = BigInt(bytes.byteLength);
    return Math.max(0, Number(this.#libc.symbols.send_now(this.#fd, bytes, length, flags)));
  }

  /** Writes bytes, waiting until the peer has room. @returns How many; 0 if the connection has ended. */
  async write(bytes: Uint8Array<ArrayBuffer>): Promise<number> {
    if (this.#closed !== undefined) return 0;
    const { symbols } = this.#libc;
    const length = BigInt(bytes.byteLength);
    const sending = symbols.send(this.#fd, bytes, length, LINUX.MSG_NOSIGNAL);
    return Math.max(0, Number(await this.#track(holding([bytes], sending))));
  }

  /** Ends calls in progress. The peer can still read what was written before. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#libc.symbols.shutdown(this.#fd, LINUX.SHUT_RDWR);
    // A descriptor that is closed while a thread uses it may be reused for another file.
    await Promise.allSettled(this.#pending);
    this.#libc.symbols.close(this.#fd);
  }

  async #track<T>(call: Promise<T>): Promise<T> {
    this.#pending.add(call);
    try {
      return await call;
    } finally {
      this.#pending.delete(call);
    }
  }
}

function newSocket(libc: Libc): number {
  const { AF_UNIX, SOCK_STREAM, SOCK_CLOEXEC } = LINUX;
  const fd = libc.symbols.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw libc.failure("bridge_files", "Cannot make a Unix socket");
  return fd;
}

function addressOf(path: string): Uint8Array<ArrayBuffer> {
  const address = new Uint8Array(ADDRESS_BYTES);
  const bytes = new TextEncoder().encode(path);
  if (bytes.byteLength > ADDRESS_BYTES - 3) {
    throw new RangeError(`The path "${path}" of a Unix socket has more than 107 bytes`);
  }
  address[0] = LINUX.AF_UNIX;
  address.set(bytes, 2);
  return address;
}
