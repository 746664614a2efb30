import assert from "assert";
import { browserTest } from "../support/browsers/browser.ts";
import { MappedServer } from "../support/browsers/path_check_page.ts";

/** A site of somebody else. */
function serveSite(): AsyncDisposable & { readonly origin: string } {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () =>
      new Response("<!doctype html><title>Site</title><body></body>", {
        headers: { "Content-Type": "text/html" },
      }),
  );
  const origin = `http://127.0.0.1:${server.addr.port}`;
  return { origin, [Symbol.asyncDispose]: () => server.shutdown() };
}

browserTest(
  "other origin: an allowed page checks its path and shows the viewer page in a frame",
  async (browser) => {
    await using site = serveSite();
    await using mapped = await MappedServer.start({
      ports: 2,
      config: { "server.allowed_origins": site.origin },
    });
    const { origin } = mapped.server;
    const page = await browser.newPage();
    await page.goto(site.origin);
    const steps = await page.evaluate(async (server) => {
      const { checkPath } = await import(`${server}/pinhole.js`);
      const report = await checkPath();
      return report.steps.map(({ kind, state }: { kind: string; state: string }) =>
        `${kind} ${state}`
      );
    }, origin);
    assert.ok(steps.includes("http ok"), steps.join(", "));
    assert.ok(steps.includes("websocket ok"), steps.join(", "));
    assert.ok(!steps.some((step: string) => step.endsWith("failed")), steps.join(", "));

    await page.evaluate((src) => {
      const frame = document.createElement("iframe");
      frame.src = src;
      document.body.append(frame);
    }, `${origin}/?session=main`);
    await page.waitForFunction(() => document.querySelector("iframe") !== null);
    const [, frame] = page.frames();
    await frame?.waitForFunction(() => {
      const video = document.querySelector("video");
      return video !== null && video.currentTime > 0.3;
    });
    await page.close();
  },
);
