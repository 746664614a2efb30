import assert from "assert";
import denoJson from "../../deno.json" with { type: "json" };
import { fileURLToPath } from "node:url";
import { openUdpPort } from "../../src/ports/udp_port.ts";
import { eventually } from "../support/deadline.ts";
import { namespaceRefusal } from "../support/network/netns.ts";
import { type Launch, ServerProcess } from "../support/servers/server_process.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const OFFER = await Deno.readTextFile(`${ROOT}tests/testdata/sdp/chrome_156_recvonly.offer.sdp`);

/** Where the name server is that answers nothing; loopback has this address as well. */
const NAME_SERVER = "127.0.0.77";
const DNS_PORT = 53;

/** The task `start` with a resolver of its own, in a mount namespace. */
function startWithResolver(resolvConf: string): Launch {
  const [, ...args] = denoJson.tasks.start.split(" ");
  const bind = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';
  const env = Object.entries(Deno.env.toObject()).filter(([name]) => !name.startsWith("PINHOLE_"));
  return {
    command: [
      ...["unshare", "--mount", "sh", "-c", bind, resolvConf] as const,
      ...[Deno.execPath(), ...args, "--config", "/dev/null"],
    ],
    cwd: ROOT,
    env: Object.fromEntries(env),
  };
}

/** Offers by WHEP, under any name. @returns The head of the answer; empty when the connection ends without one. */
async function offerTo(server: ServerProcess, host: string): Promise<string> {
  using connection = await Deno.connect({
    hostname: "127.0.0.1",
    port: Number(new URL(server.origin).port),
  });
  const answer = new Response(connection.readable).text();
  await connection.write(new TextEncoder().encode(
    `POST /whep/main HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n` +
      `Content-Type: application/sdp\r\nContent-Length: ${OFFER.length}\r\n\r\n${OFFER}`,
  ));
  return (await answer.catch(() => "")).split("\r\n")[0] ?? "";
}

Deno.test("public address: a name that has none is said at start, and the server runs", async () => {
  const name = "no-such-host.invalid";
  await using server = await ServerProcess.start({ config: { "webrtc.public_ip": name } });
  const warning = () => server.log.find(({ event }) => event === "public_address_unknown");
  await eventually(() => warning() !== undefined, { what: "for the warning" });
  assert.match(String(warning()?.error), /webrtc\.public_ip = "no-such-host\.invalid"/);
});

const refusal = namespaceRefusal();

Deno.test({
  name: "public address: who waits for a slow name holds no place" +
    (refusal === undefined ? "" : ` (no namespaces: ${refusal})`),
  ignore: refusal !== undefined,
  async fn() {
    const resolvConf = await Deno.makeTempFile();
    await Deno.writeTextFile(
      resolvConf,
      `nameserver ${NAME_SERVER}\noptions timeout:5 attempts:1\n`,
    );
    const nameServer = openUdpPort(NAME_SERVER, DNS_PORT);
    let asked = 0;
    nameServer.onDatagram(() => asked++);
    try {
      await using server = await ServerProcess.start({
        ports: 1,
        config: { "webrtc.peers_per_port": 1, "webrtc.public_ip": "" },
        launch: startWithResolver(resolvConf),
      });
      const slow = offerTo(server, "slow.example.org");
      await eventually(() => asked > 0, { what: "for the name to be looked up" });
      // The only place there is.
      assert.match(await offerTo(server, "127.0.0.1"), / 201 /);
      assert.match(await slow, / 429 /);
    } finally {
      await nameServer.close();
      await Deno.remove(resolvConf);
    }
  },
});
