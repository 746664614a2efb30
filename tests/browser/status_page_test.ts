/// <reference lib="dom" />
import assert from "assert";
import type { Browser, Page } from "playwright-core";
import { mintToken } from "../../src/signalling/access.ts";
import { STATUS_ASSETS } from "../../src/viewer/assets.ts";
import { browserTest } from "../support/browsers/browser.ts";
import { BrowserPage } from "../support/browsers/browser_page.ts";
import { eventually } from "../support/deadline.ts";
import { ServerProcess } from "../support/servers/server_process.ts";

const SECRET = "a secret that is long enough for HS256: 0123456789";

/** About the widths at which the layout changes, and two phones. */
const WIDTHS = [360, 400, 600, 920, 921, 1080, 1081, 1340, 1341];

/** `/api/sessions` with the longest words in each column. */
const THIN = [{
  id: "s".repeat(64),
  age_s: 8000,
  viewers: [
    {
      port: 10111,
      transport: "tcp",
      state: "disconnected",
      codec: "h264",
      age_s: 90_000,
      bitrate_kbps: 190,
      target_kbps: 150,
      round_trip_ms: 1980,
      queue_ms: 1412,
      fraction_lost: 0.024,
    },
    {
      port: 10112,
      transport: null,
      state: "connecting",
      codec: "vp8",
      age_s: 1,
      bitrate_kbps: 0,
      target_kbps: 1200,
      round_trip_ms: null,
      queue_ms: null,
      fraction_lost: 0,
    },
  ],
}];

const REFERENCE = /(?:\bfrom |\bhref=|\bsrc=)"([^"]+)"/g;

/** The status page in a context of its own, and what it complains about. */
async function openStatus(
  browser: Browser,
  url: string,
): Promise<{ page: Page; complaints: string[] }> {
  const page = await (await browser.newContext()).newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  await page.goto(url);
  return { page, complaints };
}

/** Waits until the visible text of an element is as wanted. */
async function shows(page: Page, selector: string, wanted: RegExp): Promise<void> {
  await page.locator(selector).filter({ hasText: wanted }).first().waitFor();
}

/** What the rows of the table say, column by column. */
function readRows(page: Page): Promise<string[][]> {
  return page.evaluate(() =>
    Array.from(
      document.querySelectorAll("tbody tr:not(:first-child)"),
      (row) => Array.from(row.children, ({ textContent }) => textContent),
    )
  );
}

/** Whether anything is drawn in the plot in this colour of the page. */
function isDrawn(page: Page, property: string): Promise<boolean> {
  return page.evaluate((property) => {
    const canvas = document.querySelector<HTMLCanvasElement>("#plot");
    const context = canvas?.getContext("2d");
    if (!canvas || !context) return false;
    const hex = getComputedStyle(canvas).getPropertyValue(property).trim();
    const wanted = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    const { data, width } = context.getImageData(0, 0, canvas.width, canvas.height);
    // To the right of the gutter and of the legend's own sample of the colour.
    const columns = new Set<number>();
    for (let at = 0; at < data.length; at += 4) {
      const column = (at / 4) % width;
      if (column < width / 2) continue;
      if (wanted.every((value, index) => Math.abs((data[at + index] ?? 0) - value) < 40)) {
        columns.add(column);
      }
    }
    return columns.size > 1;
  }, property);
}

Deno.test("STATUS_ASSETS: holds everything that its files refer to, and nothing inline", () => {
  for (const [path, { body }] of STATUS_ASSETS) {
    for (const [, reference = ""] of body.matchAll(REFERENCE)) {
      const { pathname } = new URL(reference, `http://status.test${path}`);
      assert.ok(STATUS_ASSETS.has(pathname), `${path} refers to ${reference}`);
    }
  }
  const page = STATUS_ASSETS.get("/status")?.body ?? "";
  assert.match(page, /^<!doctype html>/);
  assert.doesNotMatch(page, /<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=|javascript:/i);
});

browserTest(
  "status page: shows sessions, viewers and ports as they come and go",
  async (browser) => {
    await using server = await ServerProcess.start({
      ports: 2,
      config: { "webrtc.peers_per_port": 2, "video.width": 320, "video.height": 180 },
    });
    const { page, complaints } = await openStatus(browser, `${server.origin}/status`);
    await shows(page, "#status", /^Ready$/);
    await shows(page, "#empty", /No viewers[^]*http:\/\/[^]*\/\?session=demo/);
    await shows(page, '[data-figure="version"]', /\d+\.\d+\.\d+/);
    await shows(page, '[data-figure="uptime"]', /^\d+ s$/);
    await shows(page, '[data-figure="headroom"]', /^\d+ %$/);
    await shows(page, "#page-link", /Viewer page/);
    await shows(page, "#ports-words", /^4 places free$/);
    {
      await using one = await BrowserPage.open(browser, `${server.origin}/?session=one`);
      await using two = await BrowserPage.open(browser, `${server.origin}/?session=two`);
      await one.read(1);
      await two.read(1);
      await shows(page, "tbody:nth-of-type(1) th", /one 1 viewer, open for/);
      await shows(page, "tbody:nth-of-type(2) th", /two 1 viewer, open for/);
      await shows(page, '[data-label="Bitrate"]', /[1-9][\d,]* kbit\/s/);
      await shows(page, '[data-label="Round trip"]', /\d ms/);
      await shows(page, '[data-label="Queue"]', /^\d+ ms$/);
      // The page asks once a second: its row of the second viewer may be older than the picture.
      await shows(page, 'tbody:nth-of-type(1) [data-label="State"]', /^connected$/);
      await shows(page, 'tbody:nth-of-type(2) [data-label="State"]', /^connected$/);
      const rows = await readRows(page);
      assert.equal(rows.length, 2);
      for (const [port, state, way, codec, , target, , , lost] of rows) {
        assert.ok([server.portMin, server.portMin + 1].includes(Number(port)), port);
        assert.deepEqual([state, way, codec], ["connected", "UDP", "H264"]);
        assert.match(target ?? "", /^[\d,]+ kbit\/s$/);
        assert.match(lost ?? "", /^\d+(\.\d)? %$/);
      }
      await shows(page, '[data-figure="viewers"]', /^2$/);
      await shows(page, "#ports-words", /^2 places free$/);
      assert.deepEqual(await page.locator("#ports span").allTextContents(), [
        "1 of 2 used",
        "1 of 2 used",
      ]);
      await eventually(() => isDrawn(page, "--series-2"), { what: "for the line of the bitrate" });
      await eventually(() => isDrawn(page, "--series-3"), {
        what: "for the line of the round trip",
      });
    }
    await shows(page, "#empty", /No viewers[^]*http:\/\/[^]*\/\?session=demo/);
    await shows(page, '[data-figure="version"]', /\d+\.\d+\.\d+/);
    await shows(page, '[data-figure="uptime"]', /^\d+ s$/);
    await shows(page, "#page-link", /Viewer page/);
    await shows(page, "#ports-words", /^4 places free$/);
    assert.equal(await page.locator("tbody").count(), 0);
    assert.deepEqual(complaints, []);
  },
);

browserTest("status page: a thin path shows, at any width of the window", async (browser) => {
  await using server = await ServerProcess.start({ ports: 1 });
  const { page } = await openStatus(browser, `${server.origin}/status`);
  await page.route(`${server.origin}/api/sessions`, (route) => route.fulfill({ json: THIN }));
  await shows(page, '[data-label="Target"]', /^150 kbit\/s$/);
  await shows(page, '[data-label="Target"]', /^1,200 kbit\/s$/);
  await shows(page, '[data-label="Queue"][data-tone="warn"]', /^1,412 ms$/);
  await shows(page, '[data-label="Queue"][data-tone=""]', /^–$/);
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 800 });
    const tooWide = await page.evaluate(() =>
      Array.from(document.querySelectorAll("html, #sessions, td, dd"))
        .filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)
        .map(({ tagName, textContent }) => `${tagName} ${textContent}`)
    );
    assert.deepEqual(tooWide, [], `at ${width} px`);
  }
});

browserTest(
  "status page: on a phone nothing is wider than the screen, light or dark",
  async (browser) => {
    await using server = await ServerProcess.start({ ports: 1 });
    await using viewer = await BrowserPage.open(
      browser,
      `${server.origin}/?session=${"s".repeat(64)}`,
    );
    await viewer.read(1);
    for (const colorScheme of ["light", "dark"] as const) {
      const context = await browser.newContext({
        colorScheme,
        viewport: { width: 360, height: 740 },
      });
      const page = await context.newPage();
      await page.goto(`${server.origin}/status`);
      await shows(page, '[data-label="State"]', /connected/);
      const tooWide = await page.evaluate(() =>
        Array.from(document.querySelectorAll("html, td, dd"))
          .filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)
          .map(({ textContent }) => textContent)
      );
      assert.deepEqual(tooWide, []);
      await context.close();
    }
  },
);

browserTest(
  "status page: says what token it needs, and takes it without the address",
  async (browser) => {
    const secretFile = await Deno.makeTempFile();
    try {
      await Deno.writeTextFile(secretFile, SECRET);
      await Deno.chmod(secretFile, 0o600);
      await using server = await ServerProcess.start({
        ports: 1,
        config: { "auth.secret_file": secretFile },
      });
      const { page } = await openStatus(browser, `${server.origin}/status`);
      await shows(page, "#notice-title", /^You need a token to read the list of sessions$/);
      await shows(page, "#notice-text", /pinhole token --session '\*'/);
      const key = new TextEncoder().encode(SECRET);
      const one = await mintToken(key, { session: "demo", ttlS: 600 });
      await page.goto(`${server.origin}/status?token=${one}`);
      await shows(page, "#notice-title", /^This token does not allow you to read/);

      const asked: string[] = [];
      page.on("request", (request) => asked.push(request.url()));
      await page.fill("#token", await mintToken(key, { session: "*", ttlS: 600 }));
      await page.click("#token-form button");
      await shows(page, "#status", /^Ready$/);
      assert.ok(await page.locator("#notice").isHidden());
      const lists = asked.filter((url) => url.includes("/api/"));
      assert.ok(lists.length > 0);
      assert.deepEqual(lists.filter((url) => url.includes("token")), []);
    } finally {
      await Deno.remove(secretFile);
    }
  },
);

browserTest("status page: keeps what it heard last while the server is away", async (browser) => {
  await using server = await ServerProcess.start({ ports: 1 });
  const { page } = await openStatus(browser, `${server.origin}/status`);
  await shows(page, "#ports-words", /^1 place free$/);
  const away = `${server.origin}/{api/**,readyz}`;
  await page.route(away, (route) => route.abort());
  await shows(page, "#notice-title", /^The server at 127\.0\.0\.1:\d+ does not answer$/);
  assert.equal(await page.textContent("#ports-words"), "1 place free");
  await page.unroute(away);
  await shows(page, "#status", /^Ready$/);

  await page.route(
    `${server.origin}/readyz`,
    (route) => route.fulfill({ status: 503, body: "warming up\n" }),
  );
  await shows(page, "#status", /^Not ready: warming up$/);
  await page.route(
    `${server.origin}/api/sessions`,
    (route) => route.fulfill({ status: 502, body: "<h1>Bad gateway</h1>" }),
  );
  await shows(page, "#notice-title", /^The server answers with HTTP 502$/);
});
