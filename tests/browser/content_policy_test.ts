import assert from "assert";
import { browserTest } from "../support/browsers/browser.ts";
import { checkPath, MappedServer } from "../support/browsers/path_check_page.ts";

browserTest(
  "content policy: the page plays and checks its path without breaking it",
  async (browser) => {
    await using mapped = await MappedServer.start({ ports: 2 });
    const page = await browser.newPage();
    const told: string[] = [];
    page.on("console", (message) => {
      if (message.type() !== "log") told.push(message.text());
    });
    await page.addInitScript(() => {
      const violations: string[] = [];
      Object.assign(globalThis, { violations });
      document.addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) => {
        violations.push(`${effectiveDirective} ${blockedURI}`);
      });
    });
    await page.goto(`${mapped.server.origin}/?session=main`);
    await page.waitForFunction(() => {
      const video = document.querySelector("video");
      return video !== null && video.currentTime > 0.5;
    });
    const { tone } = await checkPath(page);
    assert.equal(tone, "good");
    assert.deepEqual(await page.evaluate(() => Reflect.get(globalThis, "violations")), []);
    assert.deepEqual(told, []);

    // The same page, made to break the policy: the test would hear of it.
    await page.evaluate(() => {
      const image = new Image();
      image.src = "http://elsewhere.invalid/picture.png";
      document.body.append(image);
    });
    await page.waitForFunction(() => Reflect.get(globalThis, "violations").length > 0);
    assert.deepEqual(await page.evaluate(() => Reflect.get(globalThis, "violations")), [
      "img-src http://elsewhere.invalid/picture.png",
    ]);
    await page.close();
  },
);
