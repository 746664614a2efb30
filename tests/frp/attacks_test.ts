import { AttackedTunnel } from "../support/attacks/attacked_tunnel.ts";
import { frpBrowserTest } from "../support/frp/frp.ts";
import { HTTP_ATTACKS, ICE_TCP_ATTACKS } from "../support/attacks/tcp_attacks.ts";
import { DTLS_ATTACKS, PATH_ATTACKS, SCTP_ATTACKS } from "../support/attacks/udp_attacks.ts";

const KINDS = [
  { what: "data channels", attacks: SCTP_ATTACKS },
  { what: "handshakes", attacks: DTLS_ATTACKS },
  { what: "paths", attacks: PATH_ATTACKS },
  { what: "HTTP", attacks: HTTP_ATTACKS },
  { what: "media over TCP", attacks: ICE_TCP_ATTACKS },
] as const;

for (const { what, attacks } of KINDS) {
  frpBrowserTest(`attacks: through the tunnel, on ${what}`, async (browser, test) => {
    await using site = await AttackedTunnel.open(browser);
    for (const attack of attacks) await test.step(attack.name, () => site.withstands(attack));
    await site.letsIn();
  });
}
