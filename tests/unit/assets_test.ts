import assert from "assert";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { assetResponder, chooseCoding } from "../../src/signalling/asset_responder.ts";

const BODY = "export const text = 'a module of some length';\n".repeat(40);
const respond = assetResponder({ type: "text/javascript; charset=utf-8", body: BODY });

function ask(headers: Record<string, string>): Promise<Response> {
  return respond(new Request("http://localhost/pinhole.js", { headers }));
}

Deno.test("chooseCoding: takes the smallest coding that the client accepts", () => {
  assert.equal(chooseCoding("gzip, deflate, br, zstd"), "br");
  assert.equal(chooseCoding("gzip, deflate"), "gzip");
  assert.equal(chooseCoding("GZIP;q=0.5"), "gzip");
  assert.equal(chooseCoding("br;q=0, gzip"), "gzip");
  assert.equal(chooseCoding("br; q=0.000, *"), "gzip");
  assert.equal(chooseCoding("*"), "br");
  assert.equal(chooseCoding("*;q=0, gzip"), "gzip");
  for (const none of [null, "", "identity", "deflate", "*;q=0", "gzip;q=0", "br;q=x", "brotli"]) {
    assert.equal(chooseCoding(none), undefined, String(none));
  }
});

Deno.test("assetResponder: each coding holds the same text, and says which it is", async () => {
  const read = { br: brotliDecompressSync, gzip: gunzipSync };
  for (const coding of ["br", "gzip"] as const) {
    const response = await ask({ "Accept-Encoding": coding });
    assert.equal(response.headers.get("Content-Encoding"), coding);
    assert.equal(response.headers.get("Vary"), "Accept-Encoding");
    const bytes = new Uint8Array(await response.arrayBuffer());
    assert.ok(bytes.length < BODY.length / 4);
    assert.equal(read[coding](bytes).toString(), BODY);
  }
  const plain = await ask({});
  assert.equal(plain.headers.get("Content-Encoding"), null);
  assert.equal(plain.headers.get("Vary"), "Accept-Encoding");
  assert.equal(await plain.text(), BODY);
});

Deno.test("assetResponder: each coding has its tag, by which it is not sent again", async () => {
  const tags = new Set<string>();
  for (const accepted of ["br", "gzip", "identity"]) {
    const headers = { "Accept-Encoding": accepted };
    const etag = (await ask(headers)).headers.get("ETag") ?? "";
    tags.add(etag);
    const again = await ask({ ...headers, "If-None-Match": `W/${etag}` });
    assert.equal(again.status, 304);
    assert.equal(again.body, null);
    assert.equal(again.headers.get("ETag"), etag);
    assert.equal(again.headers.get("Vary"), "Accept-Encoding");
  }
  assert.equal(tags.size, 3);
});

Deno.test("assetResponder: what fits a packet is sent as it is", async () => {
  const short = assetResponder({ type: "text/css", body: "a { color: red }" });
  const request = new Request("http://localhost/a.css", {
    headers: { "Accept-Encoding": "br, gzip" },
  });
  assert.equal((await short(request)).headers.get("Content-Encoding"), null);
});
