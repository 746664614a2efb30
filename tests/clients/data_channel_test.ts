import assert from "assert";
import { ClientViewer } from "../support/clients/client_viewer.ts";
import { clientTest, startServerForClients } from "../support/clients/foreign_clients.ts";
import { compileReference } from "../support/renderers/native.ts";

/** More than one packet, and more than the first window of SCTP (RFC 9260 §7.2.1). */
const LONG = "x".repeat(20_000);

clientTest("sends messages to the renderer, and gets them back", async (kind) => {
  // The reference library gives each message back.
  await using server = await startServerForClients({
    renderer: { library: await compileReference() },
  });
  const offer = { video: 1, channel: true };
  await using viewer = await ClientViewer.join(kind, server.signallingUrl("main"), offer);
  const { program } = viewer;
  await program.next("channel", { where: ({ state }) => state === "open" });
  await program.send("first");
  // One without content shows where the client is, and is passed to nobody. webrtcbin 1.22 fails to send
  // such, and str0m 0.24 sends none but counts it, so that what follows waits for it.
  if (kind !== "gstreamer" && kind !== "str0m") await program.send("");
  for (const text of ["ünïcödé 🎈", LONG, "last"]) await program.send(text);
  await program.next("message", { where: ({ text }) => text === "last" });
  const got = program.events.filter(({ event }) => event === "message").map(({ text }) => text);
  assert.deepEqual(got, ["first", "ünïcödé 🎈", LONG, "last"]);
});
