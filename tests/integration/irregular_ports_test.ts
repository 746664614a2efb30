import assert from "assert";
import { IceTcpTunnel } from "../support/network/ice_tcp_tunnel.ts";
import { UdpRelay } from "../support/network/udp_relay.ts";
import { startTestServer, type TestServer } from "../support/servers/test_server.ts";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";

function portOf(server: TestServer): number {
  return server.ports[0] ?? assert.fail();
}

function candidatesOf(sdp: string): string[] {
  return sdp.match(/^a=candidate:.*(?=\r$)/gm) ?? [];
}

Deno.test("irregular ports: a mapping that is known later comes by a reload, and viewers play through it", async () => {
  await using server = await startTestServer({}, { ports: 1 });
  await using tunnel = new UdpRelay();
  tunnel.passTo(portOf(server));
  await server.reload({ webrtc: { public_ports: [`${portOf(server)}/udp=${tunnel.port}`] } });
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
  assert.deepEqual(
    candidatesOf(viewer.answerSdp).map((line) => line.replace(/^.* udp \d+/, "udp")),
    [`udp 127.0.0.1 ${tunnel.port} typ host`],
  );
  await viewer.receives(10);
});

Deno.test("irregular ports: a host without UDP binds none and announces TCP alone, where it is mapped", async () => {
  const tcpAlone = { udp: false, tcp: true };
  await using server = await startTestServer({ webrtc: tcpAlone }, { ports: 1 });
  const port = portOf(server);
  Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port }).close();
  const webrtc = { ...tcpAlone, public_ports: [`${port}/tcp=203.0.113.7:41022`] };
  await server.reload({ webrtc });
  await using tunnel = new IceTcpTunnel(() => port);
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"), {
    answer: (sdp) => {
      assert.match(sdp, /^c=IN IP4 203\.0\.113\.7\r$/m);
      const [candidate, ...others] = candidatesOf(sdp);
      assert.deepEqual(others, []);
      assert.match(candidate ?? "", / tcp \d+ 203\.0\.113\.7 41022 typ host tcptype passive$/);
      // werift has no TCP: its datagrams take the tunnel.
      return sdp.replace(
        candidate ?? "",
        `a=candidate:1 1 udp 1 127.0.0.1 ${tunnel.port} typ host`,
      );
    },
  });
  await viewer.receives(10);
  assert.equal((await server.sessions())[0]?.viewers[0]?.transport, "tcp");
});
