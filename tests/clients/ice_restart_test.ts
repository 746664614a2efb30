import assert from "assert";
import { ClientViewer } from "../support/clients/client_viewer.ts";
import { clientTest, startServerForClients } from "../support/clients/foreign_clients.ts";

clientTest("restarts ICE on the same WebSocket, and stays the viewer that it is", async (kind) => {
  await using server = await startServerForClients();
  await using viewer = await ClientViewer.join(kind, server.signallingUrl("main"));
  await viewer.program.receives(30, "video", "audio");
  const [former] = viewer.messages.filter(({ type }) => type === "answer");
  await viewer.offer({ restart: true });
  await viewer.program.receives(30, "video", "audio");
  const ids = viewer.messages.filter(({ type }) => type === "answer").map((each) => each.viewer);
  assert.deepEqual(ids, [former?.viewer, former?.viewer]);
  assert.equal(await server.metric("viewers_joined_total"), 1);
}, { clients: ["pion", "str0m"] });
