import assert from "assert";
import { doctorFaultTest, type Fault } from "../support/doctor/doctor_faults.ts";
import { eventually } from "../support/deadline.ts";
import type { DoctorRoom } from "../support/doctor/doctor_room.ts";
import { ADDRESSES } from "../support/network/netns.ts";

const NOT_LOGGED_IN = /connect to server error|login to (the )?server failed/;

/** Adds a line to a proxy of frpc.toml. */
function inProxy(name: string, line: string): (toml: string) => string {
  return (toml) => edited(toml, `name = "${name}"`, `name = "${name}"\n${line}`);
}

/** The file with one text in the place of another, which has to be there. */
function edited(toml: string, from: string | RegExp, to: string): string {
  const result = toml.replace(from, to);
  assert.notEqual(result, toml, `nothing to edit: ${from}`);
  return result;
}

/** Has frpc notice that frps is gone. */
async function frpcNotices({ frpc }: DoctorRoom): Promise<void> {
  const from = frpc.lines.length;
  await eventually(() => frpc.lines.slice(from).some((line) => NOT_LOGGED_IN.test(line)), {
    what: () => `for frpc to notice:\n${frpc.lastWords}`,
  });
}

function withoutProxy(name: string): (toml: string) => string {
  return (toml) => {
    const blocks = toml.split(/(?=^\[\[proxies\]\])/m);
    const kept = blocks.filter((block) => !block.includes(`name = "${name}"`));
    assert.equal(kept.length, blocks.length - 1);
    return kept.join("");
  };
}

function swapped(toml: string): string {
  return toml.replace(/localPort = 1011([12])/g, (_, last) => `localPort = 1011${3 - last}`);
}

const FAULTS: readonly Fault[] = [
  { name: "none", secondsMax: 12 },
  {
    name: "frpc does not run",
    plant: ({ frpc }) => frpc.kill(),
    failed: { check: "frpc", text: /frpc does not run/, fix: /frpc -c/ },
    also: ({ results }) => {
      const failures = results.filter(({ status }) => status === "failed");
      assert.equal(failures.length, 2, "what follows from it is one line");
      assert.match(failures[1]?.text ?? "", /203\.0\.113\.1.*10111-10115/);
    },
  },
  {
    name: "frps does not run",
    plant: async (room) => {
      await room.frps.kill();
      await frpcNotices(room);
    },
    failed: { check: "frpc", text: /203\.0\.113\.1:7000 refuses/, fix: /frps -c frps\.toml/ },
  },
  {
    name: "the token is another",
    tokens: { frpc: "one", frps: "another" },
    frpcSays: NOT_LOGGED_IN,
    failed: { check: "frpc", text: /frps at 203\.0\.113\.1:7000 answers/, fix: /auth\.token/ },
  },
  {
    name: "the port of frps is behind a firewall",
    prepare: ({ network }) =>
      network.run(
        "public",
        `nft add table inet guard
        nft add chain inet guard input '{ type filter hook input priority 0; }'
        nft add rule inet guard input tcp dport 7000 drop`,
      ).then(() => {}),
    frpcSays: /./,
    failed: {
      check: "frpc",
      text: /203\.0\.113\.1:7000 time out/,
      fix: /firewall.*TCP 7000/,
    },
  },
  {
    name: "a udp proxy is missing",
    frpc: withoutProxy("udp_10113"),
    failed: {
      check: "frpc",
      text: /No udp proxy forwards public port 10113 to local port 10113/,
      fix: /pinhole frpc/,
    },
    secondsMax: 12,
  },
  {
    name: "two ports are swapped",
    frpc: swapped,
    failed: {
      check: "frpc",
      text: /udp_10111 forwards public port 10111 to local port 10112/,
      fix: /pinhole frpc/,
    },
    secondsMax: 12,
  },
  {
    name: "udpPacketSize is too small in frpc",
    frpc: (toml) => edited(toml, "udpPacketSize = 1500", "udpPacketSize = 1000"),
    failed: {
      check: "packet_size",
      text: /1200 bytes, which video needs, do not pass/,
      fix: /udpPacketSize/,
    },
  },
  {
    name: "udpPacketSize is too small in frps",
    frps: (toml) => edited(toml, "udpPacketSize = 1500", "udpPacketSize = 1000"),
    failed: {
      check: "packet_size",
      text: /1200 bytes, which video needs, do not pass/,
      fix: /udpPacketSize/,
    },
  },
  {
    name: "udpPacketSize is scant on both ends",
    frpc: (toml) => edited(toml, "udpPacketSize = 1500", "udpPacketSize = 1250"),
    frps: (toml) => edited(toml, "udpPacketSize = 1500", "udpPacketSize = 1250"),
    warning: { check: "packet_size", text: /1200 bytes.*send up to \d+/, fix: /udpPacketSize/ },
  },
  {
    name: "proxyProtocolVersion on a udp proxy",
    frpc: inProxy("udp_10112", 'transport.proxyProtocolVersion = "v2"'),
    failed: {
      check: "frpc",
      text: /udp_10112.*proxyProtocolVersion/,
      fix: /line \d+ of frpc\.toml/,
    },
  },
  {
    name: "proxyProtocolVersion on the proxy of signalling",
    frpc: inProxy("gpu_server_api", 'transport.proxyProtocolVersion = "v2"'),
    failed: {
      check: "frpc",
      text: /gpu_server_api.*proxyProtocolVersion/,
      fix: /line \d+ of frpc\.toml/,
    },
  },
  {
    name: "tcpMux differs",
    frps: (toml) => edited(toml, "transport.tcpMux = true", "transport.tcpMux = false"),
    frpcSays: NOT_LOGGED_IN,
    failed: { check: "frpc", text: /tcpMux/, fix: /transport\.tcpMux/ },
  },
  {
    name: "tcpMux differs the other way round",
    frpc: (toml) =>
      edited(toml, "transport.tcpMux = true", "transport.tcpMux = false")
        .replace(/^transport\.tcpMuxKeepaliveInterval.*$/m, ""),
    frpcSays: NOT_LOGGED_IN,
    failed: { check: "frpc", text: /tcpMux/, fix: /transport\.tcpMux/ },
  },
  {
    name: "bandwidthLimit on media",
    frpc: inProxy("udp_10111", 'transport.bandwidthLimit = "1MB"'),
    warning: { check: "frpc", text: /udp_10111.*bandwidthLimit.*1MB/, fix: /bitrate_kbps/ },
  },
  {
    name: "allowPorts leaves a port out",
    frps: (toml) => edited(toml, "end = 10115", "end = 10114"),
    frpcSays: /port not allowed/,
    failed: { check: "frpc", text: /udp_10115 does not run/, fix: /allowPorts/ },
  },
  {
    name: "another frpc has the name of a proxy",
    prepare: (room) => {
      return room.write(
        "rival.toml",
        [
          `serverAddr = "${ADDRESSES.public}"`,
          'auth.token = "t"',
          "udpPacketSize = 1500",
          '[[proxies]]\nname = "udp_10111"\ntype = "udp"\nlocalPort = 1\nremotePort = 10115',
        ].join("\n"),
      ).then(() => {});
    },
    plant: async (room) => {
      await room.frpc.kill();
      await startRival(room);
      room.frpc.start();
      await eventually(() => room.frpc.lines.some((line) => line.includes("already exists")), {
        what: () => `for frps to refuse a proxy:\n${room.frpc.lastWords}`,
      });
    },
    failed: { check: "frpc", text: /udp_10111 does not run/, fix: /[Aa]nother frpc/ },
  },
  {
    name: "a port is taken on the public server",
    prepare: async (room) => {
      room.start("public", takes("udp", 10_114));
      await eventually(
        async () => (await room.network.run("public", "ss -uln")).includes(":10114"),
        { what: "for the port to be taken" },
      );
    },
    frpcSays: /port unavailable/,
    failed: {
      check: "frpc",
      text: /udp_10114 does not run.*port unavailable/,
      fix: /on the public server/,
    },
  },
  {
    name: "the remotePort of signalling is another",
    frpc: (toml) => edited(toml, "remotePort = 10110", "remotePort = 10109"),
    frps: (toml) => edited(toml, "start = 10110", "start = 10109"),
    failed: {
      check: "signalling",
      text: /203\.0\.113\.1:10110 does not answer: connection refused/,
      fix: /public_url/,
    },
    warning: { check: "frpc", text: /10109.*10110/, fix: /pinhole frpc/ },
  },
  {
    name: "the admin API has another password",
    env: { FRPC_ADMIN_PASSWORD: "another" },
    warning: { check: "frpc", text: /requires a user and a password/, fix: /FRPC_ADMIN_PASSWORD/ },
  },
  {
    name: "the admin API is off",
    frpc: (toml) => edited(toml, /webServer\..*\n/g, ""),
    warning: { check: "frpc", text: /No frpc found/, fix: /FRPC_ADMIN_PASSWORD/ },
  },
];

/** A frpc of somebody else. */
async function startRival(room: DoctorRoom): Promise<void> {
  const rival = room.startFrpc("rival.toml");
  await eventually(() => rival.lines.some((line) => line.includes("start proxy success")), {
    what: () => `for the rival:\n${rival.lastWords}`,
  });
}

/** A program that takes a port. */
function takes(protocol: "udp" | "tcp", port: number): string[] {
  const listens = protocol === "udp"
    ? `Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: ${port} })`
    : `Deno.listen({ port: ${port} })`;
  return [Deno.execPath(), "eval", "--unstable-net", `${listens}; setInterval(() => {}, 1000)`];
}

doctorFaultTest("the tunnel", FAULTS);
