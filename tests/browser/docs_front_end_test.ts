/// <reference lib="dom" />
import assert from "assert";
import { browserTest } from "../support/browsers/browser.ts";
import { assertSteady, BrowserPage } from "../support/browsers/browser_page.ts";
import { ServerProcess } from "../support/servers/server_process.ts";

const DOCUMENT = new URL("../../docs/port_mapping.md", import.meta.url);

/** The script under a heading of the document. */
async function scriptOf(heading: string): Promise<string> {
  const text = await Deno.readTextFile(DOCUMENT);
  const section = text.slice(text.indexOf(`\n## ${heading}\n`));
  const script = /```js\n([\s\S]*?)```/.exec(section)?.[1];
  assert.ok(script, `docs/port_mapping.md has a script under "${heading}"`);
  return script;
}

browserTest("docs/port_mapping.md: its front end plays", async (browser) => {
  await using server = await ServerProcess.start({ ports: 1 });
  await using viewer = await BrowserPage.open(browser, `${server.origin}/healthz`, {
    bypassCSP: true,
  });
  await viewer.page.evaluate(() => {
    document.body.innerHTML = "<video autoplay muted playsinline></video>";
    // The video reader looks for its video when a page is loaded.
    dispatchEvent(new Event("DOMContentLoaded"));
  });
  const script = await scriptOf("The front end");
  const content = script.replace("203.0.113.7:10110", new URL(server.origin).host);
  assert.notEqual(content, script, "the script names the public address of the example");
  await viewer.page.addScriptTag({ content });
  assertSteady(await viewer.read(15), { gapMax: 15 });
});
