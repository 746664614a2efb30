import assert from "assert";
import { limitUnsent } from "../../src/ports/socket_options.ts";

const LIMIT_BYTES = 32 * 1024;
/** Of itself a host takes megabytes. */
const TAKEN_BYTES_MAX = 1_000_000;

/** Writes until the connection takes no more, closes it, and returns how much it took. */
async function fill(connection: Deno.TcpConn): Promise<number> {
  const chunk = new Uint8Array(8192);
  let taken = 0;
  while (taken < TAKEN_BYTES_MAX) {
    const stuck = setTimeout(() => connection.close(), 500);
    const bytes = await connection.write(chunk).catch(() => undefined);
    clearTimeout(stuck);
    if (bytes === undefined) return taken;
    taken += bytes;
  }
  connection.close();
  return taken;
}

Deno.test("limitUnsent: connections of the listener take little for a reader that never reads", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  assert.equal(limitUnsent(port, LIMIT_BYTES), undefined);
  using _reader = await Deno.connect({ hostname: "127.0.0.1", port });
  const taken = await fill(await listener.accept());
  assert.ok(taken < TAKEN_BYTES_MAX, `${taken} bytes were taken`);
});

Deno.test("limitUnsent: says why it cannot, where nobody listens", () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  assert.equal(limitUnsent(port, LIMIT_BYTES), "the socket was not found");
});
