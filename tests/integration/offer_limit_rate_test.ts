import assert from "assert";
import { eventually } from "../support/deadline.ts";
import { startTestServer } from "../support/test_server.ts";
import { WeriftViewer } from "../support/werift_viewer.ts";

const LIMIT_KBPS = 100;
const SAMPLES = 20;
const SAMPLE_MS = 200;

Deno.test("b=AS: a viewer is sent no more than its offer allows, below the lowest rate of the server too", async () => {
  await using server = await startTestServer({ video: { bitrate_kbps: 2_000 } });
  const offer = (sdp: string) =>
    sdp.replace(/(m=video[^]*?c=[^\r\n]*\r\n)/, `$1b=AS:${LIMIT_KBPS}\r\n`);
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"), { offer });
  assert.match(offer(viewer.peer.localDescription?.sdp ?? ""), /b=AS:100/);
  for (let sample = 0; sample < SAMPLES; sample++) {
    const [session] = await server.sessions();
    const [seen] = session?.viewers ?? [];
    const target = Number(seen?.target_kbps);
    assert.ok(target > 0 && target <= LIMIT_KBPS, `the target is ${target}`);
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
  }
  await eventually(() => viewer.frames.length > 10, { what: "for pictures" });
});
