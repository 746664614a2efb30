import assert from "assert";
import { ClientViewer } from "../support/clients/client_viewer.ts";
import { clientTest, startServerForClients } from "../support/clients/foreign_clients.ts";

for (const codec of ["H264", "VP8"] as const) {
  clientTest(`plays ${codec} and sound`, async (kind) => {
    await using server = await startServerForClients();
    const offer = { video: 1, audio: 1, codec };
    await using viewer = await ClientViewer.join(kind, server.signallingUrl("main"), offer);
    await viewer.program.receives(30, "video", "audio");
    await viewer.program.state("connected");
    await viewer.state("connected");
    const { keyframes, width, height } = viewer.program.media("video");
    if (keyframes !== undefined) assert.ok(keyframes > 0);
    if (width !== undefined) assert.deepEqual([width, height], [160, 120]);
    const [session] = await server.sessions();
    assert.equal(session?.viewers[0]?.codec, codec.toLowerCase());
  });
}
