import assert from "assert";
import { ClientViewer } from "../support/clients/client_viewer.ts";
import { type ClientKind, CLIENTS, findClient } from "../support/clients/client_programs.ts";
import { startServerForClients } from "../support/clients/foreign_clients.ts";

const kinds = CLIENTS.filter((kind) => findClient(kind) !== undefined);

Deno.test({
  name: `${kinds.join(", ")}: share one port`,
  ignore: kinds.length < 2,
  async fn() {
    const webrtc = { peers_per_port: kinds.length };
    await using server = await startServerForClients({ webrtc }, { ports: 1 });
    await using viewers = new AsyncDisposableStack();
    const join = async (kind: ClientKind) =>
      viewers.use(await ClientViewer.join(kind, server.signallingUrl("main")));
    const joined = await Promise.all(kinds.map(join));
    await Promise.all(joined.map(({ program }) => program.receives(30, "video", "audio")));
    assert.equal(await server.usedPlaces(), kinds.length);
    const [first, ...others] = joined;
    await first?.closeSocket();
    await Promise.all(others.map(({ program }) => program.receives(30, "video", "audio")));
    assert.equal(await server.usedPlaces(), kinds.length - 1);
  },
});
