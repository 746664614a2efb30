import assert from "assert";
import type { ClientEvent } from "../support/clients/client_program.ts";
import { ClientViewer } from "../support/clients/client_viewer.ts";
import { clientTest, startServerForClients } from "../support/clients/foreign_clients.ts";

function isOver({ state }: ClientEvent): boolean {
  return state === "failed" || state === "closed";
}

const CLIENTS_THAT_CHOOSE = ["pion"] as const;

/** What the server has none of, each time by itself. */
const OTHERS = [{ cipher: "CHACHA20" }, { cipher: "AES_256_CBC" }, {
  cipher: "AES_128_CCM",
}] as const;

for (const other of OTHERS) {
  const [[name, value] = []] = Object.entries(other);
  clientTest(`with ${name} ${value} alone it fails at once, not after a time-out`, async (kind) => {
    await using server = await startServerForClients({ webrtc: { connect_timeout_s: 60 } });
    const offer = { video: 1, ...other };
    await using viewer = await ClientViewer.join(kind, server.signallingUrl("main"), offer);
    await viewer.program.next("state", { where: isOver, ms: 10_000 });
    await viewer.state("failed");
    assert.equal(await server.usedPlaces(), 0);
  }, { clients: CLIENTS_THAT_CHOOSE });
}
