import assert from "assert";
import { judgeClock } from "../../src/doctor/clock_check.ts";
import { judgeFirewall } from "../../src/doctor/firewall.ts";
import {
  type CheckedPath,
  judgeMapping,
  judgePacketSizes,
  judgePaths,
} from "../../src/doctor/paths.ts";
import { judgePublicAddress, type ReachFound } from "../../src/doctor/public_address_check.ts";
import type { CheckResult } from "../../src/doctor/result.ts";
import { judgeAbsence, judgeServer } from "../../src/doctor/server.ts";
import { judgeSignalling } from "../../src/doctor/signalling_judge.ts";
import { judgeEncoder, judgeRenderer } from "../../src/doctor/renderer_judge.ts";
import { judgeViewer } from "../../src/doctor/viewer_probe.ts";
import type { Viewing } from "../../src/doctor/test_viewer.ts";

function statuses(results: readonly CheckResult[]): string[] {
  return results.map(({ check, status }) => `${check} ${status}`);
}

function path(publicPort: number, outcome: CheckedPath["outcome"]): CheckedPath {
  const localPort = publicPort + 10;
  return { transport: "udp", localPort, address: "203.0.113.7", publicPort, outcome };
}

const SILENT = { kind: "silent" } as const;
const ANSWERED = {
  kind: "answered",
  roundTripMs: 12.34,
  seenFrom: { hostname: "127.0.0.1", port: 4 },
} as const;

Deno.test("judgePaths: tells apart what never arrives, what is lost on the way back, and what is altered", () => {
  const arrival = { localPort: 12, transport: "udp", from: "127.0.0.1:40123" };
  const arrivals = [{ localPort: 11, arrivals: [] }, { localPort: 12, arrivals: [arrival] }];
  const results = judgePaths(
    [
      path(1, SILENT),
      path(2, SILENT),
      path(3, { kind: "altered" }),
      path(4, { kind: "refused", reason: "no" }),
      path(5, ANSWERED),
    ],
    arrivals,
  );
  assert.deepEqual(results.map(({ status, subject }) => `${subject} ${status}`), [
    "1 failed",
    "2 failed",
    "3 failed",
    "4 failed",
    "5 ok",
  ]);
  assert.match(results[0]?.text ?? "", /its checks do not reach the server/);
  assert.match(results[1]?.text ?? "", /reach the server from 127\.0\.0\.1:40123/);
  assert.match(results[2]?.text ?? "", /without this server's signature/);
  assert.match(results[4]?.text ?? "", /203\.0\.113\.7:5\/udp answers in 12\.3 ms/);
});

Deno.test("judgeMapping: is right, wrong or not known", () => {
  const to = (localPort: number) => [{ localPort, transport: "udp", from: "x" }];
  const paths = [path(1, ANSWERED), path(2, ANSWERED)];
  const judge = (one: number, two: number) =>
    judgeMapping(paths, [{ localPort: 11, arrivals: to(one) }, {
      localPort: 12,
      arrivals: to(two),
    }]);
  assert.deepEqual(statuses(judge(11, 12)), ["port_mapping ok"]);
  assert.deepEqual(judge(12, 11).map(({ text }) => text), [
    "Public udp port 1 forwards to local port 12 instead of 11",
    "Public udp port 2 forwards to local port 11 instead of 12",
  ]);
  assert.deepEqual(statuses(judgeMapping(paths, [])), ["port_mapping skipped"]);
});

Deno.test("judgePacketSizes: 1200 bytes have to pass, and the largest is told", () => {
  const sizes = (...passing: number[]) =>
    new Map(
      [1200, 1300, 1400].map((size) => [size, passing.includes(size) ? ANSWERED : SILENT]),
    );
  assert.equal(judgePacketSizes(sizes(1200, 1300)).values?.bytes, 1300);
  assert.equal(judgePacketSizes(sizes()).status, "failed");
  assert.equal(judgePacketSizes(new Map()).status, "skipped");
});

const REACHED = { host: "h", port: 80, cause: undefined } as const;

function publicAddress(found: Partial<ReachFound>, publicHost: string | undefined = "h") {
  const whole = { paths: [path(1, SILENT), path(2, SILENT)], tunnel: "unseen", ...found } as const;
  return judgePublicAddress(publicHost, whole);
}

Deno.test("judgePublicAddress: speaks of hairpin only where nothing at all came back", () => {
  const [silent] = publicAddress({});
  assert.equal(silent?.status, "failed");
  assert.match(silent?.fix ?? "", /hairpin/);
  const [broken] = publicAddress({ tunnel: "broken" });
  assert.match(broken?.fix ?? "", /see frpc/);
  assert.deepEqual(statuses(publicAddress({ signalling: REACHED })), ["public_address ok"]);
  for (const outcome of [ANSWERED, { kind: "altered" }] as const) {
    assert.deepEqual(statuses(publicAddress({ paths: [path(1, SILENT), path(2, outcome)] })), [
      "public_address ok",
    ]);
  }
  assert.deepEqual(statuses(judgePublicAddress(undefined, { paths: [], tunnel: "unseen" })), [
    "public_address warning",
  ]);
});

Deno.test("judgePublicAddress: an address that is not signalling's, and silent, is wrong", () => {
  const signalling = { ...REACHED, host: "i" };
  assert.equal(publicAddress({ signalling, paths: [path(1, ANSWERED)] })[0]?.status, "ok");
  assert.equal(publicAddress({ signalling, tunnel: "broken" })[0]?.status, "ok");
  const [doubted] = publicAddress({ signalling });
  assert.equal(doubted?.status, "failed");
  assert.match(doubted?.text ?? "", /at h, but signalling answers at i/);
  const [known] = publicAddress({ signalling, answeringAt: "203.0.113.9" });
  assert.match(known?.text ?? "", /at h .*at 203\.0\.113\.9/);
  assert.match(known?.fix ?? "", /webrtc\.public_ip = "203\.0\.113\.9"/);
});

Deno.test("judgePublicAddress: answers from another address than was asked name proxyBindAddr", () => {
  const from = { hostname: "203.0.113.8", port: 1 };
  const [line] = publicAddress({ paths: [path(1, { kind: "elsewhere", from })] });
  assert.equal(line?.status, "failed");
  assert.match(line?.text ?? "", /203\.0\.113\.7 come from 203\.0\.113\.8/);
  assert.match(line?.fix ?? "", /proxyBindAddr = "203\.0\.113\.7"/);
});

Deno.test("judgePublicAddress: what is silent while frpc's proxies run is a firewall's, by transport", () => {
  const texts = (found: Partial<ReachFound>) =>
    publicAddress({ tunnel: "running", ...found })
      .filter(({ status }) => status === "failed").map(({ check, text }) => `${check} ${text}`);
  const [udp, ...others] = texts({ signalling: REACHED });
  assert.match(udp ?? "", /^public_firewall UDP 1-2 of h does not answer/);
  assert.deepEqual(others, []);
  const silent = { ...REACHED, cause: "silent" } as const;
  assert.match(
    texts({ signalling: silent, paths: [path(1, ANSWERED)] })[0] ?? "",
    /^public_firewall TCP 80 of h does not answer/,
  );
  assert.match(
    texts({ signalling: silent, frpsHosts: ["h"] })[0] ?? "",
    /TCP 80 and UDP 1-2 of h do not answer/,
  );
  const refused = { ...REACHED, cause: "refused" } as const;
  assert.deepEqual(texts({ signalling: refused, paths: [path(1, ANSWERED)] }), []);
  assert.deepEqual(texts({ signalling: REACHED, isLocalSilent: true }), []);
});

Deno.test("judgeSignalling: tells silence, a redirect, a stranger and a blocked WebSocket apart", () => {
  const reply = (status: number, body: string, location?: string) => ({
    status,
    body,
    location,
    dateMs: undefined,
    receivedMs: 0,
  });
  const health = reply(200, "ok\n");
  const known = reply(200, '{"ports":[]}');
  const judge = (found: Partial<Parameters<typeof judgeSignalling>[1]>) =>
    statuses(
      judgeSignalling("http://h", { health, known, webSocketProblem: undefined, ...found }),
    );
  assert.deepEqual(judge({}), ["signalling ok", "same_server ok", "websocket ok"]);
  assert.deepEqual(judge({ health: { problem: "no", cause: "refused" } }), ["signalling failed"]);
  assert.deepEqual(judge({ health: reply(301, "", "https://h/") }), ["signalling failed"]);
  assert.deepEqual(judge({ health: reply(200, "hello") }), ["signalling failed"]);
  const missing = reply(404, '{"code":"no_such_path_check","message":"m"}');
  assert.equal(judge({ known: missing })[1], "same_server failed");
  assert.equal(judge({ known: reply(502, "") })[1], "same_server failed");
  assert.equal(judge({ webSocketProblem: "no" })[2], "websocket failed");
});

Deno.test("judgeServer: says which server it is, and why there is none", () => {
  const context = { address: "127.0.0.1:9000", ports: [11, 12], holder: undefined };
  const status = (found: Parameters<typeof judgeServer>[0]) => judgeServer(found, context)?.status;
  assert.equal(status({ kind: "running", ports: [11, 12] }), "ok");
  assert.equal(status({ kind: "running", ports: [11, 13] }), "warning");
  assert.equal(status({ kind: "started" }), undefined);
  assert.equal(judgeAbsence("h", { mustRun: false }).status, "warning");
  assert.equal(judgeAbsence("h", { mustRun: true }).status, "failed");
  assert.equal(status({ kind: "unhelpful", reason: "x" }), "failed");
  const holder = { process: { name: "nginx", pid: 7 } };
  const none = judgeServer({ kind: "none", reason: "x" }, { ...context, holder });
  assert.equal(none?.status, "failed");
  assert.match(none?.text ?? "", /nginx, process 7/);
});

Deno.test("judgeViewer: names the layer at which a connection stopped", () => {
  const steps = { pathMs: 1, securedMs: 2, packetMs: 3, frameMs: 4, problem: undefined };
  const judge = (more: Partial<Viewing>) =>
    judgeViewer({
      kind: "watched",
      answeredMs: 5,
      candidate: "h port 1",
      viewing: { ...steps, ...more },
    });
  const none = { pathMs: undefined, securedMs: undefined, packetMs: undefined, frameMs: undefined };
  assert.deepEqual(judge({}).values, {
    answer_ms: 5,
    ice_ms: 1,
    dtls_ms: 2,
    first_packet_ms: 3,
    first_picture_ms: 4,
  });
  assert.match(judge(none).text, /no ICE check of h port 1 was answered/);
  assert.match(judge({ ...none, pathMs: 1 }).text, /DTLS handshake does not complete/);
  assert.match(judge({ packetMs: undefined, frameMs: undefined }).text, /no video packet arrives/);
  assert.match(judge({ frameMs: undefined }).text, /no complete picture/);
  const refused = (code: string) => judgeViewer({ kind: "refused", code, reason: "r" }).status;
  assert.equal(refused("no_free_port"), "warning");
  assert.equal(refused("renderer_failed"), "failed");
});

Deno.test("judgeFirewall: is a hint only, which answering ports overrule", () => {
  const nothing = { nft: undefined, iptables: undefined, ufw: undefined };
  const judge = (texts: Partial<typeof nothing | Record<keyof typeof nothing, string>>) => {
    const found = { ...nothing, ...texts };
    const unreached = judgeFirewall(found, { isReached: false }).status;
    return [unreached, judgeFirewall(found, { isReached: true }).status];
  };
  const chain = "table inet filter {\n chain input {\n" +
    "  type filter hook input priority filter; policy drop;\n }\n}\n";
  assert.deepEqual(judge({ nft: chain }), ["warning", "ok"]);
  assert.deepEqual(judge({ nft: chain.replace("drop", "accept") }), ["ok", "ok"]);
  assert.deepEqual(judge({ nft: chain.replace("input p", "forward p") }), ["ok", "ok"]);
  assert.deepEqual(judge({ iptables: "-P INPUT DROP\n" }), ["warning", "ok"]);
  assert.deepEqual(judge({ ufw: "# ufw\nENABLED=yes\n" }), ["warning", "ok"]);
  assert.deepEqual(judge({ ufw: "ENABLED=no\n" }), ["ok", "ok"]);
  assert.deepEqual(judge({}), ["skipped", "skipped"]);
});

Deno.test("judgeClock: a difference counts always, a clock without NTP only for tokens", () => {
  const at = (dateMs: number) => ({ dateMs, receivedMs: 1_000_000 });
  const judge = (found: Partial<Parameters<typeof judgeClock>[0]>) =>
    judgeClock({ reply: undefined, isSynchronized: undefined, usesTokens: false, ...found });
  assert.equal(judge({}).status, "skipped");
  assert.equal(judge({ reply: at(999_000) }).status, "ok");
  assert.equal(judge({ reply: at(990_000) }).values?.difference_s, 10);
  assert.equal(judge({ reply: at(1_010_000) }).status, "warning");
  assert.equal(judge({ isSynchronized: false }).status, "skipped");
  assert.equal(judge({ isSynchronized: false, usesTokens: true }).status, "warning");
  assert.equal(judge({ isSynchronized: true, usesTokens: true }).status, "ok");
});

Deno.test("judgeRenderer, judgeEncoder: say what opens, and what does not", () => {
  const frame = { kind: "frame", what: "x.so", format: "i420", ms: 1.4 } as const;
  assert.deepEqual(judgeRenderer(frame).values, { format: "i420", first_frame_ms: 1 });
  assert.equal(judgeRenderer({ kind: "idle", what: "x.so" }).status, "ok");
  assert.equal(judgeRenderer({ kind: "failed", what: "x.so", reason: "z" }).status, "failed");
  assert.equal(judgeEncoder({ name: "libx264" }).status, "ok");
  assert.equal(judgeEncoder({ problem: "none" }).status, "failed");
});
