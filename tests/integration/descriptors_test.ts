import assert from "assert";
import { fileURLToPath } from "node:url";
import denoJson from "../../deno.json" with { type: "json" };
import { eventually } from "../support/deadline.ts";
import { ServerProcess } from "../support/servers/server_process.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** More than the server may take under the limits of these tests. */
const FLOOD = 400;

/** The task `start` under a limit of descriptors that nothing can raise (util-linux' prlimit). */
function startUnder(limit: number) {
  const [, ...args] = denoJson.tasks.start.split(" ");
  const program = [Deno.execPath(), ...args, "--config", "/dev/null"];
  const env = Object.entries(Deno.env.toObject()).filter(([name]) => !name.startsWith("PINHOLE_"));
  return {
    command: ["prlimit", `--nofile=${limit}:${limit}`, ...program] as [string, ...string[]],
    cwd: ROOT,
    env: Object.fromEntries(env),
  };
}

/** Changes the limit of a running server. */
async function limitTo(server: ServerProcess, limit: number): Promise<void> {
  const args = ["--pid", String(server.pid), `--nofile=${limit}:`];
  const { success } = await new Deno.Command("prlimit", { args }).output();
  assert.ok(success);
}

/** Opens `count` connections that say nothing; disposing of them closes them. */
async function flood(server: ServerProcess, { count, port }: { count: number; port?: number }) {
  const at = { hostname: "127.0.0.1", port: port ?? Number(new URL(server.origin).port) };
  const connections: Deno.Conn[] = [];
  for (let each = 0; each < count; each++) connections.push(await Deno.connect(at));
  return {
    [Symbol.dispose]() {
      for (const connection of connections) connection.close();
    },
  };
}

/** A WebSocket that has been let in. */
async function openSocket(server: ServerProcess): Promise<WebSocket> {
  const socket = new WebSocket(`${server.origin.replace("http", "ws")}/ws/main`);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  return socket;
}

/** Says something wrong, which the server answers, and waits for the end. */
async function answers(socket: WebSocket): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const closed = new Promise((resolve) => socket.onclose = resolve);
  socket.onmessage = ({ data }) => resolve(data);
  socket.send("{}");
  const { code } = JSON.parse(await promise);
  await closed;
  return code;
}

async function isHealthy({ origin }: ServerProcess): Promise<boolean> {
  try {
    const response = await fetch(`${origin}/healthz`, { headers: { Connection: "close" } });
    return await response.text() === "ok\n";
  } catch {
    return false;
  }
}

for (const limit of [200, 256, 1024]) {
  Deno.test(`descriptors: with a limit of ${limit}, connections that say nothing end neither the server nor others`, async () => {
    const config = { "webrtc.tcp": true };
    await using server = await ServerProcess.start({ ports: 3, config, launch: startUnder(limit) });
    const problem = server.complaints.find(({ event }) => event === "descriptors_few")?.problem;
    assert.match(String(problem), new RegExp(`may have ${limit} open files`));
    const socket = await openSocket(server);
    using _http = await flood(server, { count: FLOOD });
    using _media = await flood(server, { count: FLOOD / 4, port: server.portMin });
    await eventually(() => isHealthy(server), { what: "for an answer" });
    assert.equal(await answers(socket), "bad_message");
    assert.equal(await answers(await openSocket(server)), "bad_message");
    assert.ok(!server.log.some(({ event }) => event === "accept_failed"), server.lastWords);
  });
}

Deno.test("descriptors: a host that has none left for a while ends neither the server nor open connections", async () => {
  const config = { "webrtc.tcp": true };
  await using server = await ServerProcess.start({ ports: 1, config });
  const socket = await openSocket(server);
  await limitTo(server, 40);
  {
    using _http = await flood(server, { count: 60 });
    using _media = await flood(server, { count: 20, port: server.portMin });
    await eventually(() => server.log.some(({ event }) => event === "accept_failed"), {
      what: "for the host to have none left",
    });
    assert.equal(await answers(socket), "bad_message");
  }
  await limitTo(server, 4096);
  await eventually(() => isHealthy(server), { what: "for an answer" });
  assert.equal(await answers(await openSocket(server)), "bad_message");
});
