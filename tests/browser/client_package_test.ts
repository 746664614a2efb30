/// <reference lib="dom" />
import assert from "assert";
import type { Browser, Page } from "playwright-core";
import { listFiles } from "../../deploy/build/files.ts";
import { writePackage } from "../../deploy/build/package.ts";
import { browserTest } from "../support/browsers/browser.ts";
import { IS_LONG } from "../support/long.ts";
import { openFolder } from "../support/servers/executable.ts";
import { ServerProcess } from "../support/servers/server_process.ts";

const REACT = new URL("../../examples/react/", import.meta.url);
/** A page with Vite and TypeScript alone, and what builds it together with the example. */
const SITE = new URL("../testdata/pages/site/", import.meta.url);
/** Packages have to come first; a busy machine takes its time. */
const LIMIT_MS = 480_000;

const REVISION = { number: "0.1.0", version: "0.1.0", timeS: 1_000_000 };

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
};

const hasNpm = await npm(["--version"]).then(({ success }) => success, isMissing);

Deno.test("writePackage: the package has its files, and its exports are among them", async () => {
  await using folder = await openFolder();
  const { folder: written } = await writePackage({ output: folder.path, revision: REVISION });
  const files = await listFiles(written);
  for (const name of ["LICENSE", "README.md", "package.json", "pinhole/media.js"]) {
    assert.ok(files.includes(name), name);
  }
  const about = JSON.parse(await Deno.readTextFile(`${written}/package.json`));
  assert.equal(about.version, "0.1.0");
  const named = JSON.stringify(about.exports).match(/\.\/[\w./]+\.\w+/g) ?? [];
  assert.ok(named.length >= 5);
  for (const path of [...named, ...about.sideEffects]) {
    assert.ok(files.includes(path.slice(2)), path);
  }
});

if (IS_LONG && hasNpm) {
  browserTest("client package: a Vite page and examples/react play with it", consume, {
    limitMs: LIMIT_MS,
  });
} else {
  Deno.test({
    name: `client package: a Vite page and examples/react play with it (${
      hasNpm ? "long: deno task test:long" : "skipped: there is no npm"
    })`,
    ignore: true,
    fn() {},
  });
}

async function consume(browser: Browser): Promise<void> {
  await using folder = await openFolder();
  await buildSite(folder.path);
  await using site = serveFolder(`${folder.path}/dist`);
  await using server = await ServerProcess.start({
    config: { "server.allowed_origins": site.origin },
  });
  const address = (page: string) =>
    `${site.origin}/${page}?server=${encodeURIComponent(server.origin)}`;

  const vite = await openPage(browser, address("vite.html"));
  await vite.page.waitForFunction(() => document.body.dataset.first !== undefined);
  assert.equal(await vite.page.evaluate(() => document.body.dataset.first), "shown");
  await moving(vite.page, "video");
  // The check of the path is a chunk of its own, which nothing has asked for yet.
  const before = vite.scripts.length;
  await vite.page.click("#check");
  await vite.page.locator("#words").filter({ hasText: /^Path: ok$/ }).waitFor();
  assert.equal(vite.scripts.length, before + 1);
  assert.deepEqual(vite.complaints, []);
  await vite.page.close();

  const react = await openPage(browser, address("index.html"));
  await moving(react.page, "figure video");
  await moving(react.page, "pinhole-player video");
  await react.page.click("button");
  await react.page.waitForFunction(() => {
    const element = document.querySelector("pinhole-player");
    return element?.getAttribute("session") === "two";
  });
  await moving(react.page, "pinhole-player video");
  const sessions = (await server.sessions()).map(({ id }) => id);
  assert.ok(sessions.includes("two") && sessions.includes("react"), sessions.join());
  assert.deepEqual(react.complaints, []);
}

/** Installs the package as its users do, and builds both pages. */
async function buildSite(folder: string): Promise<void> {
  const { tarball } = await writePackage({ output: folder, revision: REVISION });
  for (const from of [REACT, SITE]) {
    for await (const { name, isFile } of Deno.readDir(from)) {
      if (!isFile) continue;
      await Deno.copyFile(new URL(name, from), `${folder}/${name.replace(/\.txt$/, "")}`);
    }
  }
  for (
    const args of [
      ["install", "--no-audit", "--no-fund", "--prefer-offline", tarball],
      ["exec", "--", "tsc", "--noEmit"],
      ["exec", "--", "vite", "build"],
    ]
  ) {
    const { success, stdout, stderr } = await npm(args, folder);
    const text = new TextDecoder();
    assert.ok(success, `npm ${args.join(" ")}: ${text.decode(stdout)}${text.decode(stderr)}`);
  }
}

function npm(args: readonly string[], cwd?: string): Promise<Deno.CommandOutput> {
  return new Deno.Command("npm", {
    args: [...args],
    ...(cwd !== undefined && { cwd }),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
}

function isMissing(error: unknown): boolean {
  if (error instanceof Deno.errors.NotFound) return false;
  throw error;
}

function serveFolder(folder: string): AsyncDisposable & { readonly origin: string } {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const path = new URL(request.url).pathname;
    const type = TYPES[path.split(".").at(-1) ?? ""];
    if (type === undefined) return new Response(null, { status: 204 });
    return new Response(await Deno.readFile(`${folder}${path}`), {
      headers: { "Content-Type": type },
    });
  });
  const origin = `http://127.0.0.1:${server.addr.port}`;
  return { origin, [Symbol.asyncDispose]: () => server.shutdown() };
}

async function openPage(
  browser: Browser,
  url: string,
): Promise<{ page: Page; complaints: string[]; scripts: string[] }> {
  const page = await browser.newPage();
  const complaints: string[] = [];
  const scripts: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("request", (request) => {
    if (request.resourceType() === "script") scripts.push(request.url());
  });
  await page.goto(url);
  return { page, complaints, scripts };
}

/** Waits until pictures come, also to a video in a shadow tree. */
async function moving(page: Page, selector: string): Promise<void> {
  const video = page.locator(selector);
  const start = await video.evaluate(({ currentTime }: HTMLVideoElement) => currentTime);
  await page.waitForFunction(
    ([selector, start]) => {
      const [host, inner] = String(selector).split(" ");
      const shadow = document.querySelector(host ?? "")?.shadowRoot;
      const found = shadow
        ? shadow.querySelector(inner ?? "")
        : document.querySelector(String(selector));
      return found instanceof HTMLVideoElement && found.currentTime > Number(start) + 0.3;
    },
    [selector, start] as const,
  );
}
