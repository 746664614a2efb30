import assert from "assert";
import { createHash, createPublicKey, X509Certificate } from "node:crypto";
import { createServerCertificate } from "../../src/transport/dtls/server_certificate.ts";

Deno.test("createServerCertificate: is a certificate that another reader takes, signed by its own key", () => {
  const { der, privateKey } = createServerCertificate();
  const certificate = new X509Certificate(der);
  assert.ok(certificate.verify(createPublicKey(privateKey)));
  assert.ok(certificate.checkPrivateKey(privateKey));
  assert.deepEqual([certificate.subject, certificate.issuer], ["CN=WebRTC", "CN=WebRTC"]);
  assert.equal(privateKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
});

Deno.test("createServerCertificate: the fingerprint is that of the certificate, in the form of SDP", () => {
  const { der, fingerprint: { algorithm, value } } = createServerCertificate();
  assert.equal(algorithm, "sha-256");
  assert.match(value, /^[0-9A-F]{2}(:[0-9A-F]{2}){31}$/);
  assert.equal(
    value.replaceAll(":", ""),
    createHash("sha256").update(der).digest("hex").toUpperCase(),
  );
});

Deno.test("createServerCertificate: is valid from the day before for ten years, in this century's both halves", () => {
  for (const now of ["2026-11-30T12:00:00Z", "2040-02-29T00:00:00Z", "2051-01-01T00:00:00Z"]) {
    const { der } = createServerCertificate(new Date(now));
    const { validFrom, validTo } = new X509Certificate(der);
    assert.equal(Date.parse(now) - Date.parse(validFrom), 86_400_000, now);
    const years = new Date(validTo).getUTCFullYear() - new Date(now).getUTCFullYear();
    assert.equal(years, 10, now);
  }
});

Deno.test("createServerCertificate: each has its own key and serial number", () => {
  const [one, other] = [createServerCertificate(), createServerCertificate()];
  assert.notEqual(one.fingerprint.value, other.fingerprint.value);
  const serial = ({ der }: { der: Uint8Array }) => new X509Certificate(der).serialNumber;
  assert.notEqual(serial(one), serial(other));
});
