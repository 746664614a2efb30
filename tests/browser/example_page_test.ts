/// <reference lib="dom" />
import assert from "assert";
import { browserTest } from "../support/browsers/browser.ts";
import { compileReference } from "../support/renderers/native.ts";
import { ServerProcess } from "../support/servers/server_process.ts";

const PAGES = new URL("../../examples/page/", import.meta.url);
/** Where the pages look for their server. */
const WRITTEN = "http://localhost:9000";

/** A site with the pages of examples/page, for a server whose address is known later. */
function serveExamples(): AsyncDisposable & { origin: string; server: string } {
  const site = { origin: "", server: "" };
  const listener = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async ({ url }) => {
      const { pathname } = new URL(url);
      if (!pathname.endsWith(".html")) return new Response(null, { status: 204 });
      const text = await Deno.readTextFile(new URL(`.${pathname}`, PAGES));
      assert.ok(text.includes(WRITTEN));
      return new Response(text.replaceAll(WRITTEN, site.server), {
        headers: { "Content-Type": "text/html" },
      });
    },
  );
  site.origin = `http://127.0.0.1:${listener.addr.port}`;
  return Object.assign(site, { [Symbol.asyncDispose]: () => listener.shutdown() });
}

browserTest(
  "examples/page: pages of another origin play, by the element and by the API",
  async (browser) => {
    await using site = serveExamples();
    await using server = await ServerProcess.start({
      config: {
        "server.allowed_origins": site.origin,
        // It sends messages back.
        "renderer.library": await compileReference(),
        "video.width": 640,
        "video.height": 360,
      },
    });
    site.server = server.origin;
    for (const name of ["element.html", "player.html"]) {
      const page = await browser.newPage();
      const complaints: string[] = [];
      page.on("pageerror", (error) => complaints.push(error.message));
      page.on("console", (message) => {
        if (message.type() === "error") complaints.push(message.text());
      });
      await page.goto(`${site.origin}/${name}`);
      // Playwright looks into shadow trees too.
      await page.locator("video").evaluate((video: HTMLVideoElement) =>
        new Promise<void>((resolve) => {
          video.addEventListener("timeupdate", () => {
            if (video.currentTime > 0.3) resolve();
          });
        })
      );
      await page.locator("p").filter({ hasText: /^playing$/ }).waitFor();
      if (name === "element.html") {
        await page.click("button");
        await page.locator("button").filter({ hasText: /^Turn sound off$/ }).waitFor();
      } else {
        await page.fill("input", "hello");
        await page.click("form button");
        await page.locator("p").filter({ hasText: /^The renderer says: hello$/ }).waitFor();
      }
      assert.deepEqual(complaints, []);
      await page.close();
    }
  },
);
