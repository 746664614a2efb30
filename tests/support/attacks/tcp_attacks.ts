import assert from "assert";
import type { SocketAddress } from "../../../src/base/ip.ts";
import { type Attack, type AttackedTunnel, pause } from "./attacked_tunnel.ts";
import { IceTcpTunnel } from "../network/ice_tcp_tunnel.ts";
import { Random } from "../random.ts";
import { resetConnections } from "./reset_connections.ts";
import { rubbish, TcpPeer } from "../clients/tcp_peer.ts";
import { WeriftViewer } from "../clients/werift_viewer.ts";

const SEED = 4_571;

/** Connections that are reset before the server can take them. */
const RESETS = 400;
/** Connections that are held at one time. */
const CROWD = 150;
/** Requests whose answers nobody reads: more than a connection holds, with a tunnel's buffers in it. */
const REQUESTS = 300;

const UTF8 = new TextEncoder();

/** Attacks on signalling, by frp's TCP proxy. */
export const HTTP_ATTACKS: readonly Attack[] = [
  {
    name: "HTTP connections that are reset at once",
    evidence: [],
    run: (site) => reset(site.http),
  },
  {
    name: "HTTP connections that say nothing, half a head, or half a body",
    evidence: [],
    async run(site, signal) {
      const host = `Host: ${site.http.hostname}:${site.http.port}\r\n`;
      const words = [
        "",
        `GET / HTTP/1.1\r\n${host}X-More: `,
        `POST /whep/main HTTP/1.1\r\n${host}Content-Type: application/sdp\r\n` +
        `Content-Length: 5000\r\n\r\nv=0`,
      ];
      await holding(site.http, { count: CROWD, words, signal });
    },
  },
  {
    name: "HTTP answers that nobody reads",
    evidence: [],
    async run(site, signal) {
      const host = `Host: ${site.http.hostname}:${site.http.port}\r\n`;
      const words = [`GET /pinhole.js HTTP/1.1\r\n${host}\r\n`.repeat(REQUESTS)];
      await holding(site.http, { count: 4, words, signal });
    },
  },
];

/** Attacks on a media port's TCP side, by frp's TCP proxy. */
export const ICE_TCP_ATTACKS: readonly Attack[] = [
  {
    name: "media connections that are reset at once",
    evidence: [],
    run: (site) => reset(site.media),
  },
  {
    name: "media connections that say nothing, or half a frame",
    evidence: [["ice_tcp_ended_total", {}, 50]],
    async run(site, signal) {
      const words = ["", "\0", "\x02\0\0\x01"];
      await holding(site.media, { count: CROWD, words, signal });
    },
  },
  {
    name: "garbage on media connections, while a viewer watches over one",
    evidence: ["too_long", "not_webrtc"]
      .map((reason) => ["ice_tcp_ended_total", { reason }, 20] as const),
    async run(site, signal) {
      await using tunnel = new IceTcpTunnel(() => site.media.port, site.media);
      await using viewer = await joinByTcp(site, tunnel);
      const random = new Random(SEED);
      for (let round = 0; round < 10 || !signal.aborted; round++) {
        await Promise.all(Array.from({ length: 20 }, async () => {
          const { bytes, reason } = rubbish(random);
          await using stranger = await TcpPeer.connect(site.media.port, site.media);
          await stranger.write(bytes);
          if (reason !== undefined) await stranger.closes();
          assert.equal(stranger.packets.length, 0);
        }));
      }
      viewer.packets.length = 0;
      await viewer.receives(10);
      const sessions = await site.tunnelled.server.sessions();
      const transports = sessions.flatMap(({ viewers }) => viewers.map((each) => each.transport));
      assert.ok(transports.includes("tcp"), `The viewers come by ${transports}`);
    },
  },
];

/** Resets so many connections that the server cannot take one of them before. */
function reset({ hostname, port }: SocketAddress): Promise<void> {
  resetConnections(port, RESETS, { hostname });
  return Promise.resolve();
}

/** Opens connections that say one of `words` each and read nothing, and closes them at the signal. */
async function holding(
  at: SocketAddress,
  { count, words, signal }: { count: number; words: readonly string[]; signal: AbortSignal },
): Promise<void> {
  await using crowd = new AsyncDisposableStack();
  for (let each = 0; each < count; each++) {
    const connection = await Deno.connect(at);
    const bytes = UTF8.encode(words[each % words.length] ?? "");
    // One that fills up is written to until it is closed.
    const written = write(connection, bytes).catch(() => {});
    crowd.defer(async () => {
      connection.close();
      await written;
    });
  }
  while (!signal.aborted) await pause(20);
}

async function write(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await connection.write(rest));
}

/** A viewer whose packets take a TCP connection through the tunnel. */
function joinByTcp(site: AttackedTunnel, { port }: IceTcpTunnel): Promise<WeriftViewer> {
  return WeriftViewer.play(site.signallingUrl(), {
    answer: (sdp) =>
      sdp.replace(/^a=candidate:.* tcp .*\r\n/m, "")
        .replace(/^(a=candidate:.* udp \d+) \S+ \d+/m, `$1 127.0.0.1 ${port}`),
  });
}
