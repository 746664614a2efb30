/**
 * Decompresses zstd from standard input to standard output, for the first start of a self-extracting executable: few
 * hosts have the tool, and Deno has the library. It needs no permission.
 */
import { createZstdDecompress } from "node:zlib";

/** In bytes. */
const READ = 1 << 18, WRITTEN = 1 << 20;

const decompressor = createZstdDecompress({ chunkSize: WRITTEN });
decompressor.on("error", ({ message }) => {
  Deno.stderr.writeSync(new TextEncoder().encode(`zstd: ${message}\n`));
  Deno.exit(1);
});
decompressor.on("data", (bytes) => {
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
});
const buffer = new Uint8Array(READ);
for (let count; (count = Deno.stdin.readSync(buffer)) !== null;) {
  if (decompressor.write(buffer.slice(0, count))) continue;
  await new Promise((resolve) => decompressor.once("drain", resolve));
}
await new Promise((resolve) => decompressor.end(resolve));
