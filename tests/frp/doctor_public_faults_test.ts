import { doctorFaultTest, type Fault } from "../support/doctor/doctor_faults.ts";
import type { DoctorRoom, RoomOptions } from "../support/doctor/doctor_room.ts";
import { ADDRESSES } from "../support/network/netns.ts";
import { writeCertificate } from "../support/network/openssl.ts";
import { startWebServer, WEB_PORT } from "../support/network/web_server.ts";

const { public: PUBLIC, other: OTHER, unused: UNUSED } = ADDRESSES;

/** A firewall in front of the public server. */
function dropping(rule: string): (room: DoctorRoom) => Promise<void> {
  return async ({ network }) => {
    await network.run(
      "public",
      `nft add table inet guard
      nft add chain inet guard input '{ type filter hook input priority 0; }'
      nft add rule inet guard input iifname segment ${rule}`,
    );
  };
}

/** The server speaks TLS with a certificate. */
function withCertificate(
  certificate: { readonly name?: string; readonly days?: readonly [string, string] },
  publicUrl = `https://${PUBLIC}:10110`,
): RoomOptions & Pick<Fault, "needs"> {
  return {
    needs: ["openssl"],
    config: {
      server: { public_url: publicUrl, tls_cert: "ROOM/cert.pem", tls_key: "ROOM/key.pem" },
    },
    prepare: ({ folder }) => writeCertificate(folder, { name: PUBLIC, ...certificate }),
  };
}

/** A web server on the public machine, in front of the tunnel. */
function behindWebServer(location: string): RoomOptions & Pick<Fault, "plant" | "needs"> {
  return {
    needs: ["nginx"],
    config: { server: { public_url: `http://${PUBLIC}:${WEB_PORT}` } },
    plant: (room) => startWebServer(room, location),
  };
}

const PASSED_ON = `proxy_pass http://127.0.0.1:10110;
  proxy_http_version 1.1;
  proxy_set_header Host $http_host;`;
const UPGRADED = `proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection upgrade;`;

const FAULTS: readonly Fault[] = [
  {
    name: "public_ip is another address",
    config: { webrtc: { public_ip: UNUSED } },
    failed: {
      check: "public_address",
      text: /203\.0\.113\.77 \(webrtc\.public_ip\).*203\.0\.113\.1/,
      fix: /webrtc\.public_ip = "203\.0\.113\.1"/,
    },
  },
  { name: "public_ip is empty, and the URL tells", config: { webrtc: { public_ip: "" } } },
  {
    name: "no public address is configured",
    config: { server: { public_url: "" }, webrtc: { public_ip: "" } },
    warning: { check: "public_address", text: /No public address/, fix: /server\.public_url/ },
  },
  {
    name: "a firewall in front of the public server drops UDP",
    plant: dropping("udp dport 10111-10115 drop"),
    failed: {
      check: "public_firewall",
      text: /UDP 10111-10115 of 203\.0\.113\.1 does not answer/,
      fix: /Allow UDP 10111-10115 on the public server/,
    },
  },
  {
    name: "a firewall in front of the public server drops TCP",
    plant: dropping("tcp dport 10110 drop"),
    failed: {
      check: "public_firewall",
      text: /TCP 10110 of 203\.0\.113\.1 does not answer/,
      fix: /Allow TCP 10110 on the public server/,
    },
  },
  {
    name: "a firewall in front of the public server drops everything but frps",
    plant: dropping("tcp dport != 7000 drop; nft add rule inet guard input udp dport != 7000 drop"),
    failed: {
      check: "public_firewall",
      text: /TCP 10110 and UDP 10111-10115 of 203\.0\.113\.1 do not answer/,
      fix: /Allow TCP 10110 and UDP 10111-10115 on the public server/,
    },
  },
  {
    name: "a firewall in front of the public server refuses TCP",
    plant: dropping("tcp dport 10110 reject with tcp reset"),
    failed: {
      check: "signalling",
      text: /10110 does not answer: connection refused/,
      fix: /public_url/,
    },
  },
  {
    name: "one port is dropped in front of the public server",
    plant: dropping("udp dport 10114 drop"),
    failed: { check: "udp_port", text: /10114\/udp does not answer/, fix: /firewall in front/ },
  },
  {
    name: "the public server answers from another of its addresses",
    config: {
      server: { public_url: `http://${OTHER}:10110` },
      webrtc: { public_ip: OTHER },
    },
    prepare: async ({ network }) => {
      await network.run("public", `ip addr add ${OTHER}/24 dev segment`);
    },
    failed: {
      check: "public_address",
      text: /203\.0\.113\.9 come from 203\.0\.113\.1/,
      fix: /proxyBindAddr = "203\.0\.113\.9"/,
    },
  },
  {
    name: "the public server has several addresses, and proxyBindAddr",
    config: {
      server: { public_url: `http://${OTHER}:10110` },
      webrtc: { public_ip: OTHER },
    },
    prepare: async ({ network }) => {
      await network.run("public", `ip addr add ${OTHER}/24 dev segment`);
    },
    frps: (toml) => `proxyBindAddr = "${OTHER}"\n${toml}`,
  },
  {
    name: "public_port_min is off by one",
    config: { webrtc: { public_port_min: 10_112 } },
    failed: {
      check: "frpc",
      text: /10111-10115.*webrtc\.public_port_min.*10112-10116/,
      fix: /webrtc\.public_port_min = 10111/,
    },
  },
  {
    name: "public_port_min is off by one, and frpc cannot be asked",
    config: { webrtc: { public_port_min: 10_112 } },
    frpc: (toml) => toml.replace(/webServer\..*\n/g, ""),
    failed: {
      check: "port_mapping",
      text: /off by 1/,
      fix: /webrtc\.public_port_min = 10111/,
    },
  },
  {
    name: "the certificate has expired",
    ...withCertificate({ days: ["20200101000000Z", "20210203000000Z"] }),
    failed: { check: "signalling", text: /expired on 2021-02-03/, fix: /server\.tls_cert/ },
  },
  {
    name: "the certificate is for another name",
    ...withCertificate({ name: "198.51.100.99" }),
    failed: {
      check: "signalling",
      text: /is for 198\.51\.100\.99, not for 203\.0\.113\.1/,
      fix: /server\.tls_cert/,
    },
  },
  {
    name: "the certificate is self-signed",
    ...withCertificate({}),
    failed: { check: "signalling", text: /self-signed/, fix: /authority/ },
  },
  {
    name: "the URL says https, and the server has no TLS",
    config: { server: { public_url: `https://${PUBLIC}:10110` } },
    failed: {
      check: "signalling",
      text: /server\.public_url says https/,
      fix: /server\.tls_cert/,
    },
  },
  {
    name: "the URL says http, and the server has TLS",
    ...withCertificate({}, `http://${PUBLIC}:10110`),
    failed: {
      check: "signalling",
      text: /server\.public_url says http .*server\.tls_cert/,
      fix: /https:\/\/ in server\.public_url/,
    },
  },
  {
    name: "a web server in front that forwards everything",
    ...behindWebServer(`location / {\n${PASSED_ON}\n${UPGRADED}\n}`),
  },
  {
    name: "a web server in front does not forward the upgrade",
    ...behindWebServer(`location / {\n${PASSED_ON}\n}`),
    failed: { check: "websocket", text: /does not open/, fix: /Upgrade and Connection/ },
  },
  {
    name: "a web server in front sends its own Host, and the page is refused",
    ...behindWebServer(
      `location / {\n${PASSED_ON.replace(/proxy_set_header Host.*/, "")}\n${UPGRADED}\n}`,
    ),
    // A server that knows its URL may take its page all the same.
    config: { server: { public_url: "" } },
    doctorConfig: { server: { public_url: `http://${PUBLIC}:${WEB_PORT}` } },
    failed: {
      check: "signalling",
      text: /refuses its own page \(origin_not_allowed\)/,
      fix: /proxy_set_header Host \$http_host.*server\.allowed_origins/,
    },
  },
  {
    name: "a web server in front forwards only /pinhole/",
    ...behindWebServer(
      `location /pinhole/ {\n${
        PASSED_ON.replace("10110;", "10110/;")
      }\n${UPGRADED}\n}\nlocation / { return 404; }`,
    ),
    failed: { check: "signalling", text: /forwards only \/pinhole\//, fix: /location \// },
  },
];

doctorFaultTest("the public server and what stands before it", FAULTS);
