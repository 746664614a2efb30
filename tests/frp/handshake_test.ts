import assert from "assert";
import { classifyPacket } from "../../src/transport/packet_kind.ts";
import { frpBrowserTest } from "../support/frp/frp.ts";
import { TappedServer } from "../support/frp/frp_tap.ts";
import { TunnelViewer } from "../support/frp/frp_viewer.ts";

const LIGHT = { "video.width": 320, "video.height": 180, "video.fps": 20 } as const;

/** RFC 5246 §7.4; RFC 6347 §4.3.1 puts the type behind a record's header of 13 bytes. */
const CLIENT_HELLO = 1;
const RECORD_HEADER_BYTES = 13;

for (
  const { flight, isTurn } of [
    { flight: "first", isTurn: (type: number | undefined) => type === CLIENT_HELLO },
    { flight: "second", isTurn: (type: number | undefined) => type !== CLIENT_HELLO },
  ]
) {
  frpBrowserTest(
    `survival: frpc restarts at the ${flight} flight of the browser's DTLS handshake`,
    async (browser) => {
      const reached = Promise.withResolvers<void>();
      let restarted: Promise<void> | undefined;
      await using tapped = await TappedServer.start({
        config: LIGHT,
        overhear(packet) {
          if (classifyPacket(packet) !== "dtls" || !isTurn(packet[RECORD_HEADER_BYTES])) return;
          restarted ??= restart();
          reached.resolve();
        },
      });
      const { tunnelled: { origin, server, tunnel } } = tapped;
      await using viewer = await TunnelViewer.open(browser, origin);
      await reached.promise;
      await restarted;
      await viewer.frameDrawnSince(Date.now());
      await viewer.playsOn();
      // Either the handshake went on from the new address, or the page began anew and its old place was free.
      assert.ok(viewer.offers <= 2, `${viewer.offers} offers`);
      assert.equal(await server.metric("port_places", { state: "used" }), 1);
      assert.deepEqual(server.complaints, []);

      async function restart(): Promise<void> {
        await tunnel.killClient();
        await tunnel.startClient();
      }
    },
  );
}
