import assert from "assert";
import { formatHostPort } from "../../src/base/host_port.ts";
import { MESSAGE_BYTES_MAX } from "../../src/base/limits.ts";
import { formatHostPort as formatInBrowser } from "../../src/viewer/pinhole/host_port.js";

Deno.test("formatHostPort: IPv6 addresses have brackets, and browsers write the same", () => {
  for (
    const [host, port, text] of [
      ["203.0.113.7", 9000, "203.0.113.7:9000"],
      ["pinhole.example", "443", "pinhole.example:443"],
      ["2001:db8::7", 9000, "[2001:db8::7]:9000"],
      ["::", 0, "[::]:0"],
    ] as const
  ) {
    assert.equal(formatHostPort(host, port), text);
    assert.equal(formatInBrowser(host, port), text);
    assert.ok(URL.canParse(`http://${text}/`));
  }
});

Deno.test("MESSAGE_BYTES_MAX: the C header and the browser client promise the same", async () => {
  const read = (path: string) => Deno.readTextFile(new URL(`../../src/${path}`, import.meta.url));
  const numberIn = async (path: string, pattern: RegExp) =>
    Number(pattern.exec(await read(path))?.[1]?.replaceAll("_", ""));
  const header = "renderer/native/include/pinhole.h";
  assert.equal(await numberIn(header, /PINHOLE_MESSAGE_SIZE_MAX\s+(\d+)/), MESSAGE_BYTES_MAX);
  const client = await numberIn("viewer/pinhole/media.js", /MESSAGE_BYTES_MAX = ([\d_]+);/);
  assert.equal(client, MESSAGE_BYTES_MAX);
});
