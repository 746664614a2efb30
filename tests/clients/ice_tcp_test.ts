import assert from "assert";
import { ClientViewer } from "../support/clients/client_viewer.ts";
import type { ClientKind } from "../support/clients/client_programs.ts";
import { clientTest, startServerForClients } from "../support/clients/foreign_clients.ts";
import type { TestServer } from "../support/servers/test_server.ts";

/** How often libdatachannel may lose the framing of its own stream: docs/ice_tcp.md has that fault of its. */
const LOST_FRAMINGS_MAX = 4;

clientTest("plays by ICE-TCP where UDP is not offered", async (kind) => {
  await using server = await startServerForClients({ webrtc: { tcp: true } });
  for (let lost = 0; !(await plays(kind, server)); lost++) {
    assert.ok(lost < LOST_FRAMINGS_MAX, `${kind} has lost its framing each time`);
  }
}, { clients: ["pion", "libdatachannel", "gstreamer"] });

/** @returns False when the client failed by its known fault, which the server has seen. */
async function plays(kind: ClientKind, server: TestServer): Promise<boolean> {
  const offer = { video: 1, audio: 1, network: "tcp" } as const;
  const before = await brokenStreams(server);
  await using viewer = await ClientViewer.join(kind, server.signallingUrl("main"), offer, {
    answer: (sdp) => sdp.replace(/^a=candidate:.* udp .*\r\n/mi, ""),
  });
  try {
    await viewer.program.receives(30, "video", "audio");
  } catch (error) {
    const isKnown = kind === "libdatachannel" && await brokenStreams(server) > before;
    if (!isKnown) throw error;
    return false;
  }
  const [session] = await server.sessions();
  assert.equal(session?.viewers[0]?.transport, "tcp");
  return true;
}

/** What the server counts of a stream that has lost its framing. */
async function brokenStreams(server: TestServer): Promise<number> {
  const counts = [
    server.metric("ice_tcp_ended_total", { reason: "too_long" }),
    server.metric("stun_rejected_total", { reason: "bad_cookie" }),
    server.metric("packets_dropped_total", { reason: "unknown_kind" }),
  ];
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}
