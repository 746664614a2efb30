import assert from "assert";
import { eventually } from "../support/deadline.ts";
import { startTestServer, type TestServer } from "../support/servers/test_server.ts";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";

const LIMIT_KBPS = 100;
const SAMPLES = 20;
const SAMPLE_MS = 200;

/** The offer with a limit behind the `c=` of its video section. */
function limited(sdp: string): string {
  return sdp.replace(/(m=video[^]*?c=[^\r\n]*\r\n)/, `$1b=AS:${LIMIT_KBPS}\r\n`);
}

Deno.test("b=AS: a viewer is sent no more than its offer allows, below the lowest rate of the server too", async () => {
  await using server = await startTestServer({ video: { bitrate_kbps: 2_000 } });
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"), { offer: limited });
  assert.match(limited(viewer.peer.localDescription?.sdp ?? ""), /b=AS:100/);
  for (let sample = 0; sample < SAMPLES; sample++) {
    const [session] = await server.sessions();
    const [seen] = session?.viewers ?? [];
    const target = Number(seen?.target_kbps);
    assert.ok(target > 0 && target <= LIMIT_KBPS, `the target is ${target}`);
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
  }
  await eventually(() => viewer.frames.length > 10, { what: "for pictures" });
});

/** What the viewers of the one session have by /api/sessions, in kbit/s, in the order in which they came. */
async function targets(server: TestServer): Promise<number[]> {
  const [session] = await server.sessions();
  return session?.viewers.map(({ target_kbps }) => target_kbps) ?? [];
}

Deno.test("b=AS: the others of a session never share the limit, whether it comes with the first offer or a later one", async () => {
  for (const when of ["first", "later"]) {
    await using server = await startTestServer({ video: { bitrate_kbps: 2_000 } });
    const url = server.signallingUrl("main");
    await using free = await WeriftViewer.play(url);
    await using other = await WeriftViewer.play(url, when === "first" ? { offer: limited } : {});
    if (when === "later") {
      other.send({ type: "offer", sdp: limited(other.peer.localDescription?.sdp ?? "") });
      const answers = () => other.messages.filter(({ type }) => type === "answer").length;
      await eventually(() => answers() > 1, { what: "for the second answer" });
    }
    // Before the first picture within the limit: whoever shares an encoder has the least rate of all.
    assert.equal(await server.metric("layer_changes_total", { to: "low" }), 1, when);
    const before = [free.packets.length, other.packets.length] as const;
    for (let sample = 0; sample < SAMPLES; sample++) {
      const [, target = 0] = await targets(server);
      assert.ok(target > 0 && target <= LIMIT_KBPS, `the target is ${target}`);
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    }
    assert.equal(await server.metric("layer_changes_total"), 1, when);
    assert.ok(free.packets.length > before[0] && other.packets.length > before[1]);
  }
});
