import assert from "assert";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";
import { eventually } from "../support/deadline.ts";
import { startTestServer, type TestServer } from "../support/servers/test_server.ts";

/** An offer that is answered and never acted on. */
const IDLE = { answer: () => undefined };

async function readiness(server: TestServer): Promise<string> {
  return await (await fetch(`http://${server.host}/readyz`)).text();
}

Deno.test("overload: a server whose event loop is blocked refuses by name, and recovers after the load", async () => {
  await using server = await startTestServer({ sessions: { refuse_when_busy: true } });
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
  // Timers that are due every 20 ms have less than 3 % of the time.
  await using viewers = new AsyncDisposableStack();
  const refusalOf = async (session: string) => {
    const joined = viewers.use(await WeriftViewer.join(server.signallingUrl(session), IDLE));
    return joined.find("error");
  };
  const blocking = setInterval(() => {
    for (const endMs = performance.now() + 700; performance.now() < endMs;);
  });
  try {
    await eventually(async () => await readiness(server) === "busy\n", {
      what: "for the server to be busy",
    });
    const error = await refusalOf("other");
    assert.deepEqual(
      [error?.code, error?.reason, error?.retry_after_ms],
      ["no_free_port", "busy", 5_000],
    );
  } finally {
    clearInterval(blocking);
  }
  const had = viewer.packets.length;
  await eventually(async () => await readiness(server) === "ready\n", {
    what: "for the server to recover",
  });
  await eventually(() => viewer.packets.length > had, { what: "for pictures to go on" });
  assert.equal(await refusalOf("other"), undefined);
});
