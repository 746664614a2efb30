import assert from "assert";
import { judgePorts } from "../../src/doctor/ports.ts";
import { parseSockets } from "../../src/doctor/sockets.ts";

const PROC_NET_UDP =
  `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  101: 0100007F:277F 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 71001 2 0000000000000000 0
  102: 00000000:2780 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 71002 2 0000000000000000 0
`;
const PROC_NET_TCP6 =
  `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:2328 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 500 1 0 100 0 0 10 0
   1: 0000000000000000FFFF00000100007F:2329 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 501 1 0 100 0 0 10 0
   2: 00000000000000000000000000000000:232A 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 502 1 0 100 0 0 10 0
   3: 00000000000000000000000001000000:2328 00000000000000000000000001000000:D431 01 00000000:00000000 00:00000000 00000000     0        0 503 1 0 100 0 0 10 0
`;

Deno.test("parseSockets: reads addresses, ports and inodes; of TCP only what listens", () => {
  assert.deepEqual(parseSockets(PROC_NET_UDP, "udp"), [
    { hostname: "127.0.0.1", port: 10_111, inode: "71001" },
    { hostname: "0.0.0.0", port: 10_112, inode: "71002" },
  ]);
  assert.deepEqual(parseSockets(PROC_NET_TCP6, "tcp"), [
    { hostname: "::1", port: 9000, inode: "500" },
    { hostname: "127.0.0.1", port: 9001, inode: "501" },
    { hostname: "::", port: 9002, inode: "502" },
  ]);
  for (const text of ["", "nonsense\nmore nonsense\n", "a\n1: 0100007F 0 0"]) {
    assert.deepEqual(parseSockets(text, "udp"), []);
  }
});

Deno.test("judgePorts: names who has a port, and how to find out where that is not seen", () => {
  const base = {
    protocol: "udp" as const,
    ports: [1, 2, 3],
    refused: new Map(),
    holders: new Map(),
    httpHolder: undefined,
  };
  assert.equal(judgePorts({ ...base, bound: [1, 2, 3] })[0]?.status, "ok");
  assert.match(judgePorts({ ...base, bound: undefined })[0]?.text ?? "", /1-3: free/);
  const holders = new Map([
    [1, { process: { name: "nginx", pid: 7 } }],
    [2, { process: undefined }],
  ]);
  const missing = judgePorts({ ...base, bound: [], holders });
  assert.deepEqual(missing.map(({ text }) => text), [
    "UDP 1 is in use by nginx (process 7)",
    "UDP 2 is in use by a program that this user may not see",
    "UDP 3 is not bound by the server",
  ]);
  assert.match(missing[1]?.fix ?? "", /sudo ss -ulpn 'sport = :2'/);
  const refused = new Map([[2, "is in use by another program"]]);
  assert.deepEqual(
    judgePorts({ ...base, bound: undefined, refused, holders }).map(({ subject }) => subject),
    ["2"],
  );
  const [tcp] = judgePorts({ ...base, protocol: "tcp", bound: undefined, refused, holders });
  assert.equal(tcp?.subject, "2/tcp");
  assert.match(tcp?.fix ?? "", /ss -tlpn/);
});

Deno.test("judgePorts: where holders cannot be seen and no server runs, a port is taken and not the server's to bind", () => {
  const [one, ...others] = judgePorts({
    protocol: "udp",
    ports: [1, 2],
    bound: undefined,
    refused: new Map([[2, "is in use by another program"]]),
    holders: new Map(),
    httpHolder: undefined,
  });
  assert.deepEqual(others, []);
  assert.equal(one?.text, "UDP 2 is in use by another program");
});
