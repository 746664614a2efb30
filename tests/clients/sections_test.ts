import assert from "assert";
import { ClientViewer } from "../support/clients/client_viewer.ts";
import { clientTest, startServerForClients } from "../support/clients/foreign_clients.ts";

clientTest("plays without sound where the server sends none", async (kind) => {
  await using server = await startServerForClients({ audio: { enabled: false } });
  await using viewer = await ClientViewer.join(kind, server.signallingUrl("main"));
  await viewer.program.receives(30, "video");
  assert.equal(viewer.program.media("audio").packets, 0);
});

clientTest("plays one of two sections of video", async (kind) => {
  await using server = await startServerForClients();
  const offer = { video: 2, audio: 1 };
  await using viewer = await ClientViewer.join(kind, server.signallingUrl("main"), offer);
  await viewer.program.receives(30, "video", "audio");
});

clientTest("plays beside a section that it has given up itself", async (kind) => {
  await using server = await startServerForClients();
  const offer = { video: 1, audio: 1 };
  // Port 0 without bundle-only: RFC 9429 §5.2.2, as after `stop()` of a transceiver.
  const stop = (sdp: string) =>
    sdp.replace(/^m=audio \d+/m, "m=audio 0").replace("a=bundle-only\r\n", "");
  await using viewer = await ClientViewer.join(kind, server.signallingUrl("main"), offer, {
    offer: stop,
  });
  await viewer.program.receives(30, "video");
});

clientTest("plays with bundle policy max-bundle", async (kind) => {
  await using server = await startServerForClients();
  const offer = { video: 1, audio: 1, channel: true, bundle: "max-bundle" } as const;
  await using viewer = await ClientViewer.join(kind, server.signallingUrl("main"), offer);
  await viewer.program.receives(30, "video", "audio");
  await viewer.program.next("channel");
});
