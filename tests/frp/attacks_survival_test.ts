import assert from "assert";
import { AttackedTunnel } from "../support/attacks/attacked_tunnel.ts";
import { Barrage } from "../support/attacks/barrage.ts";
import { frpBrowserTest } from "../support/frp/frp.ts";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";

frpBrowserTest("survival: the picture goes on when frpc restarts under attack", async (browser) => {
  await using site = await AttackedTunnel.open(browser);
  const { neighbour, tunnelled: { tunnel } } = site;
  {
    await using _barrage = await Barrage.begin(site);
    await neighbour.playsOn();
    await tunnel.restartClient();
    await neighbour.comesBack("frpc was killed and started again under attack");
    await Promise.all([neighbour.playsOn(), neighbour.resumed(1)]);
    await neighbour.playsOn();
  }
  await site.goesOn();
});

frpBrowserTest(
  "survival: under attack a server that is told to stop keeps its viewers, and ends with the last",
  async (browser) => {
    await using site = await AttackedTunnel.open(browser, { "server.drain_s": 600 });
    const { neighbour, tunnelled: { tunnel, server } } = site;
    await using barrage = await Barrage.begin(site);
    server.stop();
    const { seconds } = await neighbour.page.told(
      "the notice",
      ({ type, code }) => type === "notice" && code === "shutting_down",
    );
    assert.equal(seconds, 600);
    await neighbour.playsOn();

    await tunnel.restartClient();
    await neighbour.comesBack("frpc was killed and started again under attack, while draining");
    await Promise.all([neighbour.playsOn(), neighbour.resumed(1)]);
    assert.deepEqual([neighbour.offers, await neighbour.connections()], [1, 1]);
    {
      await using late = await WeriftViewer.join(site.signallingUrl("late"));
      assert.equal((await late.nextOf("error")).code, "shutting_down");
    }

    // Those who have no place keep nothing up.
    await barrage.leave();
    await neighbour.page.page.goto("about:blank");
    assert.equal(await server.ended(), 0);
    assert.deepEqual(server.log.filter(({ level }) => level === "error"), []);
  },
);
