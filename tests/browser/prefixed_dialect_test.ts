import assert from "assert";
import { browserTest } from "../support/browsers/browser.ts";
import { assertSteady, BrowserPage, PageHost } from "../support/browsers/browser_page.ts";
import { ServerProcess } from "../support/servers/server_process.ts";

browserTest("prefixed dialect: a page that speaks it plays", async (browser) => {
  await using host = new PageHost();
  await using server = await ServerProcess.start({
    config: { "server.allowed_origins": host.origin },
  });
  const query = new URLSearchParams({
    server: server.origin.replace("http", "ws"),
    session: "demo",
  });
  await using page = await BrowserPage.open(
    browser,
    `${host.origin}/prefixed_dialect.html?${query}`,
  );
  assertSteady(await page.read(15), { gapMax: 15 });
  await page.told("webrtc_state", ({ state }) => state === "connected");

  const [offer, ...candidates] = page.sent;
  assert.equal(offer?.type, "webrtc_offer");
  assert.ok(candidates.length > 0, "The page sent no candidate");
  assert.ok(candidates.every(({ type }) => type === "webrtc_ice_candidate"));
  const types = page.received.map(({ type }) => type);
  assert.deepEqual(types.slice(0, 2), ["webrtc_answer", "webrtc_ice_candidate"]);
  assert.deepEqual(new Set(types.slice(2)), new Set(["webrtc_state"]));
  assert.deepEqual(page.errors, []);
  assert.deepEqual(server.complaints, []);
});
