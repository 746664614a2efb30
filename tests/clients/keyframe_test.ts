import assert from "assert";
import { ClientViewer } from "../support/clients/client_viewer.ts";
import { CLIENTS } from "../support/clients/client_programs.ts";
import { eventually } from "../support/deadline.ts";
import { clientTest, startServerForClients } from "../support/clients/foreign_clients.ts";

for (const codec of ["H264", "VP8"] as const) {
  clientTest(`asks for a keyframe of ${codec}, and gets one`, async (kind) => {
    await using server = await startServerForClients();
    const offer = { video: 1, codec };
    await using viewer = await ClientViewer.join(kind, server.signallingUrl("main"), offer);
    const { program } = viewer;
    await program.receives(30, "video");
    const keyframes = () => Number(program.media("video").keyframes);
    const before = keyframes();
    await program.keyframe();
    await eventually(() => keyframes() > before, {
      what: () => `for a keyframe\n${program.lastWords}`,
    });
    // webrtcbin asks by FIR (RFC 5104 §3.5.1) where both were offered.
    const reason = kind === "gstreamer" ? "fir" : "pli";
    assert.ok(await server.metric("keyframes_requested_total", { reason }) > 0);
    // aiortc does not tell which pictures of VP8 were keyframes.
  }, { clients: codec === "VP8" ? CLIENTS.filter((kind) => kind !== "aiortc") : CLIENTS });
}
