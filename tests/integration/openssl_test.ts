import { pemOf } from "../support/clients/certificate_pem.ts";
import assert from "assert";
import { Buffer } from "node:buffer";
import { createSocket } from "node:dgram";
import { SecureChannel, SecureChannelError } from "../../src/transport/dtls/secure_channel.ts";
import { createServerCertificate } from "../../src/transport/dtls/server_certificate.ts";
import { within } from "../support/deadline.ts";

/** How long OpenSSL may take from its start until it has the server's alert, in ms; without one it waits for minutes. */
const REFUSAL_MS_MAX = 20_000;

const certificate = createServerCertificate();
const hasOpenssl = await new Deno.Command("openssl", { args: ["version"], stdout: "null" })
  .output().then(({ success }) => success, () => false);

/** A server on a UDP port of loopback, for one client. */
async function serve(): Promise<
  { port: number; established: Promise<unknown>; close: () => Promise<void> }
> {
  const socket = createSocket("udp4");
  let client = 0;
  const channel = new SecureChannel({
    certificate,
    remoteFingerprints: [certificate.fingerprint],
    send: (packet) => socket.send(packet, client, "127.0.0.1"),
  });
  socket.on("message", (packet, { port }) => {
    client = port;
    channel.receive(packet);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return {
    port: socket.address().port,
    established: channel.establish().catch((error) => error),
    async close() {
      channel.close();
      await new Promise((resolve) => setTimeout(resolve, 700));
      await new Promise<void>((resolve) => socket.close(() => resolve()));
    },
  };
}

/** Shakes hands by `openssl s_client`. @returns What it printed, when it ended. */
async function shake(port: number, args: readonly string[], end: AbortSignal): Promise<string> {
  const folder = await Deno.makeTempDir();
  try {
    const { cert, key } = pemOf(certificate);
    await Deno.writeTextFile(`${folder}/cert.pem`, cert);
    await Deno.writeTextFile(`${folder}/key.pem`, key);
    const child = new Deno.Command("openssl", {
      args: [
        ...["s_client", "-connect", `127.0.0.1:${port}`, "-nbio"],
        ...["-cert", `${folder}/cert.pem`, "-key", `${folder}/key.pem`, ...args],
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      signal: end,
    }).spawn();
    const { stdout, stderr } = await child.output();
    await child.stdin.close().catch(() => {});
    return Buffer.from(stdout).toString() + Buffer.from(stderr).toString();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const SRTP = ["-use_srtp", "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80"];

const REFUSED: Readonly<Record<string, readonly [readonly string[], RegExp, RegExp]>> = {
  "DTLS 1.0 alone": [
    ["-dtls1", "-cipher", "ALL:@SECLEVEL=0", ...SRTP],
    /alert number 70/,
    /DTLS 1\.0/,
  ],
  "AES-256 alone": [
    ["-dtls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384", ...SRTP],
    /alert number 40/,
    /AES_256_GCM/,
  ],
  "ChaCha20 alone": [
    ["-dtls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305", ...SRTP],
    /alert number 40/,
    /CHACHA20/,
  ],
  "CBC alone": [
    ["-dtls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0", ...SRTP],
    /alert number 40/,
    /AES_128_CBC_SHA/,
  ],
  "P-384 alone": [["-dtls1_2", "-curves", "P-384", ...SRTP], /alert number 40/, /P-384/],
  "ECDSA with SHA-384 alone": [
    ["-dtls1_2", "-sigalgs", "ECDSA+SHA384", ...SRTP],
    /alert number 40/,
    /ECDSA with SHA-384/,
  ],
  "SRTP CM_32 alone": [
    ["-dtls1_2", "-use_srtp", "SRTP_AES128_CM_SHA1_32"],
    /alert number 40/,
    /CM_HMAC_SHA1_32/,
  ],
  "SRTP GCM-256 alone": [
    ["-dtls1_2", "-use_srtp", "SRTP_AEAD_AES_256_GCM"],
    /alert number 40/,
    /AEAD_AES_256_GCM/,
  ],
  "no SRTP": [["-dtls1_2"], /alert number 40/, /none/],
};

for (const [what, [args, alert, reason]] of Object.entries(REFUSED)) {
  Deno.test({
    name: `OpenSSL: a client of ${what} is told at once that it cannot connect`,
    ignore: !hasOpenssl,
    async fn() {
      const server = await serve();
      const end = new AbortController();
      const output = await within(shake(server.port, args, end.signal), {
        ms: REFUSAL_MS_MAX,
        what: "for OpenSSL to give up",
      }).catch((error) => {
        end.abort();
        throw error;
      });
      assert.match(output, alert);
      const error = await server.established;
      assert.ok(error instanceof SecureChannelError);
      assert.match(error.message, reason);
      await server.close();
    },
  });
}

for (const curve of ["X25519:P-256", "P-256", "P-384:P-256"]) {
  Deno.test({
    name: `OpenSSL: a client that offers ${curve} connects, and ends when the server closes`,
    ignore: !hasOpenssl,
    async fn() {
      const server = await serve();
      const end = new AbortController();
      const args = ["-dtls1_2", "-curves", curve, ...SRTP];
      const output = shake(server.port, args, end.signal);
      const media = await within(server.established, { what: "for the handshake" });
      assert.ok(!(media instanceof Error), String(media));
      await server.close();
      const text = await within(output, { what: "for OpenSSL to end" }).catch((error) => {
        end.abort();
        throw error;
      });
      assert.match(text, /SRTP_AEAD_AES_128_GCM|New, TLSv1\.2, Cipher is ECDHE-ECDSA-AES128/);
    },
  });
}
