import assert from "assert";
import type { MediaAddress } from "../../src/ports/media_address.ts";
import { RECLAIM_AFTER_MS } from "../../src/session/viewer_state.ts";
import { createIceCredentials, IceAgent } from "../../src/transport/ice/ice_agent.ts";
import { BROWSER, BROWSER_PWD, BROWSER_UFRAG, checkMessage } from "../support/parts/checks.ts";
import { refusal, RegistrySetUp } from "../support/parts/registry_set_up.ts";

const A: MediaAddress = { transport: "udp", hostname: "127.0.0.1", port: 40_001 };

function newAgent(): IceAgent {
  return new IceAgent({ local: createIceCredentials(), ...BROWSER, nowMs: 0 });
}

/** Whether a check with these credentials is answered. */
function isAnswered(
  agent: IceAgent,
  { ufrag, pwd, remote }: { ufrag: string; pwd: string; remote: string },
): boolean {
  const check = checkMessage(agent, { username: `${ufrag}:${remote}`, password: pwd });
  return agent.handleRequest(check, { from: A, nowMs: 1 }).kind === "answered";
}

Deno.test("IceAgent: a restart whose answer was lost leaves the checks of the browser what they are", () => {
  const agent = newAgent();
  const first = { ...agent.local, remote: BROWSER_UFRAG };
  assert.ok(isAnswered(agent, first));
  const lost = createIceCredentials();
  agent.restart({ local: lost, remoteUfrag: "NEX1", remotePwd: BROWSER_PWD });
  const second = createIceCredentials();
  agent.restart({ local: second, remoteUfrag: "NEX2", remotePwd: BROWSER_PWD });
  assert.ok(isAnswered(agent, first), "the browser goes on with what it has");
  assert.ok(!isAnswered(agent, { ...lost, remote: "NEX1" }));
  assert.ok(isAnswered(agent, { ...second, remote: "NEX2" }));
  assert.ok(!isAnswered(agent, first), "it has come to the latest");
});

Deno.test("IceAgent: says which credentials the browser showed last, and whether it has used the answer", () => {
  const agent = newAgent();
  assert.deepEqual([agent.remoteUfrag, agent.isRestarting], [BROWSER_UFRAG, false]);
  const local = createIceCredentials();
  agent.restart({ local, remoteUfrag: "NEXT", remotePwd: BROWSER_PWD });
  assert.deepEqual([agent.remoteUfrag, agent.isRestarting], ["NEXT", true]);
  assert.ok(isAnswered(agent, { ...local, remote: "NEXT" }));
  assert.deepEqual([agent.remoteUfrag, agent.isRestarting], ["NEXT", false]);
});

Deno.test("find: gives a living viewer by session and id, and leaves it with its signalling", async () => {
  await using setUp = new RegistrySetUp({ ports: 1 });
  const { handle, listener } = await setUp.connect("main");
  assert.equal(setUp.registry.find("other", handle.id), undefined);
  assert.equal(setUp.registry.find("main", `${handle.id}x`), undefined);
  const found = setUp.registry.find("main", handle.id);
  assert.equal(found?.answerSdp, handle.answerSdp);
  assert.deepEqual(
    found?.restartIce({ ufrag: "NEXT", pwd: "p".repeat(22) })?.ufrag,
    handle.iceUfrag,
  );
  assert.deepEqual(listener.states, ["connected"]);
  found?.bye();
  assert.deepEqual([listener.states, listener.ends], [["connected", "closed"], [undefined]]);
  assert.equal(setUp.used, 0);
  assert.equal(setUp.registry.find("main", handle.id), undefined);
});

Deno.test("detach: a viewer that is still connecting keeps its place for its first 5 s, then while it is heard", async () => {
  await using setUp = new RegistrySetUp({ ports: 1 });
  const viewer = await setUp.join("main");
  viewer.handle.detach();
  await setUp.clock.advance(RECLAIM_AFTER_MS - 500);
  assert.equal((await refusal(setUp.offer("main"))).code, "no_free_port");
  viewer.peer.heardAtMs = setUp.clock.now();
  await setUp.clock.advance(RECLAIM_AFTER_MS - 500);
  assert.equal((await refusal(setUp.offer("main"))).code, "no_free_port");
  assert.ok(!viewer.peer.isClosed);
  await setUp.clock.advance(500);
  await setUp.join("main");
  assert.ok(viewer.peer.isClosed);
});

Deno.test("detach: a viewer that never connects is over after connect_timeout_s, though nobody needs its place", async () => {
  await using setUp = new RegistrySetUp({ ports: 2 });
  const viewer = await setUp.join("main");
  viewer.handle.detach();
  await setUp.clock.advance(9_000);
  assert.ok(!viewer.peer.isClosed);
  await setUp.clock.advance(1_500);
  assert.equal(setUp.used, 0);
  assert.equal(setUp.meter.value("viewers_ended_total", { reason: "connect_timeout" }), 1);
});
