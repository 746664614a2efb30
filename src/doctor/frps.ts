import tls from "node:tls";
import type { FrpcFile } from "./frpc_file.ts";
import { valueOf } from "./frpc_file.ts";

/** The address of frps in frpc.toml. */
export interface FrpsAddress {
  readonly hostname: string;
  readonly port: number;
  /** `transport.protocol`: how frpc connects. */
  readonly protocol: string;
  /** `transport.tcpMux` of frpc. */
  readonly tcpMux: boolean;
}

/** Result of probing frps from this host. */
export type FrpsFound =
  | { readonly kind: "refused" | "silent" }
  /** It accepted the connection. `tcpMux` is its own setting, if that could be determined. */
  | { readonly kind: "answers"; readonly tcpMux: boolean | undefined }
  /** The doctor cannot connect in this way, or the name does not resolve. */
  | { readonly kind: "unknown"; readonly reason: string };

const SERVER_PORT = 7000;

/** Reads the address of frps from frpc.toml, with frp's defaults. Pure. */
export function frpsOf({ entries }: FrpcFile): FrpsAddress {
  return {
    hostname: valueOf(entries, "serverAddr") ?? "127.0.0.1",
    port: Number(valueOf(entries, "serverPort") ?? SERVER_PORT),
    protocol: valueOf(entries, "transport.protocol") ?? "tcp",
    tcpMux: valueOf(entries, "transport.tcpMux") !== "false",
  };
}

/**
 * Connects to frps as frpc does, and tests for the multiplexer that `transport.tcpMux` turns on. Does not log in. Never
 * rejects.
 */
export async function probeFrps(
  { hostname, port, protocol }: FrpsAddress,
  { deadlineMs }: { deadlineMs: number },
): Promise<FrpsFound> {
  if (protocol === "kcp" || protocol === "quic") {
    return { kind: "unknown", reason: `frpc connects by ${protocol}` };
  }
  const signal = AbortSignal.timeout(deadlineMs);
  let connection: Deno.TcpConn;
  try {
    connection = await Deno.connect({ hostname, port, signal });
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return { kind: "refused" };
    if (signal.aborted || error instanceof Deno.errors.TimedOut) return { kind: "silent" };
    return { kind: "unknown", reason: error instanceof Error ? error.message : String(error) };
  }
  // WebSocket needs an upgrade first, and wss a web server in front, so the multiplexer cannot be tested.
  if (protocol !== "tcp") {
    connection.close();
    return { kind: "answers", tcpMux: undefined };
  }
  if (await pingPlainly(connection, signal)) return { kind: "answers", tcpMux: true };
  // With `transport.tls.force` frps accepts only TLS.
  return { kind: "answers", tcpMux: await pingOverTls({ hostname, port }, signal) };
}

/**
 * A ping of yamux, frp's multiplexer, version 0 (its spec.md, "Framing"): type 2, SYN, no stream, an opaque value.
 * Without the multiplexer frps reads it as an unknown message and closes the connection.
 */
const PING = Uint8Array.of(0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7);
/** The same with ACK. */
const PONG = Uint8Array.of(0, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7);

async function pingPlainly(connection: Deno.TcpConn, signal: AbortSignal): Promise<boolean> {
  const close = () => connection.close();
  signal.addEventListener("abort", close);
  try {
    await connection.write(PING);
    const reply = new Uint8Array(PONG.length);
    const length = await connection.read(reply) ?? 0;
    return isPong(reply.subarray(0, length));
  } catch {
    return false;
  } finally {
    signal.removeEventListener("abort", close);
    if (!signal.aborted) close();
  }
}

/** @returns `undefined` if there was no TLS either. */
async function pingOverTls(
  { hostname, port }: { hostname: string; port: number },
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const { promise, resolve } = Promise.withResolvers<boolean | undefined>();
  let secured = false;
  const end = () => resolve(secured ? false : undefined);
  // frps generates its certificate at start, and frpc does not verify it either.
  const socket = tls.connect({ host: hostname, port, rejectUnauthorized: false }, () => {
    secured = true;
    socket.write(PING);
  });
  socket.on("data", (data: Uint8Array) => resolve(isPong(data)));
  socket.on("error", end);
  socket.on("close", end);
  signal.addEventListener("abort", end);
  if (signal.aborted) end();
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", end);
    socket.destroy();
  }
}

function isPong(bytes: Uint8Array): boolean {
  return bytes.length >= PONG.length && PONG.every((byte, at) => byte === bytes[at]);
}
