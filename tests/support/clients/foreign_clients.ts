import {
  clientAdvice,
  type ClientKind,
  CLIENTS,
  findClient,
  hostAddress,
} from "./client_programs.ts";
import {
  type ConfigOverrides,
  startTestServer,
  type TestServer,
  type TestServerOptions,
} from "../servers/test_server.ts";

/** Registers one test for each client that is asked for; one that cannot be built is reported as ignored. */
export function clientTest(
  name: string,
  run: (kind: ClientKind) => Promise<void>,
  { clients = CLIENTS }: { readonly clients?: readonly ClientKind[] } = {},
): void {
  for (const kind of clients) {
    const ignore = findClient(kind) === undefined;
    if (ignore) sayOnce(kind);
    Deno.test({ name: `${kind}: ${name}`, ignore, fn: () => run(kind) });
  }
}

/** The environment is what all test files of one run share. */
function sayOnce(kind: ClientKind): void {
  const mark = `PINHOLE_TEST_SAID_NO_${kind.toUpperCase()}`;
  if (Deno.env.get(mark) !== undefined) return;
  Deno.env.set(mark, "1");
  Deno.stderr.writeSync(new TextEncoder().encode(`Tests skipped: ${clientAdvice(kind)}\n`));
}

/**
 * A test server that all clients reach: aiortc and GStreamer take no loopback address, so that it listens on another one
 * of this host where there is one.
 */
export function startServerForClients(
  overrides: ConfigOverrides = {},
  options: TestServerOptions = {},
): Promise<TestServer> {
  const address = hostAddress() ?? "127.0.0.1";
  const webrtc = { listen: address, public_ip: address, ...overrides.webrtc };
  return startTestServer({ ...overrides, webrtc }, options);
}
