import { ClientViewer } from "../support/clients/client_viewer.ts";
import { CLIENTS } from "../support/clients/client_programs.ts";
import { eventually } from "../support/deadline.ts";
import { clientTest, startServerForClients } from "../support/clients/foreign_clients.ts";

/** webrtcbin 1.22 and libdatachannel stop without an alert. */
const CLIENTS_THAT_SAY_SO = CLIENTS.filter((kind) =>
  kind !== "gstreamer" && kind !== "libdatachannel"
);
/** webrtcbin 1.22 passes over the server's alert. */
const CLIENTS_THAT_LISTEN = CLIENTS.filter((kind) => kind !== "gstreamer");

clientTest("closes its peer connection, and its place is free", async (kind) => {
  // Nothing else frees it in the time that a test waits.
  await using server = await startServerForClients({ webrtc: { idle_timeout_s: 3_600 } });
  await using viewer = await ClientViewer.join(kind, server.signallingUrl("main"));
  await viewer.program.receives(5, "video");
  // The WebSocket stays open: what frees the place is DTLS' alert (RFC 5246 §7.2.1).
  await viewer.program.close();
  await eventually(async () => await server.usedPlaces() === 0, { what: "for the place" });
  await viewer.state("closed");
}, { clients: CLIENTS_THAT_SAY_SO });

clientTest("closes its WebSocket, and is told that media ends", async (kind) => {
  await using server = await startServerForClients({ webrtc: { idle_timeout_s: 3_600 } });
  await using viewer = await ClientViewer.join(kind, server.signallingUrl("main"));
  await viewer.program.receives(5, "video");
  await viewer.closeSocket();
  await eventually(async () => await server.usedPlaces() === 0, { what: "for the place" });
  await viewer.program.next("state", {
    where: ({ state }) => state === "closed" || state === "disconnected" || state === "failed",
  });
}, { clients: CLIENTS_THAT_LISTEN });
