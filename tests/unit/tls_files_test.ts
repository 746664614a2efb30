import assert from "assert";
import { Listener } from "../../src/app/listener.ts";
import { readTlsFiles, validityProblemOf } from "../../src/app/tls_files.ts";
import { type LogFields, NULL_LOGGER } from "../../src/base/log.ts";
import { FakeClock } from "../support/parts/fake_clock.ts";
import { writeCertificate } from "../support/network/openssl.ts";

const VALIDITY = {
  notBefore: "Jan  2 00:00:00 2026 GMT",
  notAfter: "Apr  2 00:00:00 2026 GMT",
} as const;

Deno.test("validityProblemOf: names the kind and the time", () => {
  const at = (time: string) => validityProblemOf(VALIDITY, Date.parse(time));
  assert.equal(at("2026-03-01T00:00:00Z"), undefined);
  assert.equal(at("2026-03-19T00:00:00Z"), undefined);
  assert.deepEqual(at("2026-03-25T12:00:00Z"), {
    kind: "ends_soon",
    text: "the certificate expires at 2026-04-02T00:00:00Z, in 7 days",
  });
  assert.deepEqual(at("2026-04-05T00:00:00Z"), {
    kind: "expired",
    text: "the certificate expired at 2026-04-02T00:00:00Z, 3 days ago",
  });
  assert.equal(at("2026-01-01T00:00:00Z")?.kind, "not_yet_valid");
});

Deno.test("Listener: a certificate that ends soon or has ended is in the log, at start and once a day", async () => {
  const folder = await Deno.makeTempDir();
  // The clock begins in the evening of 14 November 2023.
  await writeCertificate(folder, {
    name: "203.0.113.1",
    days: ["20231101000000Z", "20231120000000Z"],
  });
  const tls = { cert: `${folder}/cert.pem`, key: `${folder}/key.pem` };
  assert.equal((await readTlsFiles(tls)).notAfter, "Nov 20 00:00:00 2023 GMT");
  const clock = new FakeClock();
  const told: string[] = [];
  const tell = (event: string, fields?: LogFields) =>
    void told.push(`${event}: ${fields?.problem}`);
  const log = { ...NULL_LOGGER, warn: tell, error: tell };
  const at = { hostname: "127.0.0.1", port: 0, key: "server.listen" };
  {
    await using listener = await Listener.open({
      ...at,
      tls,
      app: () => new Response(),
      clock,
      log,
    });
    const [first = ""] = told;
    assert.match(
      first,
      /^tls_certificate_ends_soon: .* expires at 2023-11-20T00:00:00Z, in 5 days$/,
    );
    await listener.reload();
    assert.equal(told.length, 1);
    clock.stall(24 * 3600 * 1000);
    await listener.reload();
    await listener.reload();
    assert.deepEqual(told, [first, first.replace("5 days", "4 days")]);
    clock.stall(5 * 24 * 3600 * 1000);
    await listener.reload();
    await listener.reload();
    assert.match(
      told[2] ?? "",
      /^tls_certificate_invalid: .* expired at 2023-11-20T00:00:00Z, 0 days/,
    );
    assert.equal(told.length, 3);
  }
  await Deno.remove(folder, { recursive: true });
});
