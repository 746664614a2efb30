import type { MappedPort, PortMapping } from "./port_mapping.ts";
import { type Endpoint, type TunnelSettings, UDP_PACKET_SIZE } from "./settings.ts";
import { fromVariable, tomlString } from "./toml.ts";

/** Environment variable with the password of frpc's admin API, for frpc and `pinhole doctor`. */
export const ADMIN_PASSWORD_VARIABLE = "FRPC_ADMIN_PASSWORD";

/** Environment variable with the user name of frpc's admin API; optional. */
export const ADMIN_USER_VARIABLE = "FRPC_ADMIN_USER";

/** Options of {@link formatFrpcToml}. */
export interface FrpcTomlOptions extends TunnelSettings {
  readonly mapping: PortMapping;
  /** Listening address of frpc's admin API, which is on only with a password. */
  readonly admin: Endpoint;
}

/** Formats frpc.toml for a mapping, with the reason for each setting in comments. Pure. */
export function formatFrpcToml(options: FrpcTomlOptions): string {
  const { mapping } = options;
  const blocks = [formatHead(options), formatTransport(options), formatAdmin(options.admin)];
  if (mapping.signalling !== undefined) {
    blocks.push(`# The page and the WebSocket.\n${formatProxy(mapping.signalling)}`);
  }
  if (mapping.media.length > 0) blocks.push(MEDIA_REMARKS);
  blocks.push(...mapping.media.map(formatProxy));
  return `${blocks.join("\n\n")}\n`;
}

function formatHead({ mapping, server, tokenVariable }: FrpcTomlOptions): string {
  const { signalling, media } = mapping;
  const carries = signalling === undefined
    ? "media only"
    : media.length === 0
    ? "signalling only"
    : "signalling and media";
  return `# The file of frpc, for ${carries}, made by \`pinhole frpc\`. Start: frpc -c FILE (frp 0.66 or later).
# The file of frps: pinhole frpc --frps.

serverAddr = ${tomlString(server.hostname)}
serverPort = ${server.port}

# From this environment variable; empty if it is not set, for an frps without a token.
auth.token = ${fromVariable(tokenVariable)}

# Retry while frps or the network is not up yet, for example after a reboot.
loginFailExit = false`;
}

const MUX_REMARKS = {
  tcp:
    `# true: one TCP connection carries all proxies, so a lost packet delays media and signalling alike. false: each
# proxy has a separate connection. frps must have the same value; true is its default. Without a change to frps: two
# clients, one with the file of --media-only and one with the file of --signalling-only.`,
  kcp:
    `# true: one KCP connection carries all proxies, so a lost packet delays all of them. frps must have the same value;
# true is its default.`,
} as const;

const SILENCE_REMARKS =
  `# A dead connection is detected within 20 s, before Pinhole ends its viewers (30 s).`;

function formatTransport({ protocol, mapping }: FrpcTomlOptions): string {
  const lines = [`transport.protocol = ${tomlString(protocol)}`];
  if (protocol === "wss") {
    lines.unshift("# frps does not terminate TLS for wss: a web server in front must do it.");
  }
  if (protocol === "quic") {
    lines.unshift("# Proxies do not delay each other: each has a separate QUIC stream.");
    // The first unanswered keep-alive restarts QUIC's idle timer once (RFC 9000 §10.1): 5 s + 15 s.
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
      "# Idle connections kept ready: a page opens several at once, and each saves a round trip. Media needs none.",
      "transport.poolCount = 5",
    );
  }
  lines.push(
    "",
    "# Longer datagrams are truncated silently; browsers and Pinhole stay below. Must be the same in frps.",
    `udpPacketSize = ${UDP_PACKET_SIZE}`,
  );
  return lines.join("\n");
}

/** Template actions are in comments, so that the file is valid TOML before and after expansion. */
function formatAdmin({ hostname, port }: Endpoint): string {
  return `# Status and reload, for \`frpc status -c FILE\` and \`pinhole doctor\`. On only if ${ADMIN_PASSWORD_VARIABLE} is set,
# because anyone who reaches it can read and change this file. {{ if .Envs.${ADMIN_PASSWORD_VARIABLE} }}
webServer.addr = ${tomlString(hostname)}
webServer.port = ${port}
webServer.user = ${fromVariable(ADMIN_USER_VARIABLE)}
webServer.password = ${fromVariable(ADMIN_PASSWORD_VARIABLE)}
# {{ end }}`;
}

const MEDIA_REMARKS = `# Media. Do not set these here:
# - transport.useEncryption, useCompression: media is already encrypted and compressed.
# - transport.proxyProtocolVersion: on UDP, frp 0.66 adds a header to each packet, and no browser can connect.
# - transport.bandwidthLimit: packets are queued instead of dropped; limit the rate with video.bitrate_kbps.`;

function formatProxy({ name, protocol, localIp, localPort, publicPort }: MappedPort): string {
  return `[[proxies]]
name = ${tomlString(name)}
type = ${tomlString(protocol)}
localIP = ${tomlString(localIp)}
localPort = ${localPort}
remotePort = ${publicPort}`;
}
