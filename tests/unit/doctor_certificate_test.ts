import assert from "assert";
import { type Certificate, faultOf } from "../../src/doctor/certificate.ts";

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2026, 0, 10);

function fault(changes: Partial<Certificate>, host = "example.com"): string | undefined {
  const fine = {
    validFromMs: NOW_MS - DAY_MS,
    validToMs: NOW_MS + DAY_MS,
    names: ["example.com"],
    isSelfSigned: false,
  };
  return faultOf({ ...fine, ...changes }, { host, nowMs: NOW_MS });
}

Deno.test("faultOf: says what browsers dislike, and of several things the first", () => {
  assert.equal(fault({}), undefined);
  const validToMs = NOW_MS - DAY_MS;
  assert.match(fault({ validToMs, names: [] }) ?? "", /expired on 2026-01-09/);
  assert.match(fault({ validFromMs: NOW_MS + DAY_MS }) ?? "", /not valid before 2026-01-11/);
  assert.match(
    fault({ names: ["a.example", "b.example"] }) ?? "",
    /a\.example, b\.example, not for/,
  );
  assert.match(fault({ names: [] }) ?? "", /for no name/);
  assert.match(fault({ isSelfSigned: true }) ?? "", /self-signed/);
});

Deno.test("faultOf: names match as in browsers", () => {
  assert.equal(fault({ names: ["*.example.com"] }, "www.Example.com"), undefined);
  assert.ok(fault({ names: ["*.example.com"] }, "a.b.example.com"));
  assert.ok(fault({ names: ["*.example.com"] }, "example.com"));
  assert.equal(fault({ names: ["2001:DB8:0:0:0:0:0:1"] }, "2001:db8::1"), undefined);
});
