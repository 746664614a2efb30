import assert from "assert";
import { ClientViewer } from "../support/clients/client_viewer.ts";
import { clientTest, startServerForClients } from "../support/clients/foreign_clients.ts";
import { compileReference } from "../support/renderers/native.ts";

clientTest(
  "adds sound and a channel by further offers, and stays the viewer that it is",
  async (kind) => {
    await using server = await startServerForClients({
      renderer: { library: await compileReference() },
    });
    const url = server.signallingUrl("main");
    await using viewer = await ClientViewer.join(kind, url, { video: 1 });
    const { program } = viewer;
    await program.receives(30, "video");
    await viewer.offer({ audio: 1 });
    await program.receives(30, "video", "audio");
    await viewer.offer({ channel: true });
    await program.next("channel", { where: ({ state }) => state === "open" });
    await program.send("late");
    await program.next("message", { where: ({ text }) => text === "late" });
    await program.receives(30, "video", "audio");
    const ids = viewer.messages.filter(({ type }) => type === "answer").map((each) => each.viewer);
    assert.equal(ids.length, 3);
    assert.equal(new Set(ids).size, 1);
    assert.equal(await server.metric("viewers_joined_total"), 1);
    assert.deepEqual(program.events.filter(({ event }) => event === "ended"), []);
  },
);
