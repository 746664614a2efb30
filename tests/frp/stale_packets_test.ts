import assert from "assert";
import { eventually } from "../support/deadline.ts";
import { frpBrowserTest } from "../support/frp/frp.ts";
import { TappedServer } from "../support/frp/frp_tap.ts";
import { TunnelViewer } from "../support/frp/frp_viewer.ts";
import { parseStun } from "../../src/transport/ice/stun.ts";
import type { PacketKind } from "../../src/transport/packet_kind.ts";

const LIGHT = { "video.width": 320, "video.height": 180, "video.fps": 20 } as const;

const REPLAYED = 1_000;
const SOURCES = 50;
/** What has to be there to be replayed. */
const HEARD_MIN: Readonly<Partial<Record<PacketKind, number>>> = { stun: 5, dtls: 3, rtcp: 30 };

frpBrowserTest(
  "survival: a thousand stale packets from elsewhere neither move nor end a viewer",
  async (browser) => {
    await using tapped = await TappedServer.start({ config: LIGHT });
    const { tunnelled: { origin, server, tunnel }, heard } = tapped;
    await using viewer = await TunnelViewer.open(browser, origin);
    await eventually(
      () =>
        Object.entries(HEARD_MIN).every(([kind, count]) =>
          (heard.get(kind as PacketKind)?.length ?? 0) >= count
        ),
      { what: "for enough packets of each kind" },
    );
    const stale = [...heard.values()].flat();
    assert.ok((heard.get("stun") ?? []).some(nominates), "No check with USE-CANDIDATE was heard");

    await tunnel.killClient();
    await tunnel.startClient();
    await viewer.frameDrawnSince(Date.now());
    await viewer.resumed(1);
    await viewer.playsOn();
    const before = await counts();
    const packets = Array.from({ length: REPLAYED }, (_, at) => stale[at % stale.length])
      .filter((packet) => packet !== undefined);
    await Promise.all([tapped.replay(packets, { sources: SOURCES }), viewer.playsOn(60)]);
    await viewer.playsOn();
    const after = await counts();

    assert.ok(after.checks - before.checks > SOURCES, "The checks did not arrive");
    assert.ok(after.dropped - before.dropped > REPLAYED / 2, "The packets did not arrive");
    assert.equal(after.moves, before.moves);
    assert.equal(await viewer.state(), "connected");
    assert.deepEqual([viewer.offers, await viewer.connections()], [1, 1]);
    assert.deepEqual(server.complaints, []);

    async function counts(): Promise<{ moves: number; checks: number; dropped: number }> {
      const [moves = 0, checks = 0, dropped = 0] = await Promise.all(
        ["viewer_moves_total", "stun_requests_total", "packets_dropped_total"]
          .map((name) => server.metric(name)),
      );
      return { moves, checks, dropped };
    }
  },
);

function nominates(packet: Uint8Array): boolean {
  const message = parseStun(packet);
  return "useCandidate" in message && message.useCandidate;
}
