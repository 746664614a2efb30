import { PORT_MAX } from "../base/limits.ts";
import { isLoopbackHost, isUnspecified } from "./address.ts";
import type { Config } from "./config.ts";
import type { Check } from "./problem.ts";
import { formatHostPort } from "../base/host_port.ts";
import { providerWarnings, PUBLIC_PORT_CHECKS } from "./public_port_checks.ts";

/** Most UDP ports in the range: each is a bound socket, and more places come from peers_per_port. */
const PORTS_MAX = 1000;

/** Every rule over several keys. A 0 that stands for another value is not resolved yet. */
export const CONFIG_CHECKS: readonly Check[] = [
  {
    keys: ["server.tls_cert", "server.tls_key"],
    broken: ({ server: { tlsCert, tlsKey } }) =>
      tlsCert !== undefined && tlsKey === undefined ? "needs server.tls_key as well" : undefined,
  },
  {
    keys: ["server.tls_key", "server.tls_cert"],
    broken: ({ server: { tlsCert, tlsKey } }) =>
      tlsKey !== undefined && tlsCert === undefined ? "needs server.tls_cert as well" : undefined,
  },
  {
    keys: ["server.listen", "webrtc.listen", "webrtc.port_min", "webrtc.port_max", "webrtc.tcp"],
    broken: ({ server, webrtc, reach }, mention) =>
      reach.ports.some(({ port, tcp }) => tcp !== undefined && port === server.listen.port) &&
        overlap(server.listen.hostname, webrtc.listen)
        ? `must be outside ${mention("webrtc.port_min")} to ${mention("webrtc.port_max")}, ` +
          `which ${mention("webrtc.tcp")} uses for TCP too`
        : undefined,
  },
  {
    keys: ["webrtc.port_min", "webrtc.port_max"],
    broken: ({ webrtc }, mention) =>
      webrtc.portMin > webrtc.portMax
        ? `must not be above ${mention("webrtc.port_max")}`
        : undefined,
  },
  {
    keys: ["webrtc.port_max", "webrtc.port_min"],
    broken: ({ webrtc }, mention) =>
      portsAfterFirst(webrtc) >= PORTS_MAX
        ? `must be less than ${PORTS_MAX} above ${mention("webrtc.port_min")}`
        : undefined,
  },
  {
    keys: ["webrtc.public_port_min", "webrtc.port_min", "webrtc.port_max"],
    broken: ({ webrtc }, mention) => {
      const highest = PORT_MAX - portsAfterFirst(webrtc);
      return webrtc.publicPortMin > highest && webrtc.portMin <= webrtc.portMax
        ? `must be at most ${highest}: as many ports as ${mention("webrtc.port_min")} to ` +
          `${mention("webrtc.port_max")} must fit below ${PORT_MAX + 1}`
        : undefined;
    },
  },
  {
    keys: ["webrtc.udp", "webrtc.tcp"],
    broken: ({ webrtc }, mention) =>
      webrtc.udp || webrtc.tcp
        ? undefined
        : `must be true with ${mention("webrtc.tcp")}: media needs one of the two`,
  },
  ...PUBLIC_PORT_CHECKS,
  {
    keys: ["video.codec", "video.encoder"],
    broken: ({ video: { codec, encoder } }, mention) => {
      if (codec === "auto" || encoder === "auto" || codec === codecOf(encoder)) return undefined;
      return `must be "auto" or ${JSON.stringify(codecOf(encoder))} with ${
        mention("video.encoder")
      }`;
    },
  },
  {
    keys: ["video.min_bitrate_kbps", "video.bitrate_kbps"],
    broken: ({ video }, mention) =>
      video.minBitrateKbps > video.bitrateKbps
        ? `must not be above ${mention("video.bitrate_kbps")}`
        : undefined,
  },
  {
    keys: ["renderer.library", "renderer.bridge"],
    broken: ({ renderer: { library, bridge } }, mention) =>
      library !== undefined && bridge !== undefined
        ? `must be "" with ${mention("renderer.bridge")}; set only one of the two`
        : undefined,
  },
];

function portsAfterFirst({ portMin, portMax }: Config["webrtc"]): number {
  return portMax - portMin;
}

function codecOf(encoder: "nvenc" | "x264" | "vpx"): "h264" | "vp8" {
  return encoder === "vpx" ? "vp8" : "h264";
}

/** Whether two listening addresses conflict on the same port. */
function overlap(a: string, b: string): boolean {
  return a === b || isUnspecified(a) || isUnspecified(b);
}

/** Warns about valid settings that are probably a mistake: one line each, with keys, values and the fix. Pure. */
export function warningsOf(config: Config): string[] {
  return [...providerWarnings(config), ...loopbackWarnings(config)];
}

function loopbackWarnings({ server, webrtc, reach }: Config): string[] {
  const { hostname, port } = server.listen;
  // With a public address, a program on this host, such as frpc, forwards media to loopback.
  const hasHosts = reach.ports.every(({ udp, tcp }) =>
    [udp, tcp].every((place) => place === undefined || place.host !== undefined)
  );
  const isReachable = webrtc.publicIp !== undefined || hasHosts || !isLoopbackHost(webrtc.listen) ||
    isLoopbackHost(hostname);
  if (isReachable) return [];
  const page = formatHostPort(hostname, port);
  return [
    `webrtc.listen = "${webrtc.listen}" accepts media from this host only, but server.listen = "${page}" accepts ` +
    'viewers from other hosts; set webrtc.listen to "0.0.0.0", or webrtc.public_ip to the public address of a tunnel ' +
    "on this host",
  ];
}
