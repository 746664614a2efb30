import assert from "assert";
import { startTestServer } from "../support/servers/test_server.ts";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";

/** Long enough for 20 keyframes, one in 300 ms, if all were made that are asked for. */
const FLOOD_MS = 6_000;
const INTERVAL_MS = 50;
/** Three at once and one each 5 s of the flood; one more each for the neighbour's own losses, and the join. */
const KEYFRAMES_MAX = 7;

Deno.test("keyframes: a viewer that asks all the time costs its neighbour a handful", async () => {
  await using server = await startTestServer();
  await using neighbour = await WeriftViewer.play(server.signallingUrl("main"));
  await using flooder = await WeriftViewer.play(server.signallingUrl("main"));
  await neighbour.receives(10);
  const keyframes = () => neighbour.frames.filter(({ keyframe }) => keyframe).length;
  const before = { keyframes: keyframes(), frames: neighbour.frames.length };
  for (let elapsedMs = 0; elapsedMs < FLOOD_MS; elapsedMs += INTERVAL_MS) {
    await flooder.pli();
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
  }
  const cost = keyframes() - before.keyframes;
  assert.ok(cost >= 1 && cost <= KEYFRAMES_MAX, `${cost} keyframes`);
  assert.ok(neighbour.frames.length - before.frames > 20, "the picture moves on");
  assert.ok(await server.metric("keyframes_suppressed_total", { reason: "pli" }) > 20);
});
