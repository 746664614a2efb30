import assert from "assert";
import type { MediaAddress } from "../../src/ports/media_address.ts";
import {
  createIceCredentials,
  IceAgent,
  type IceOutcome,
} from "../../src/transport/ice/ice_agent.ts";
import { verifyFingerprint, verifyMessageIntegrity } from "../../src/transport/ice/stun.ts";
import {
  BROWSER,
  BROWSER_PWD,
  BROWSER_UFRAG,
  checkMessage,
  type CheckOptions,
  checkWithAttribute,
  consentAnswer,
  parseMessage,
} from "../support/parts/checks.ts";

const A: MediaAddress = { transport: "udp", hostname: "127.0.0.1", port: 40_001 };
const B: MediaAddress = { ...A, port: 40_002 };
const C: MediaAddress = { ...A, hostname: "192.0.2.1" };

function newAgent(nowMs = 0): IceAgent {
  return new IceAgent({ local: createIceCredentials(), ...BROWSER, nowMs });
}

/** One check from an address at a time; the browser answers what it is asked then. */
function check(
  agent: IceAgent,
  at: { from: MediaAddress; nowMs: number } & CheckOptions,
): IceOutcome {
  const outcome = agent.handleRequest(checkMessage(agent, at), at);
  const moved = answerConsent(agent, at.nowMs);
  return outcome.kind === "answered" ? { ...outcome, moved: outcome.moved || moved } : outcome;
}

/** A packet from an address that is newer than all others. @returns Whether the stream moved. */
function report(agent: IceAgent, at: { from: MediaAddress; nowMs: number }): boolean {
  const { moved: movedAtOnce } = agent.followTo(at.from, { nowMs: at.nowMs, proof: "srtcp" });
  agent.received(60, at);
  return answerConsent(agent, at.nowMs) || movedAtOnce;
}

/** The browser answers what it is asked now. @returns Whether the stream moved by that. */
function answerConsent(agent: IceAgent, nowMs: number): boolean {
  return agent.ask(nowMs).requests.map(({ packet, to: from }) => {
    const response = parseMessage(consentAnswer(packet));
    const outcome = agent.handleResponse(response, { from, nowMs });
    return outcome.kind === "granted" && outcome.moved;
  }).some((moved) => moved);
}

function replyTo(outcome: IceOutcome) {
  assert.equal(outcome.kind, "answered");
  return parseMessage(outcome.kind === "answered" ? outcome.reply : new Uint8Array());
}

Deno.test("createIceCredentials: long, random, and of ice-chars alone", () => {
  const seen = new Set<string>();
  for (let i = 0; i < 200; i++) {
    const { ufrag, pwd } = createIceCredentials();
    assert.match(ufrag, /^[A-Za-z0-9+/]{12}$/);
    assert.match(pwd, /^[A-Za-z0-9+/]{32}$/);
    seen.add(ufrag).add(pwd);
  }
  assert.equal(seen.size, 400);
});

Deno.test("IceAgent: an authentic check is answered with the sender's address, authenticated in turn", () => {
  const agent = newAgent();
  const request = checkMessage(agent, { transaction: 7 });
  const reply = replyTo(agent.handleRequest(request, { from: A, nowMs: 5 }));
  assert.equal(reply.messageClass, "success");
  assert.deepEqual(reply.transactionId, request.transactionId);
  assert.deepEqual(reply.xorMappedAddress, { hostname: A.hostname, port: A.port });
  assert.ok(verifyMessageIntegrity(reply, agent.local.pwd));
  assert.ok(verifyFingerprint(reply));
  assert.equal(agent.heardAtMs, 5);
});

Deno.test("IceAgent: a check of another username or password is dropped without an answer or a trace", () => {
  const agent = newAgent();
  const { ufrag } = agent.local;
  const wrong: [CheckOptions, string][] = [
    [{ username: `${ufrag}:other` }, "username"],
    [{ username: `${BROWSER_UFRAG}:${ufrag}` }, "username"],
    [{ username: `${ufrag}:${BROWSER_UFRAG}:` }, "username"],
    [{ username: ufrag }, "username"],
    [{ password: "x".repeat(32) }, "integrity"],
    [{ password: "", useCandidate: true }, "integrity"],
  ];
  for (const [options, reason] of wrong) {
    const outcome = check(agent, { from: A, nowMs: 9, ...options });
    assert.deepEqual(outcome, { kind: "rejected", reason });
  }
  assert.equal(agent.selected, undefined);
  assert.deepEqual(agent.addresses, []);
  assert.equal(agent.heardAtMs, 0);
});

Deno.test("IceAgent: a check without MESSAGE-INTEGRITY is dropped", () => {
  const agent = newAgent();
  const whole = checkMessage(agent);
  const packet = whole.packet.slice(0, whole.messageIntegrityOffset);
  new DataView(packet.buffer).setUint16(2, packet.length - 20);
  const outcome = agent.handleRequest(parseMessage(packet), { from: A, nowMs: 1 });
  assert.deepEqual(outcome, { kind: "rejected", reason: "integrity" });
});

Deno.test("IceAgent: a browser that believes it is controlled is told 487, and nothing is selected", () => {
  const agent = newAgent();
  const outcome = check(agent, { from: A, nowMs: 1, role: "controlled", useCandidate: true });
  const reply = replyTo(outcome);
  assert.deepEqual([reply.messageClass, reply.errorCode?.code], ["error", 487]);
  assert.ok(verifyMessageIntegrity(reply, agent.local.pwd));
  assert.ok(outcome.kind === "answered" && !outcome.validated);
  assert.equal(agent.selected, undefined);
});

Deno.test("IceAgent: an attribute that must be understood and is not gives 420 with its type", () => {
  const agent = newAgent();
  const request = parseMessage(checkWithAttribute(agent, 0x7abc));
  const reply = replyTo(agent.handleRequest(request, { from: A, nowMs: 1 }));
  assert.equal(reply.errorCode?.code, 420);
  assert.deepEqual(reply.unknownAttributes, [0x7abc]);
  assert.equal(agent.selected, undefined);
  const optional = parseMessage(checkWithAttribute(agent, 0xc057));
  assert.equal(
    replyTo(agent.handleRequest(optional, { from: A, nowMs: 2 })).messageClass,
    "success",
  );
});

Deno.test("IceAgent: until something is nominated the latest checked address is the one", () => {
  const agent = newAgent();
  assert.equal(agent.selected, undefined);
  check(agent, { from: A, nowMs: 0 });
  assert.deepEqual(agent.selected, A);
  check(agent, { from: B, nowMs: 1 });
  assert.deepEqual(agent.selected, B);
});

Deno.test("IceAgent: USE-CANDIDATE moves at once, and says so only when the address changes", () => {
  const agent = newAgent();
  const moved = (at: Parameters<typeof check>[1]) => {
    const outcome = check(agent, at);
    return outcome.kind === "answered" && outcome.moved;
  };
  assert.ok(!moved({ from: A, nowMs: 0, useCandidate: true }), "the first is no move");
  assert.ok(!moved({ from: A, nowMs: 1, useCandidate: true }));
  assert.ok(moved({ from: B, nowMs: 2, useCandidate: true }));
  assert.deepEqual(agent.selected, B);
  assert.ok(moved({ from: A, nowMs: 3, useCandidate: true }));
  assert.deepEqual(agent.selected, A);
});

Deno.test("IceAgent: plain checks do not move a session whose address is alive", () => {
  const agent = newAgent();
  check(agent, { from: A, nowMs: 0, useCandidate: true });
  for (let nowMs = 100; nowMs < 20_000; nowMs += 400) {
    check(agent, { from: A, nowMs });
    check(agent, { from: B, nowMs: nowMs + 1 });
    assert.deepEqual(agent.selected, A);
  }
});

Deno.test("IceAgent: media that is authentic keeps an address alive without checks", () => {
  const agent = newAgent();
  check(agent, { from: A, nowMs: 0, useCandidate: true });
  for (let nowMs = 500; nowMs < 10_000; nowMs += 500) agent.heardFrom(A, nowMs);
  check(agent, { from: B, nowMs: 10_000 });
  assert.deepEqual(agent.selected, A);
  assert.equal(agent.heardAtMs, 10_000);
});

Deno.test("IceAgent: a silent address gives way to the next that authenticates, not before 2.5 s", () => {
  const agent = newAgent();
  check(agent, { from: A, nowMs: 1_000, useCandidate: true });
  check(agent, { from: B, nowMs: 3_499 });
  assert.deepEqual(agent.selected, A);
  const outcome = check(agent, { from: B, nowMs: 3_500 });
  assert.deepEqual(agent.selected, B);
  assert.ok(outcome.kind === "answered" && outcome.moved);
  check(agent, { from: A, nowMs: 3_600 });
  assert.deepEqual(agent.selected, B, "the former address has to wait for its turn");
});

Deno.test("IceAgent: a host name counts as much as a port", () => {
  const agent = newAgent();
  check(agent, { from: A, nowMs: 0, useCandidate: true });
  check(agent, { from: C, nowMs: 1, useCandidate: true });
  assert.deepEqual(agent.selected, C);
  assert.deepEqual(agent.addresses, [A, C]);
});

Deno.test("IceAgent: media from an address without a check says nothing", () => {
  const agent = newAgent();
  check(agent, { from: A, nowMs: 0, useCandidate: true });
  agent.heardFrom(B, 500);
  assert.equal(agent.heardAtMs, 0);
  assert.deepEqual(agent.addresses, [A]);
});

Deno.test("IceAgent: follows newer media to an address without a check, and back", () => {
  const agent = newAgent();
  check(agent, { from: A, nowMs: 0, useCandidate: true });
  assert.ok(!report(agent, { from: A, nowMs: 100 }), "there already");
  assert.ok(report(agent, { from: B, nowMs: 200 }));
  assert.deepEqual([agent.selected, agent.addresses], [B, [A, B]]);
  assert.equal(agent.heardAtMs, 200);
  check(agent, { from: A, nowMs: 300 });
  assert.deepEqual(agent.selected, B);
  assert.ok(report(agent, { from: A, nowMs: 400 }));
  assert.deepEqual(agent.selected, A);
});

Deno.test("IceAgent: a check that is sent again from elsewhere moves nobody who reports by media", () => {
  const agent = newAgent();
  const nominating = checkMessage(agent, { useCandidate: true });
  agent.handleRequest(nominating, { from: A, nowMs: 0 });
  report(agent, { from: A, nowMs: 10 });
  for (let nowMs = 20; nowMs < 60_000; nowMs += 20) {
    if (nowMs % 2_000 === 0) report(agent, { from: A, nowMs: nowMs });
    const outcome = agent.handleRequest(nominating, { from: { ...C, port: nowMs }, nowMs });
    assert.ok(outcome.kind === "answered" && !outcome.moved);
    assert.deepEqual(agent.selected, A);
  }
});

Deno.test("IceAgent: media without a nomination fixes the address as well", () => {
  const agent = newAgent();
  check(agent, { from: A, nowMs: 0 });
  report(agent, { from: A, nowMs: 10 });
  check(agent, { from: B, nowMs: 20 });
  assert.deepEqual(agent.selected, A);
});

Deno.test("IceAgent: who reported and fell silent is found by a check, and again by media", () => {
  const agent = newAgent();
  check(agent, { from: A, nowMs: 0, useCandidate: true });
  report(agent, { from: A, nowMs: 100 });
  check(agent, { from: B, nowMs: 2_599, useCandidate: true });
  assert.deepEqual(agent.selected, A);
  check(agent, { from: B, nowMs: 2_600, useCandidate: true });
  assert.deepEqual(agent.selected, B);
  assert.ok(
    report(agent, { from: C, nowMs: 2_700 }),
    "a check that was sent again held it for that long only",
  );
  assert.deepEqual(agent.selected, C);
});

Deno.test("IceAgent: after a restart the former credentials count until the new ones are used", () => {
  const agent = newAgent();
  const former = agent.local;
  check(agent, { from: A, nowMs: 0, useCandidate: true });
  report(agent, { from: A, nowMs: 1 });
  const local = createIceCredentials();
  agent.restart({ local, remoteUfrag: "NEXT", remotePwd: BROWSER_PWD });
  assert.deepEqual(agent.local, local);
  assert.deepEqual(agent.ufrags, [local.ufrag, former.ufrag]);
  assert.deepEqual(agent.selected, A, "media goes on meanwhile");
  const old = { username: `${former.ufrag}:${BROWSER_UFRAG}`, password: former.pwd };
  assert.equal(check(agent, { from: A, nowMs: 2, ...old }).kind, "answered");

  const next = { username: `${local.ufrag}:NEXT`, password: local.pwd };
  check(agent, { from: B, nowMs: 3, useCandidate: true, ...next });
  assert.deepEqual(agent.selected, B, "a nomination counts again, in spite of reports from A");
  assert.equal(check(agent, { from: A, nowMs: 4, ...old }).kind, "rejected");
  assert.deepEqual(agent.ufrags, [local.ufrag]);
});

Deno.test("IceAgent: a browser that restarts again and again has two sets of credentials at most", () => {
  const agent = newAgent();
  for (let i = 0; i < 50; i++) {
    agent.restart({ local: createIceCredentials(), remoteUfrag: `R${i}`, remotePwd: BROWSER_PWD });
  }
  assert.equal(agent.ufrags.length, 2);
});

Deno.test("IceAgent: keeps eight addresses, the selected one among them", () => {
  const agent = newAgent();
  check(agent, { from: A, nowMs: 0, useCandidate: true });
  for (let port = 1; port <= 500; port++) {
    check(agent, { from: { ...A, hostname: "192.0.2.9", port }, nowMs: 1 });
    assert.ok(agent.addresses.length <= 8);
  }
  assert.deepEqual(agent.selected, A);
  assert.ok(agent.addresses.some(({ port }) => port === A.port));
  assert.deepEqual(agent.addresses.at(-1), { ...A, hostname: "192.0.2.9", port: 500 });
  agent.heardFrom({ ...A, hostname: "192.0.2.9", port: 1 }, 77);
  assert.equal(agent.heardAtMs, 1, "an address that was forgotten is not heard");
});
