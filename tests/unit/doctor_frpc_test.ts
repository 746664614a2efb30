import assert from "assert";
import {
  type ExpectedProxy,
  type FrpcAnswer,
  readFrpcStatus,
} from "../../src/doctor/frpc_status.ts";
import { judgeFrpc } from "../../src/doctor/frpc_judge.ts";
import type { CheckResult } from "../../src/doctor/result.ts";

function statuses(results: readonly CheckResult[]): string[] {
  return results.map(({ check, status }) => `${check} ${status}`);
}

const MEDIA = {
  protocol: "udp",
  listen: "127.0.0.1",
  listenKey: "webrtc.listen",
  mayDiffer: false,
} as const;

const EXPECTED: readonly ExpectedProxy[] = [
  {
    name: "gpu_server_api",
    protocol: "tcp",
    listen: "0.0.0.0",
    listenKey: "server.listen",
    localPort: 9000,
    publicPort: 80,
    mayDiffer: true,
  },
  { ...MEDIA, name: "udp_1", localPort: 11, publicPort: 1 },
  { ...MEDIA, name: "udp_2", localPort: 12, publicPort: 2 },
];

function frpc(groups: unknown, status = 200): CheckResult[] {
  const answer = readFrpcStatus({ status, body: JSON.stringify(groups) });
  return judgeFrpc(new Map([["http://127.0.0.1:7400", answer]]), {
    expected: EXPECTED,
    areNamed: false,
  });
}

function proxy(name: string, [remote, local]: [number, number], more: object = {}) {
  const addresses = { local_addr: `127.0.0.1:${local}`, remote_addr: `51.0.0.1:${remote}` };
  return { name, type: "", status: "running", err: "", ...addresses, plugin: "", ...more };
}

Deno.test("judgeFrpc: takes proxies of any name that lead where they should", () => {
  const groups = {
    tcp: [proxy("gpu_server_api", [80, 9000])],
    udp: [proxy("mine", [1, 11]), proxy("udp_1", [2, 12])],
  };
  assert.deepEqual(statuses(frpc(groups)), ["frpc ok"]);
});

Deno.test("judgeFrpc: names what is missing, broken and mixed up", () => {
  assert.match(frpc({})[0]?.text ?? "", /not logged in/);
  const groups = {
    tcp: [proxy("gpu_server_api", [10_110, 9000])],
    udp: [proxy("udp_2", [2, 11], { status: "start error", err: "port already used" })],
  };
  const results = frpc(groups);
  assert.deepEqual(results.map(({ status, subject }) => [status, subject]), [
    ["warning", "gpu_server_api"],
    ["failed", "udp_1"],
    ["failed", "udp_2"],
  ]);
  assert.match(results[1]?.text ?? "", /No udp proxy forwards public port 1 to local port 11/);
  assert.match(results[2]?.text ?? "", /port already used/);
});

Deno.test("judgeFrpc: what frps refused is mended where frps says", () => {
  const fixOf = (err: string) => {
    const refused = { status: "start error", err };
    const results = frpc({
      tcp: [proxy("gpu_server_api", [80, 9000])],
      udp: [
        proxy("udp_1", [1, 11], refused),
        proxy("udp_2", [2, 12]),
      ],
    });
    assert.deepEqual(statuses(results), ["frpc failed"]);
    return results[0]?.fix ?? "";
  };
  assert.match(
    fixOf("acquire port 1 error: port unavailable"),
    /on the public server, uses that port/,
  );
  assert.match(
    fixOf("acquire port 1 error: port already used"),
    /on the public server, uses that port/,
  );
  assert.match(fixOf("acquire port 1 error: port not allowed"), /allowPorts in frps\.toml/);
  assert.match(fixOf("proxy [udp_1] already exists"), /Another frpc/);
  assert.match(fixOf("work connection closed"), /frpc's log has details/);
});

Deno.test("judgeFrpc: several clients are taken together, and silence is a warning", () => {
  const half = (groups: unknown) => readFrpcStatus({ status: 200, body: JSON.stringify(groups) });
  const both = new Map([
    ["a", half({ tcp: [proxy("gpu_server_api", [80, 9000])] })],
    ["b", half({ udp: [proxy("udp_1", [1, 11]), proxy("udp_2", [2, 12])] })],
  ]);
  assert.deepEqual(statuses(judgeFrpc(both, { expected: EXPECTED, areNamed: true })), ["frpc ok"]);
  assert.deepEqual(statuses(frpc({}, 401)), ["frpc warning"]);
  assert.deepEqual(statuses(frpc({}, 502)), ["frpc warning"]);
  for (const body of ["", "null", "[1]", '{"udp":1}', '{"udp":[null]}']) {
    assert.equal(readFrpcStatus({ status: 200, body }).kind, "strange", body);
  }
});

Deno.test("judgeFrpc: of two clients the one that does not answer, or is not logged in, is named", () => {
  const whole = readFrpcStatus({
    status: 200,
    body: JSON.stringify({
      tcp: [proxy("gpu_server_api", [80, 9000])],
      udp: [proxy("udp_1", [1, 11]), proxy("udp_2", [2, 12])],
    }),
  });
  const signalling = readFrpcStatus({
    status: 200,
    body: JSON.stringify({ tcp: [proxy("gpu_server_api", [80, 9000])] }),
  });
  const silent = { kind: "unreachable", reason: "connection refused" } as const;
  const judge = (
    [first, second]: readonly [FrpcAnswer, FrpcAnswer],
    { areNamed = false } = {},
  ) => {
    const answers = new Map([["http://a", first], ["http://b", second]]);
    return judgeFrpc(answers, { expected: EXPECTED, areNamed });
  };
  const [named, ...others] = judge([whole, silent], { areNamed: true });
  assert.deepEqual([named?.status, others], ["warning", []]);
  assert.match(named?.text ?? "", /No frpc found at http:\/\/b \(connection refused\)/);
  assert.deepEqual(statuses(judge([whole, silent])), ["frpc ok"]);
  assert.deepEqual(statuses(judge([whole, { kind: "unauthorized" }])), ["frpc ok"]);
  const [closed, ...missing] = judge([signalling, { kind: "unauthorized" }]);
  assert.match(closed?.text ?? "", /http:\/\/b requires a user and a password/);
  assert.deepEqual(missing.map(({ subject }) => subject), ["udp_1", "udp_2"]);
  const [idle] = judge([signalling, readFrpcStatus({ status: 200, body: "{}" })]);
  assert.match(idle?.text ?? "", /http:\/\/b\), but is not logged in/);
});
