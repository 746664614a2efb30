import assert from "assert";
import { ClientViewer } from "../support/clients/client_viewer.ts";
import { clientTest, startServerForClients } from "../support/clients/foreign_clients.ts";

clientTest("plays by ICE-TCP where UDP is not offered", async (kind) => {
  await using server = await startServerForClients({ webrtc: { tcp: true } });
  const offer = { video: 1, audio: 1, network: "tcp" } as const;
  await using viewer = await ClientViewer.join(kind, server.signallingUrl("main"), offer, {
    answer: (sdp) => sdp.replace(/^a=candidate:.* udp .*\r\n/mi, ""),
  });
  // Its connection loses the framing after 0.4 s at the earliest: docs/ice_tcp.md.
  await viewer.program.receives(kind === "libdatachannel" ? 10 : 30, "video", "audio");
  const [session] = await server.sessions();
  assert.equal(session?.viewers[0]?.transport, "tcp");
}, { clients: ["pion", "libdatachannel", "gstreamer"] });
