import assert from "assert";
import { fileURLToPath } from "node:url";
import { eventually } from "../support/deadline.ts";
import { ServerProcess } from "../support/servers/server_process.ts";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

Deno.test("serve: errors that nothing catches are counted and logged, and the server goes on", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/now`;
    const preload = fileURLToPath(new URL("../testdata/defects.ts", import.meta.url));
    await using server = await ServerProcess.start({
      launch: {
        command: [Deno.execPath(), "run", "-A", "--preload", preload, "main.ts", "serve"],
        cwd: ROOT,
        env: { ...Deno.env.toObject(), PINHOLE_TEST_DEFECTS: file },
      },
    });
    await using viewer = await WeriftViewer.play(server.origin.replace("http", "ws") + "/ws/main");
    await Deno.writeTextFile(file, "");
    const seen = () => server.log.filter(({ event }) => event === "unexpected_error");
    await eventually(() => seen().length === 2, { what: "for both defects in the log" });
    assert.deepEqual(seen().map(({ kind, level }) => `${level} ${kind}`).toSorted(), [
      "error uncaught_error",
      "error unhandled_rejection",
    ]);
    await viewer.receives(20);
    const metrics = await (await fetch(`${server.origin}/metrics`)).text();
    for (const kind of ["uncaught_error", "unhandled_rejection"]) {
      assert.match(metrics, new RegExp(`pinhole_unexpected_errors_total{kind="${kind}"} 1`));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
