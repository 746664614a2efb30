import assert from "assert";
import { parseArguments } from "../../src/cli/arguments.ts";

const FRPC = {
  name: "frpc",
  config: undefined,
  output: "frpc",
  part: "all",
  server: undefined,
  protocol: "tcp",
  tokenVariable: "FRP_TOKEN",
  admin: undefined,
};

Deno.test("parseArguments: frpc takes its options in any order", () => {
  assert.deepEqual(parseArguments(["frpc"]), FRPC);
  const args = ["frpc", "--frps", "--server", "a.example:7001", "--media-only", "--protocol=quic"];
  assert.deepEqual(parseArguments([...args, "--token-env", "T_1", "--admin", "[::1]:7402"]), {
    ...FRPC,
    output: "frps",
    part: "media",
    server: { hostname: "a.example", port: 7001 },
    protocol: "quic",
    tokenVariable: "T_1",
    admin: { hostname: "::1", port: 7402 },
  });
});

Deno.test("parseArguments: frpc --server is an address, with a port if one is named", () => {
  const cases = [
    ["192.0.2.1", "192.0.2.1", undefined],
    ["192.0.2.1:80", "192.0.2.1", 80],
    ["a.example", "a.example", undefined],
    ["2001:db8::1", "2001:db8::1", undefined],
    ["[2001:db8::1]", "2001:db8::1", undefined],
    ["[2001:db8::1]:80", "2001:db8::1", 80],
  ] as const;
  for (const [text, hostname, port] of cases) {
    const server = { hostname, port };
    assert.deepEqual(parseArguments(["frpc", "--server", text]), { ...FRPC, server });
  }
});

Deno.test("parseArguments: what is wrong with frpc is said in words that name it", () => {
  const cases: readonly [string[], RegExp][] = [
    [["now"], /frpc takes no argument "now"/],
    [["--server", "a b"], /--server is "a b"/],
    [["--server", "a:0"], /--server is "a:0"/],
    [["--server", "a:70000"], /--server is "a:70000"/],
    [["--protocol", "udp"], /--protocol is "udp".*tcp, kcp, quic, websocket, wss/],
    [["--token-env", 'A }} "'], /--token-env is .*letters, digits and _/],
    [["--admin", "7400"], /--admin is "7400".*ADDRESS:PORT/],
    [["--frps=yes"], /--frps takes no value/],
    [["--frps", "--frps"], /--frps is given twice/],
    [["--frps", "--plain"], /--frps or --plain/],
    [["--media-only", "--signalling-only"], /--media-only or --signalling-only/],
  ];
  for (const [args, expected] of cases) {
    const result = parseArguments(["frpc", ...args]);
    assert.equal(typeof result, "string", args.join(" "));
    assert.match(String(result), expected);
  }
});
