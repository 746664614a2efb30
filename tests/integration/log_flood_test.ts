import assert from "assert";
import { eventually } from "../support/deadline.ts";
import { ServerProcess } from "../support/servers/server_process.ts";

/** What strangers do again and again, and what the log says of each time. */
const FLOODS = [
  {
    what: "connections that speak HTTP/2",
    event: "connection_refused",
    burst: 20,
    once: async (hostname: string, port: number) => {
      using connection = await Deno.connect({ hostname, port });
      await connection.write(new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
      await connection.read(new Uint8Array(4096)).catch(() => {});
    },
  },
  {
    what: "WebSockets with messages that make no sense",
    event: "viewer_refused",
    burst: 100,
    once: async (hostname: string, port: number) => {
      const socket = new WebSocket(`ws://${hostname}:${port}/ws/main`);
      socket.onopen = () => socket.send("nonsense");
      await new Promise((resolve) => socket.onclose = resolve);
    },
  },
] as const;

const TIMES = 400;
const AT_ONCE = 20;

for (const { what, event, burst, once } of FLOODS) {
  Deno.test(`serve: of a flood of ${what} the log has few lines, and they tell of all`, async () => {
    await using server = await ServerProcess.start();
    const { hostname, port } = new URL(server.origin);
    const startMs = performance.now();
    for (let done = 0; done < TIMES; done += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, () => once(hostname, Number(port))));
    }
    const lines = () => server.log.filter((line) => line.event === event);
    const told = () =>
      lines().reduce((sum, { suppressed }) => sum + 1 + Number(suppressed ?? 0), 0);
    await eventually(() => told() === TIMES, { what: `for ${TIMES} to be told of` });
    const seconds = (performance.now() - startMs) / 1000;
    const most = burst + 5 * Math.ceil(seconds + 1);
    assert.ok(lines().length <= most, `${lines().length} lines in ${seconds} s`);
    assert.ok(lines().length < TIMES / 2);
  });
}
