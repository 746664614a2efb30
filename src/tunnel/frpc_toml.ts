import type { MappedPort, Mapping } from "./port_mapping.ts";
import { type Endpoint, type TunnelSettings, UDP_PACKET_SIZE } from "./settings.ts";
import { fromVariable, quote } from "./toml.ts";

/** Variable that holds the password of frpc's admin API, for frpc and for `pinhole doctor`. */
export const ADMIN_PASSWORD_VARIABLE = "FRPC_ADMIN_PASSWORD";

/** Variable that holds the user name of frpc's admin API; it may be left out. */
export const ADMIN_USER_VARIABLE = "FRPC_ADMIN_USER";

/** What frpc's file is made of. */
export interface FrpcOptions extends TunnelSettings {
  readonly mapping: Mapping;
  /** Where frpc's admin API listens, once it has a password. */
  readonly admin: Endpoint;
}

/** frpc.toml for a mapping, with the reasons of each choice in comments. Pure. */
export function formatFrpcToml(options: FrpcOptions): string {
  const { mapping } = options;
  const blocks = [formatHead(options), formatTransport(options), formatAdmin(options.admin)];
  if (mapping.signalling !== undefined) {
    blocks.push(`# The page and the WebSocket.\n${formatProxy(mapping.signalling)}`);
  }
  if (mapping.media.length > 0) blocks.push(MEDIA_REMARKS);
  blocks.push(...mapping.media.map(formatProxy));
  return `${blocks.join("\n\n")}\n`;
}

function formatHead({ mapping, server, tokenVariable }: FrpcOptions): string {
  const { signalling, media } = mapping;
  const carries = signalling === undefined
    ? "media alone"
    : media.length === 0
    ? "signalling alone"
    : "signalling and media";
  return `# frpc's side of the tunnel, for ${carries}, made by \`pinhole frpc\`. Start: frpc -c FILE (frp 0.66 or later).
# The other side: pinhole frpc --frps.

serverAddr = ${quote(server.hostname)}
serverPort = ${server.port}

# Of this variable; empty without it, as for an frps that asks for no token.
auth.token = ${fromVariable(tokenVariable)}

# Tries again while frps or the network is not there, after a reboot say.
loginFailExit = false`;
}

const MUX_REMARKS = {
  tcp:
    `# true: one TCP connection carries all proxies, and a packet that it lost holds up everything behind it, media and
# signalling alike. false gives every proxy a connection of its own. frps must have the same value; true is its default.
# Without touching frps: two clients, one started with the file of --media-only, one with that of --signalling-only.`,
  kcp:
    `# true: one KCP connection carries all proxies, and a packet that it lost holds up everything behind it. frps must
# have the same value; true is its default.`,
} as const;

const SILENCE_REMARKS =
  `# A connection that died without a word is noticed within 20 s, before Pinhole gives its viewers up (30 s).`;

function formatTransport({ protocol, mapping }: FrpcOptions): string {
  const lines = [`transport.protocol = ${quote(protocol)}`];
  if (protocol === "wss") {
    lines.unshift("# frps does not end TLS for this: a web server before it has to.");
  }
  if (protocol === "quic") {
    lines.unshift("# Proxies do not hold each other up here: each has a QUIC stream of its own.");
    // A keep-alive that is sent into silence starts QUIC's idle time anew, once (RFC 9000 §10.1): 5 s and 15 s.
    lines.push(
      "",
      SILENCE_REMARKS,
      "transport.quic.keepalivePeriod = 5",
      "transport.quic.maxIdleTimeout = 15",
    );
  } else {
    lines.push(
      "",
      MUX_REMARKS[protocol === "kcp" ? "kcp" : "tcp"],
      "transport.tcpMux = true",
      "",
      SILENCE_REMARKS,
      "transport.tcpMuxKeepaliveInterval = 10",
    );
  }
  if (mapping.signalling !== undefined) {
    lines.push(
      "",
      "# Connections kept ready: a page opens several at once, and each saves a round trip. Media needs none of them.",
      "transport.poolCount = 5",
    );
  }
  lines.push(
    "",
    "# Longer datagrams are cut without a word; browsers and Pinhole stay below. Must be the same in frps.",
    `udpPacketSize = ${UDP_PACKET_SIZE}`,
  );
  return lines.join("\n");
}

/** The template's own words stand in comments, so that the file is TOML before and after it is filled in. */
function formatAdmin({ hostname, port }: Endpoint): string {
  return `# Status and reload, for \`frpc status -c FILE\` and \`pinhole doctor\`. On only where ${ADMIN_PASSWORD_VARIABLE} is
# set, since whoever reaches it can read and change this file. {{ if .Envs.${ADMIN_PASSWORD_VARIABLE} }}
webServer.addr = ${quote(hostname)}
webServer.port = ${port}
webServer.user = ${fromVariable(ADMIN_USER_VARIABLE)}
webServer.password = ${fromVariable(ADMIN_PASSWORD_VARIABLE)}
# {{ end }}`;
}

const MEDIA_REMARKS = `# Media. What is left out below is left out on purpose:
# - transport.useEncryption, useCompression: media is encrypted already, and does not get smaller.
# - transport.proxyProtocolVersion: on UDP, frp 0.66 puts it before each packet, and no browser connects.
# - transport.bandwidthLimit: makes packets wait instead of dropping them; video.bitrate_kbps is the place for a limit.`;

function formatProxy({ name, protocol, localIp, localPort, publicPort }: MappedPort): string {
  return `[[proxies]]
name = ${quote(name)}
type = ${quote(protocol)}
localIP = ${quote(localIp)}
localPort = ${localPort}
remotePort = ${publicPort}`;
}
