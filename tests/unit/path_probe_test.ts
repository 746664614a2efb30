import assert from "assert";
import type { MediaAddress } from "../../src/ports/media_address.ts";
import { IceAgent } from "../../src/transport/ice/ice_agent.ts";
import {
  PATH_CHECK_TTL_MS,
  PATH_CHECKS_MAX,
  PathProbe,
} from "../../src/transport/ice/path_probe.ts";
import { verifyFingerprint, verifyMessageIntegrity } from "../../src/transport/ice/stun.ts";
import { formatBindingRequest } from "../../src/transport/ice/stun_format.ts";
import { checkWithAttribute, parseMessage } from "../support/parts/checks.ts";
import { FakeClock } from "../support/parts/fake_clock.ts";

const FROM: MediaAddress = { transport: "udp", hostname: "127.0.0.1", port: 40_123 };

function setUp() {
  const clock = new FakeClock();
  const probe = new PathProbe([10_111, 10_112], { clock });
  const check = probe.open();
  const [one, two] = check.ports;
  assert(one !== undefined && two !== undefined);
  return { clock, probe, check, one, two };
}

/** A check as a browser or the doctor sends it. */
function request(
  { ufrag, pwd }: { ufrag: string; pwd: string },
  { sizeBytes = 0, role = "controlling" }: {
    sizeBytes?: number;
    role?: "controlling" | "controlled";
  } = {},
): Uint8Array {
  return formatBindingRequest({
    transactionId: new Uint8Array(12).fill(7),
    key: pwd,
    username: `${ufrag}:anything`,
    priority: 1,
    role,
    tieBreaker: 1n,
    sizeBytes,
  });
}

function answer(
  probe: PathProbe,
  packet: Uint8Array,
  at: { localPort?: number; from?: MediaAddress } = {},
) {
  return probe.answer(parseMessage(packet), {
    localPort: 10_111,
    from: FROM,
    ...at,
  });
}

Deno.test("PathProbe: a check of a port is answered with the address that it came from", () => {
  const { probe, one } = setUp();
  const outcome = answer(probe, request(one.credentials));
  assert("reply" in outcome);
  const reply = parseMessage(outcome.reply);
  assert.equal(reply.messageClass, "success");
  assert.deepEqual(reply.transactionId, new Uint8Array(12).fill(7));
  assert.deepEqual(reply.xorMappedAddress, { hostname: "127.0.0.1", port: 40_123 });
  assert.ok(verifyFingerprint(reply));
  assert.ok(verifyMessageIntegrity(reply, one.credentials.pwd));
});

Deno.test("PathProbe: each port has credentials of its own, which no other key opens", () => {
  const { probe, one, two } = setUp();
  assert.notEqual(one.credentials.ufrag, two.credentials.ufrag);
  const mixed = { ufrag: one.credentials.ufrag, pwd: two.credentials.pwd };
  assert.deepEqual(answer(probe, request(mixed)), { rejected: "integrity" });
  const stranger = { ufrag: "none", pwd: one.credentials.pwd };
  assert.deepEqual(answer(probe, request(stranger)), { rejected: "unknown_user" });
  assert.deepEqual(one.arrivals, []);
});

Deno.test("PathProbe: tells where the checks of each port arrived, and how often", () => {
  const { probe, check, one, two } = setUp();
  const elsewhere: MediaAddress = { ...FROM, transport: "tcp" };
  answer(probe, request(one.credentials), { localPort: 10_112 });
  answer(probe, request(one.credentials), { localPort: 10_112 });
  answer(probe, request(one.credentials), { from: elsewhere });
  answer(probe, request(two.credentials), { localPort: 10_112 });
  assert.deepEqual(probe.find(check.id)?.ports.map(({ arrivals }) => arrivals), [
    [
      { localPort: 10_112, from: FROM, count: 2 },
      { localPort: 10_111, from: elsewhere, count: 1 },
    ],
    [{ localPort: 10_112, from: FROM, count: 1 }],
  ]);
});

Deno.test("PathProbe: answers both roles, and refuses attributes that it would have to know", () => {
  const { probe, one } = setUp();
  const controlled = answer(probe, request(one.credentials, { role: "controlled" }));
  assert("reply" in controlled);
  assert.equal(parseMessage(controlled.reply).messageClass, "success");
  const agent = new IceAgent({
    local: one.credentials,
    remoteUfrag: "any",
    remotePwd: "any",
    nowMs: 0,
  });
  const unknown = answer(probe, checkWithAttribute(agent, 0x0099));
  assert("reply" in unknown);
  assert.equal(parseMessage(unknown.reply).errorCode?.code, 420);
  assert.deepEqual(parseMessage(unknown.reply).unknownAttributes, [0x0099]);
  assert.deepEqual(one.arrivals.map(({ count }) => count), [1]);
});

Deno.test("PathProbe: an answer is as long as a padded request, and never much longer than a bare one", () => {
  const { probe, one } = setUp();
  for (const sizeBytes of [0, 1200, 1472]) {
    const packet = request(one.credentials, { sizeBytes });
    const outcome = answer(probe, packet, { from: { ...FROM, hostname: "2001:db8::1" } });
    assert("reply" in outcome);
    if (sizeBytes > 0) assert.equal(outcome.reply.length, sizeBytes);
    assert.ok(outcome.reply.length <= packet.length, `${outcome.reply.length} > ${packet.length}`);
  }
});

Deno.test("PathProbe: one check too many ends the oldest and no other", () => {
  const { probe, check, one } = setUp();
  const second = probe.open();
  for (let more = 2; more < PATH_CHECKS_MAX; more++) probe.open();
  assert.ok("reply" in answer(probe, request(one.credentials)));
  const latest = probe.open();
  assert.equal(probe.find(check.id), undefined);
  assert.deepEqual(answer(probe, request(one.credentials)), { rejected: "unknown_user" });
  for (const { id, ports: [port] } of [second, latest]) {
    assert(probe.find(id) !== undefined && port !== undefined);
    assert.ok("reply" in answer(probe, request(port.credentials)));
  }
});

Deno.test("PathProbe: a check ends after its time", async () => {
  const { clock, probe, check, one } = setUp();
  await clock.advance(PATH_CHECK_TTL_MS - 1);
  assert.ok("reply" in answer(probe, request(one.credentials)));
  await clock.advance(1);
  assert.deepEqual(answer(probe, request(one.credentials)), { rejected: "unknown_user" });
  assert.equal(probe.find(check.id), undefined);
});

Deno.test("PathProbe: notes 64 arrivals, and answers further ones all the same", () => {
  const { probe, check, one } = setUp();
  for (let port = 1; port <= 100; port++) {
    const from = { ...FROM, port };
    assert.ok("reply" in answer(probe, request(one.credentials), { from }));
  }
  const arrivals = probe.find(check.id)?.ports.flatMap(({ arrivals }) => arrivals) ?? [];
  assert.equal(arrivals.length, 64);
});
