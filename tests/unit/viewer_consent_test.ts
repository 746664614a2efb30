import assert from "assert";
import type { MediaAddress } from "../../src/ports/media_address.ts";
import {
  type ConsentOutcome,
  createIceCredentials,
  IceAgent,
} from "../../src/transport/ice/ice_agent.ts";
import { verifyFingerprint, verifyMessageIntegrity } from "../../src/transport/ice/stun.ts";
import { formatBindingError } from "../../src/transport/ice/stun_format.ts";
import {
  BROWSER,
  BROWSER_PWD,
  BROWSER_UFRAG,
  checkMessage,
  type CheckOptions,
  consentAnswer,
  parseMessage,
} from "../support/parts/checks.ts";

const A: MediaAddress = { transport: "udp", hostname: "127.0.0.1", port: 40_001 };
const B: MediaAddress = { ...A, port: 40_002 };
const VICTIM: MediaAddress = { ...A, hostname: "203.0.113.9", port: 9 };
/** The shortest report that a browser sends, and what UDP and IPv4 add. */
const REPORT_BYTES = 56;
const HEADERS_BYTES = 28;

/** Handshake messages of ours (RFC 6347 §4.3.2). */
const SERVER_HELLO = 2;

/** A datagram of 100 bytes of the handshake. */
function flight(message: number): Uint8Array {
  const packet = new Uint8Array(100);
  packet[0] = 22;
  packet[13] = message;
  return packet;
}

interface Request {
  readonly packet: Uint8Array;
  readonly to: MediaAddress;
}

/** An agent with a browser at A, by the hands of a test. */
class Setting {
  readonly agent = new IceAgent({ local: createIceCredentials(), ...BROWSER, nowMs: 0 });
  nowMs = 0;
  readonly asked: Request[] = [];

  /** Lets time pass; what is asked meanwhile is kept, and answered by those that do so. */
  pass(ms: number, answering: readonly MediaAddress[] = []): string[] {
    const untilMs = this.nowMs + ms;
    const lost: string[] = [];
    for (let turn = 0; this.agent.nextAskAtMs <= untilMs; turn++) {
      assert.ok(turn < 1_000, "asks without end");
      this.nowMs = Math.max(this.nowMs, this.agent.nextAskAtMs);
      const round = this.agent.ask(this.nowMs);
      lost.push(...round.lost);
      for (const request of round.requests) {
        this.asked.push(request);
        if (answering.some((each) => isSame(each, request.to))) this.answer(request);
      }
    }
    this.nowMs = untilMs;
    return lost;
  }

  check(from: MediaAddress, options?: CheckOptions): void {
    this.agent.handleRequest(checkMessage(this.agent, options), { from, nowMs: this.nowMs });
  }

  report(from: MediaAddress): ReturnType<IceAgent["followTo"]> {
    const sighting = this.agent.followTo(from, { nowMs: this.nowMs, proof: "srtcp" });
    this.agent.received(REPORT_BYTES, { from, nowMs: this.nowMs });
    return sighting;
  }

  answer(
    { packet, to }: Request,
    { from = to, password = BROWSER_PWD }: { from?: MediaAddress; password?: string } = {},
  ): ConsentOutcome {
    const response = parseMessage(consentAnswer(packet, { password }));
    return this.agent.handleResponse(response, { from, nowMs: this.nowMs });
  }

  /** The browser is at A, answers, and has shaken hands. */
  connect(): this {
    this.check(A, { useCandidate: true });
    this.pass(10, [A]);
    this.report(A);
    assert.deepEqual(this.stream, A);
    return this;
  }

  /** The browser is at A and never answers; the handshake was with A alone. */
  connectUnanswered(): this {
    this.check(A, { useCandidate: true });
    assert.deepEqual(this.agent.handshakeTo(flight(SERVER_HELLO), this.nowMs), A);
    this.agent.handshakeDone(this.nowMs);
    this.report(A);
    return this;
  }

  get stream(): MediaAddress | undefined {
    return this.agent.streamTo(this.nowMs);
  }

  askedAt(address: MediaAddress): Request[] {
    return this.asked.filter(({ to }) => isSame(to, address));
  }
}

function isSame(one: MediaAddress, other: MediaAddress): boolean {
  return one.hostname === other.hostname && one.port === other.port;
}

Deno.test("consent: a request is a check that the browser takes for its own", () => {
  const setting = new Setting();
  setting.check(A);
  setting.pass(0);
  const { packet } = setting.askedAt(A)[0] ?? assert.fail();
  const request = parseMessage(packet);
  assert.equal(request.messageClass, "request");
  assert.equal(request.username, `${BROWSER_UFRAG}:${setting.agent.local.ufrag}`);
  assert.ok(request.iceControlled !== undefined && request.priority !== undefined);
  assert.ok(!request.useCandidate && request.unknownRequired.length === 0);
  assert.ok(verifyMessageIntegrity(request, BROWSER_PWD) && verifyFingerprint(request));
});

Deno.test("consent: the first address gets the stream when it has answered, and not before", () => {
  const setting = new Setting();
  setting.check(A, { useCandidate: true });
  assert.equal(setting.stream, undefined);
  setting.pass(20);
  assert.equal(setting.stream, undefined);
  setting.pass(100, [A]);
  assert.deepEqual(setting.stream, A);
});

Deno.test("consent: the stream stays where it is until a new address has answered", () => {
  const setting = new Setting().connect();
  assert.deepEqual(setting.report(B), { isNews: true, moved: false });
  assert.deepEqual(setting.stream, A);
  assert.deepEqual(setting.report(B), { isNews: false, moved: false });
  setting.pass(0);
  const outcome = setting.answer(setting.askedAt(B)[0] ?? assert.fail());
  assert.deepEqual(outcome, { kind: "granted", moved: true });
  assert.deepEqual(setting.stream, B);
  assert.equal(setting.agent.proof, "srtcp");
  // Both have agreed: back at once.
  assert.deepEqual(setting.report(A), { isNews: true, moved: true });
  assert.deepEqual(setting.stream, A);
});

Deno.test("consent: what is lost is asked again after 50 ms, and then ever more slowly", () => {
  const setting = new Setting().connect();
  const since = setting.nowMs;
  const times: number[] = [];
  for (let count = 0; count < 20; count++) {
    setting.report(B);
    setting.agent.received(500, { from: B, nowMs: setting.nowMs });
  }
  while (setting.nowMs < since + 7_000) {
    const before = setting.askedAt(B).length;
    setting.pass(10, [A]);
    if (setting.askedAt(B).length > before) times.push(setting.nowMs - since);
  }
  assert.deepEqual(times, [10, 50, 150, 350, 750, 1_550, 3_150, 4_750, 6_350]);
});

Deno.test("consent: one false report brings its victim no more than three times as much", () => {
  const setting = new Setting().connect();
  let sentBytes = 0;
  const minutes = 10;
  for (let atS = 0; atS < 60 * minutes; atS += 25) {
    setting.report(VICTIM);
    setting.pass(12_500, [A]);
    setting.report(A);
    setting.pass(12_500, [A]);
    assert.deepEqual(setting.stream, A);
  }
  for (const { packet } of setting.askedAt(VICTIM)) sentBytes += packet.length + HEADERS_BYTES;
  const spoofedBytes = (60 * minutes / 25) * (REPORT_BYTES + HEADERS_BYTES);
  assert.ok(sentBytes > 0 && sentBytes <= 3 * spoofedBytes, `${sentBytes} for ${spoofedBytes}`);
  assert.ok(sentBytes / minutes < 1_000, `${sentBytes / minutes} bytes a minute`);
});

Deno.test("consent: a browser's long fragment does not make requests that cost more than they may", () => {
  const setting = new Setting();
  const remoteUfrag = "u".repeat(256);
  setting.agent.restart({ local: createIceCredentials(), remoteUfrag, remotePwd: BROWSER_PWD });
  const { ufrag } = setting.agent.local;
  const check = { username: `${ufrag}:${remoteUfrag}`, useCandidate: true };
  setting.check(A, check);
  setting.pass(10, [A]);
  setting.report(VICTIM);
  setting.pass(10_000, [A]);
  assert.deepEqual(setting.askedAt(VICTIM), [], "84 bytes do not pay for one of 380");
  setting.report(VICTIM);
  setting.pass(10_000, [A]);
  assert.equal(setting.askedAt(VICTIM).length, 1);
});

Deno.test("consent: an address that does not answer is written off, once each time", () => {
  const setting = new Setting().connect();
  setting.report(VICTIM);
  assert.deepEqual(setting.pass(10_000, [A]), ["unanswered"]);
  setting.report(VICTIM);
  assert.deepEqual(setting.pass(10_000, [A]), []);
  setting.report(A);
  setting.report(VICTIM);
  setting.pass(10, [A]);
  setting.report(A);
  assert.deepEqual(setting.pass(10_000, [A]), ["unanswered"]);
});

Deno.test("consent: what is forged, sent again, or comes from elsewhere, counts for nothing", () => {
  const setting = new Setting().connect();
  const spent = setting.askedAt(A)[0] ?? assert.fail();
  assert.deepEqual(setting.answer(spent), { kind: "rejected", reason: "unknown_response" });
  setting.report(VICTIM);
  setting.pass(0);
  const request = setting.askedAt(VICTIM)[0] ?? assert.fail();
  assert.deepEqual(setting.answer(request, { from: B }), {
    kind: "rejected",
    reason: "response_source",
  });
  const password = setting.agent.local.pwd;
  assert.deepEqual(setting.answer(request, { password }), {
    kind: "rejected",
    reason: "response_integrity",
  });
  const { transactionId } = parseMessage(request.packet);
  const refusal = formatBindingError({
    transactionId,
    code: 487,
    reason: "Role Conflict",
    key: BROWSER_PWD,
  });
  assert.deepEqual(
    setting.agent.handleResponse(parseMessage(refusal), { from: VICTIM, nowMs: setting.nowMs }),
    { kind: "rejected", reason: "response_error" },
  );
  const broken = consentAnswer(request.packet);
  broken.set([~(broken.at(-1) ?? 0)], broken.length - 1);
  assert.deepEqual(
    setting.agent.handleResponse(parseMessage(broken), { from: VICTIM, nowMs: setting.nowMs }),
    { kind: "rejected", reason: "response_integrity" },
  );
  assert.deepEqual(setting.stream, A);
  assert.deepEqual(setting.answer(request), { kind: "granted", moved: true });
});

Deno.test("consent: an address that agreed is asked each 4 to 5 s, and has 30 s to answer", () => {
  const setting = new Setting().connect();
  const before = setting.asked.length;
  setting.pass(60_000, [A]);
  const rounds = setting.asked.length - before;
  assert.ok(rounds >= 12 && rounds <= 15, `${rounds} in a minute`);
  // It reports on, so that it is not silent, and answers no more.
  const lost: string[] = [];
  for (let second = 0; second < 24; second++) {
    lost.push(...setting.pass(1_000));
    setting.report(A);
    assert.deepEqual(setting.stream, A);
  }
  for (let second = 0; second < 12; second++) {
    lost.push(...setting.pass(1_000));
    setting.report(A);
  }
  assert.deepEqual(lost, ["expired"]);
  assert.equal(setting.stream, undefined);
  assert.equal(setting.agent.controlTo(setting.nowMs), undefined);
  setting.pass(2_000, [A]);
  assert.deepEqual(setting.stream, A, "it may agree again");
});

Deno.test("consent: an address that agreed and fell silent gets no stream after 6 s, but is not given up", () => {
  const setting = new Setting().connect();
  setting.pass(5_900);
  assert.deepEqual(setting.stream, A);
  setting.pass(200);
  assert.equal(setting.stream, undefined);
  assert.deepEqual(setting.agent.controlTo(setting.nowMs), A);
  setting.report(A);
  assert.deepEqual(setting.stream, A);
});

Deno.test("consent: who never answers has the stream by the handshake, for as long as it reports from there", () => {
  const setting = new Setting().connectUnanswered();
  for (let second = 0; second < 300; second += 10) {
    setting.pass(10_000);
    assert.deepEqual(setting.stream, A);
    setting.report(A);
  }
  assert.deepEqual(setting.report(VICTIM), { isNews: true, moved: false });
  for (let second = 0; second < 20; second += 5) {
    setting.pass(5_000);
    setting.report(VICTIM);
    assert.deepEqual(setting.stream, A);
  }
  setting.pass(10_001);
  assert.equal(setting.stream, undefined, "30 s after the last report from there");
});

Deno.test("consent: a handshake of which half went elsewhere proves neither address", () => {
  const setting = new Setting();
  setting.check(A, { useCandidate: true });
  setting.agent.handshakeTo(flight(SERVER_HELLO), setting.nowMs);
  setting.check(VICTIM, { useCandidate: true });
  assert.deepEqual(setting.agent.handshakeTo(flight(SERVER_HELLO), setting.nowMs), VICTIM);
  setting.agent.handshakeDone(setting.nowMs);
  setting.report(VICTIM);
  assert.equal(setting.stream, undefined);
});

Deno.test("consent: our flight of the handshake proves nothing before the browser's Finished", () => {
  const setting = new Setting();
  setting.check(A, { useCandidate: true });
  assert.deepEqual(setting.agent.handshakeTo(flight(SERVER_HELLO), setting.nowMs), A);
  assert.equal(setting.stream, undefined);
  setting.agent.handshakeDone(setting.nowMs);
  assert.deepEqual(setting.stream, A);

  const spoofed = new Setting();
  spoofed.check(A, { useCandidate: true });
  spoofed.agent.handshakeTo(flight(SERVER_HELLO), spoofed.nowMs);
  spoofed.check(VICTIM, { useCandidate: true });
  let sent = 0;
  while (spoofed.agent.handshakeTo(flight(SERVER_HELLO), spoofed.nowMs) === VICTIM) sent++;
  assert.ok(sent <= 3, `${sent} packets went to who has not read anything`);
});

Deno.test("consent: of a handshake no more goes to an address than three times what came from there", () => {
  const setting = new Setting();
  setting.check(VICTIM, { useCandidate: true });
  const receivedBytes = checkMessage(setting.agent).packet.length + HEADERS_BYTES;
  let sentBytes = 0;
  while (setting.agent.handshakeTo(flight(SERVER_HELLO), setting.nowMs)) {
    sentBytes += 100 + HEADERS_BYTES;
  }
  setting.pass(10_000);
  for (const { packet } of setting.asked) sentBytes += packet.length + HEADERS_BYTES;
  assert.ok(sentBytes > 0 && sentBytes <= 3 * receivedBytes, `${sentBytes} for ${receivedBytes}`);
});

Deno.test("consent: a TCP connection is a proof by itself and is not asked", () => {
  const setting = new Setting().connect();
  const tcp: MediaAddress = { ...B, transport: "tcp" };
  assert.deepEqual(setting.report(tcp), { isNews: true, moved: true });
  setting.pass(60_000);
  assert.deepEqual(setting.askedAt(B), []);
  setting.report(tcp);
  assert.deepEqual(setting.stream, tcp);
});

Deno.test("consent: after a restart requests bear the names that the browser has shown to use", () => {
  const setting = new Setting().connect();
  const next = { remoteUfrag: "NEXT", remotePwd: "nextnextnextnextnext00" };
  setting.agent.restart({ local: createIceCredentials(), ...next });
  const { ufrag } = setting.agent.local;
  const asked = (password: string) => {
    setting.asked.length = 0;
    setting.report({ ...B, port: setting.nowMs + 1 });
    setting.pass(20, [A]);
    const request = setting.asked.find(({ to }) => to.port !== A.port) ?? assert.fail();
    assert.equal(setting.answer(request, { password }).kind, "granted");
    return parseMessage(request.packet).username;
  };
  assert.match(asked(BROWSER_PWD) ?? "", new RegExp(`^${BROWSER_UFRAG}:`));
  setting.check(A, { username: `${ufrag}:NEXT` });
  assert.equal(asked(next.remotePwd), `NEXT:${ufrag}`);
});

Deno.test("consent: answers that come late do not count", () => {
  const setting = new Setting().connect();
  setting.report(B);
  setting.pass(10_001, [A]);
  const [first, ...others] = setting.askedAt(B);
  assert.equal(setting.answer(first ?? assert.fail()).kind, "rejected");
  assert.ok(others.length > 0);
});

Deno.test("consent: an answer is a sign of life", () => {
  const setting = new Setting().connect();
  setting.pass(60_000, [A]);
  assert.ok(setting.nowMs - setting.agent.heardAtMs <= 5_000);
  assert.deepEqual(setting.stream, A);
});
