import assert from "assert";
import { eventually, Untimely } from "../support/deadline.ts";
import { frpBrowserTest, type FrpTunnel, TunnelledServer } from "../support/frp/frp.ts";
import { BACK_MS_MAX, TunnelViewer } from "../support/frp/frp_viewer.ts";
import { compileReference } from "../support/renderers/native.ts";

const LIGHT = { "video.width": 320, "video.height": 180, "video.fps": 20 } as const;

/** frpc forgets a visitor for whom nothing comes for 30 s. */
const STILL_S = 35;

/** A minute shows nothing that a few seconds do not, and is for those who want to see it. */
const ASLEEP_MS = 1000 * Number(Deno.env.get("PINHOLE_TEST_ASLEEP_S") ?? 8);

/** Something that breaks a tunnel's media, and gives each visitor a new source port. */
interface Misfortune {
  readonly name: string;
  /** Settles when every proxy runs again. */
  readonly befall: (tunnel: FrpTunnel, time: number) => Promise<void>;
  /** Whether it ends the WebSocket as well. Default: true. */
  readonly cutsSignalling?: boolean;
  readonly cuttable?: boolean;
}

const MISFORTUNES: readonly Misfortune[] = [
  { name: "frpc was killed and started again", befall: (tunnel) => tunnel.restartClient() },
  {
    name: "frpc reloaded its file with every proxy edited",
    befall: (tunnel, time) => tunnel.reloadClient(limited(tunnel.clientConfig, 10 * time)),
    // TCP connections that are there live on.
    cutsSignalling: false,
  },
  {
    name: "frps was killed and started again",
    befall: async (tunnel) => {
      await tunnel.killServer();
      await tunnel.startServer();
    },
  },
  {
    name: "the connection between frpc and frps was cut",
    befall: (tunnel) => tunnel.cutWorkConnections(),
    cuttable: true,
  },
];

for (const { name, befall, cutsSignalling = true, cuttable = false } of MISFORTUNES) {
  frpBrowserTest(`survival: the picture goes on when ${name}`, async (browser) => {
    await using tunnelled = await TunnelledServer.start({ media: 1, config: LIGHT, cuttable });
    const { origin, server, tunnel } = tunnelled;
    await using viewer = await TunnelViewer.open(browser, origin);
    for (const time of [1, 2]) {
      await befall(tunnel, time);
      await viewer.comesBack(name);
      // While the picture moves, signalling finds its way back too.
      await Promise.all([viewer.playsOn(), viewer.resumed(cutsSignalling ? time : 0)]);
    }
    await viewer.playsOn();
    assert.equal(viewer.resumptions, cutsSignalling ? 2 : 0);
    await expectSameViewer(viewer, tunnelled);
    assert.ok(await server.metric("viewer_moves_total") >= 1);
  });
}

frpBrowserTest(
  "survival: a picture that stands still for longer than frpc waits",
  async (browser) => {
    const options = { idle_after_s: 8, idle_for_s: STILL_S };
    await using tunnelled = await TunnelledServer.start({
      media: 1,
      config: {
        ...LIGHT,
        "audio.enabled": false,
        "renderer.library": await compileReference(),
        "renderer.options": JSON.stringify(options),
      },
    });
    const { origin, server } = tunnelled;
    await using viewer = await TunnelViewer.open(browser, origin);
    const { before, after } = await viewer.pauseOf(1000 * (STILL_S - 5));
    if (after.shownAtMs - after.drawnAtMs >= BACK_MS_MAX) {
      throw new Untimely(JSON.stringify({ before, after }));
    }
    await viewer.playsOn();
    await expectSameViewer(viewer, tunnelled);
    // The tunnel kept the way open all the time: the server saw the browser at one address only.
    assert.equal(await server.metric("viewer_moves_total"), 0);
  },
);

frpBrowserTest("survival: a page that sleeps while frpc comes and goes", async (browser) => {
  await using tunnelled = await TunnelledServer.start({ media: 1, config: LIGHT });
  const { origin, server, tunnel } = tunnelled;
  await using viewer = await TunnelViewer.open(browser, origin);
  await viewer.fallAsleep();
  await sleep(ASLEEP_MS / 2);
  await tunnel.restartClient();
  await sleep(ASLEEP_MS / 2);
  assert.equal(await server.metric("viewers", { state: "connected" }), 1);
  await viewer.wakeUp();
  await viewer.comesBack("the page awoke");
  await Promise.all([viewer.playsOn(), viewer.resumed(1)]);
  await expectSameViewer(viewer, tunnelled);
});

frpBrowserTest(
  "survival: a browser that gave up gets its place back when the tunnel is there again",
  async (browser) => {
    await using tunnelled = await TunnelledServer.start({ media: 1, config: LIGHT });
    const { origin, server, tunnel } = tunnelled;
    await using viewer = await TunnelViewer.open(browser, origin);
    await tunnel.killClient();
    await eventually(async () => ["failed", "closed"].includes(await viewer.state()), {
      what: "for the browser to give up",
    });
    await tunnel.startClient();
    await viewer.comesBack("the browser had given up", { backMsMax: 20_000 });
    await viewer.playsOn();
    assert.equal(viewer.offers, 2);
    assert.equal(await server.metric("viewers_joined_total"), 2);
    assert.equal(await server.metric("viewers_ended_total"), 1);
    assert.equal(await server.metric("port_places", { state: "used" }), 1);
  },
);

/** The file with every proxy limited to so many MB a second, far more than the stream has. */
function limited(frpcToml: string, limitMb: number): string {
  const edited = frpcToml
    .replaceAll(/^transport\.bandwidthLimit = .*\n/gm, "")
    .replaceAll(/^type = ".*"$/gm, `$&\ntransport.bandwidthLimit = "${limitMb}MB"`);
  assert.notEqual(edited, frpcToml);
  return edited;
}

/** The one viewer there ever was, on the one connection of its one offer. */
async function expectSameViewer(
  viewer: TunnelViewer,
  { server }: TunnelledServer,
): Promise<void> {
  assert.equal(viewer.offers, 1);
  assert.equal(await viewer.connections(), 1);
  assert.equal(await server.metric("viewers_joined_total"), 1);
  assert.equal(await server.metric("viewers_ended_total"), 0);
  assert.deepEqual(server.complaints, []);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
