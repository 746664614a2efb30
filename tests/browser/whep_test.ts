import assert from "assert";
import { fileURLToPath } from "node:url";
import { browserTest } from "../support/browsers/browser.ts";
import { assertSteady, BrowserPage, PageHost } from "../support/browsers/browser_page.ts";
import { eventually } from "../support/deadline.ts";
import { ServerProcess } from "../support/servers/server_process.ts";

const GAP_MAX = 15;

/** What a restart may cost: the picture goes on by the former path until the new one is checked. */
const RESTART_GAP_MAX = 30;

const SIZE = { "video.width": 640, "video.height": 360 } as const;

function placesBecome(server: ServerProcess, count: number): Promise<void> {
  return eventually(async () => await server.metric("port_places", { state: "used" }) === count, {
    what: `for ${count} places to be taken`,
  });
}

browserTest(
  "WHEP: a page of another origin plays, restarts ICE twice without a break, and leaves",
  async (browser) => {
    await using host = new PageHost();
    await using server = await ServerProcess.start({
      ports: 1,
      config: { ...SIZE, "server.allowed_origins": host.origin },
    });
    const endpoint = encodeURIComponent(`${server.origin}/whep/main`);
    await using page = await BrowserPage.open(
      browser,
      `${host.origin}/whep.html?endpoint=${endpoint}`,
    );
    const run = (call: string) => page.page.evaluate(call);
    await run("join()");
    assertSteady(await page.read(15), { gapMax: GAP_MAX });
    assert.equal(await run("trickle()"), 204);

    let former = (await run("usedFragments()") as { local: string }).local;
    assert.ok(former);
    for (let restarts = 0; restarts < 2; restarts++) {
      const stale = await run("etag");
      await run("restart()");
      assert.notEqual(await run("etag"), stale);
      // The browser has gone over to credentials of the restart.
      await eventually(async () => {
        const { local, state } = await run("usedFragments()") as Record<string, string>;
        return local !== undefined && local !== former && state === "connected";
      }, { what: "for the browser to use its new credentials" });
      former = (await run("usedFragments()") as { local: string }).local;
      assertSteady(await page.read(30), { gapMax: RESTART_GAP_MAX });
      assert.equal(await run(`patch('${stale}')`.concat(".then(({ status }) => status)")), 412);
    }
    assert.equal(await server.metric("viewers_joined_total"), 1);
    // Checks with the new credentials were answered: none was refused for want of a user.
    assert.equal(await run("leave()"), 200);
    await placesBecome(server, 0);
    // The browser writes every refusal down as an error: those were the two stale ETags.
    assert.equal(page.errors.length, 2, page.errors.join("\n"));
    assert.ok(page.errors.every((error) => error.includes("412")));
    assert.deepEqual(server.complaints, []);
  },
);

browserTest("docs/whep.md: its lines play, restart ICE and leave", async (browser) => {
  await using host = new PageHost();
  await using server = await ServerProcess.start({
    ports: 1,
    config: { ...SIZE, "server.allowed_origins": host.origin },
  });
  const [play = "", leave = ""] = (await linesUnder("Play with a page of your own"))
    .replace("http://203.0.113.7:10110", server.origin)
    .split("// To leave:");
  assert.ok(play.includes(server.origin) && leave !== "");
  const restart = await linesUnder("Restart ICE");
  await using page = await BrowserPage.open(browser, `${host.origin}/whep.html`);
  // One function each, over what they share.
  await page.page.evaluate(`(async () => {
    ${play}
    const resource = new URL(response.headers.get("Location"), endpoint);
    globalThis.restartIce = async () => {
      ${restart}
    };
    globalThis.goAway = async () => {
      ${leave}
    };
  })()`);
  assertSteady(await page.read(15), { gapMax: GAP_MAX });
  await page.page.evaluate("restartIce()");
  assertSteady(await page.read(30), { gapMax: RESTART_GAP_MAX });
  await page.page.evaluate("goAway()");
  await placesBecome(server, 0);
  assert.deepEqual(page.errors, []);
});

browserTest("WHEP: a page of an origin that is not allowed reads nothing", async (browser) => {
  await using host = new PageHost();
  await using server = await ServerProcess.start({ ports: 1, config: SIZE });
  const endpoint = encodeURIComponent(`${server.origin}/whep/main`);
  await using page = await BrowserPage.open(
    browser,
    `${host.origin}/whep.html?endpoint=${endpoint}`,
  );
  assert.equal(await page.page.evaluate("join().catch(({ name }) => name)"), "TypeError");
  assert.equal(await server.metric("viewers_joined_total"), 0);
});

browserTest(
  "WHEP: @eyevinn/webrtc-player, as it is published, plays with sound and leaves",
  async (browser) => {
    await using player = await PlayerHost.open();
    await using server = await ServerProcess.start({
      ports: 1,
      config: { ...SIZE, "server.allowed_origins": player.origin },
    });
    const endpoint = encodeURIComponent(`${server.origin}/whep/main`);
    await using page = await BrowserPage.open(browser, `${player.origin}/?endpoint=${endpoint}`);
    assertSteady(await page.read(30), { gapMax: GAP_MAX });
    const kinds = "document.querySelector('video').srcObject.getTracks().map(({ kind }) => kind)";
    assert.deepEqual((await page.page.evaluate(kinds) as string[]).sort(), ["audio", "video"]);
    await page.page.evaluate("player.unload()");
    await placesBecome(server, 0);
    assert.equal(await server.metric("viewers_ended_total", { reason: "bye" }), 1);
    assert.deepEqual(page.errors, []);
    assert.deepEqual(server.complaints, []);
  },
);

/** The first lines of JavaScript under a heading of docs/whep.md. */
async function linesUnder(heading: string): Promise<string> {
  const text = await Deno.readTextFile(new URL("../../docs/whep.md", import.meta.url));
  const section = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
  return /^```js\n([^]*?)^```$/m.exec(section)?.[1] ?? "";
}

/** What the player takes from "events" is a package of npm; the bundler takes that name for Node's own module. */
const EVENTS_MODULE = `
  import events from "npm:events@3.3.0/events.js";
  globalThis.require = (name) => {
    if (name === "node:events") return events;
    throw new Error("There is no " + name + " in a page");
  };
`;

/** The player as its documentation shows it. */
const PLAYER_MODULE = `
  import "./events.js";
  import { WebRTCPlayer } from "npm:@eyevinn/webrtc-player@0.13.0";
  const endpoint = new URLSearchParams(location.search).get("endpoint");
  const video = document.querySelector("video");
  globalThis.player = new WebRTCPlayer({ video, type: "whep", iceServers: [] });
  await globalThis.player.load(new URL(endpoint));
`;

const PLAYER_PAGE = `<!doctype html>
<meta charset="utf-8">
<title>Player</title>
<video autoplay playsinline muted></video>
<script type="module" src="/player.js"></script>
`;

/** Serves a page with the published player, all its packages included. */
class PlayerHost implements AsyncDisposable {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  private constructor(script: string) {
    const files: Record<string, [type: string, text: string]> = {
      "/": ["text/html; charset=utf-8", PLAYER_PAGE],
      "/player.js": ["text/javascript; charset=utf-8", script],
    };
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
      const file = files[new URL(request.url).pathname];
      if (file === undefined) return new Response(null, { status: 204 });
      return new Response(file[1], { headers: { "Content-Type": file[0] } });
    });
  }

  static async open(): Promise<PlayerHost> {
    return new PlayerHost(await bundlePlayer());
  }

  /** `http://127.0.0.1:PORT` */
  get origin(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** The player in one script. It has a lock file of its own, as nothing else of the project needs its packages. */
async function bundlePlayer(): Promise<string> {
  const lock = fileURLToPath(new URL("../testdata/whep/deno.lock", import.meta.url));
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/events.js`, EVENTS_MODULE);
    await Deno.writeTextFile(`${folder}/player.js`, PLAYER_MODULE);
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["bundle", "--quiet", "--platform", "browser", "--lock", lock, "--frozen", "player.js"],
      cwd: folder,
    }).output();
    assert.ok(success, `Cannot bundle the player: ${new TextDecoder().decode(stderr)}`);
    return new TextDecoder().decode(stdout);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
