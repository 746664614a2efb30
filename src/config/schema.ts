import { PORT_MAX } from "../base/limits.ts";
import { LOG_LEVELS } from "../base/log.ts";
import { AUDIO_SECTION, VIDEO_SECTION } from "./media_sections.ts";
import type { SectionSpec } from "./spec.ts";

/**
 * Every section and key of config.toml, in the order of the file. Parsing, the resolved `Config` type, the
 * commented default file and the reference page are all derived from this table.
 */
export const SCHEMA = {
  server: {
    help: "Where the page, the WebSocket and the other HTTP paths are served.",
    keys: {
      listen: {
        type: "socket_address",
        effect: "restart",
        default: "0.0.0.0:9000",
        help:
          'Address and TCP port for HTTP and WebSocket. "127.0.0.1:9000" is enough behind frpc on ' +
          'this host; "[::]:9000" listens on IPv4 and IPv6. Port 0 picks any free port.',
      },
      public_url: {
        type: "url",
        effect: "live",
        default: "",
        help:
          'The address that browsers use to reach this server, such as "http://203.0.113.7:10110". ' +
          "Pages of this address count as the server's own, even if a proxy in front changes the Host header. " +
          "If this is empty, only pages reached by IP address or localhost do. `pinhole frpc`, `pinhole doctor` " +
          "and the start-up log use it too.",
      },
      tls_cert: {
        type: "path",
        effect: "restart",
        default: "",
        help: "Certificate chain (PEM) for https and wss. Set it together with tls_key, or " +
          "leave both empty to serve plain http.",
      },
      tls_key: {
        type: "path",
        effect: "restart",
        default: "",
        help: "Private key (PEM) of tls_cert.",
      },
      admin_listen: {
        type: "optional_socket_address",
        effect: "restart",
        default: "",
        help:
          'Address of a separate listener for /metrics and /api/sessions, such as "127.0.0.1:9001". ' +
          'They are then served only there. "" serves them on server.listen, to everyone who can reach ' +
          "it unless auth.secret_file is set.",
      },
      allowed_origins: {
        type: "origins",
        effect: "live",
        default: [],
        help: "Origins of other sites whose pages may connect. [] allows this server's own page " +
          'and programs that are not browsers; ["*"] allows any page.',
      },
      drain_s: {
        type: "integer",
        effect: "live",
        default: 0,
        min: 0,
        max: 86400,
        unit: "seconds",
        help:
          "How long viewers may stay after the server gets a signal to stop. It notifies them, accepts " +
          "no new viewers, and exits when the last one leaves. 0 disconnects them at once.",
      },
    },
  },
  webrtc: {
    help: "The media ports, and the public address that maps to them.",
    keys: {
      public_ip: {
        type: "host",
        effect: "live",
        default: "",
        help:
          "Public address of the media ports: where the tunnel's public server (frps) receives their UDP " +
          "packets. Every answer has it as the only candidate. A DNS name is resolved first. " +
          '"" announces the address that each viewer used to reach this server, which is right on a ' +
          "local network and wherever signalling and media share one public address.",
      },
      port_min: {
        type: "integer",
        effect: "restart",
        default: 10111,
        min: 1,
        max: PORT_MAX,
        help: "First local port of the range. All its ports are bound at start and stay bound.",
      },
      port_max: {
        type: "integer",
        effect: "restart",
        default: 10115,
        min: 1,
        max: PORT_MAX,
        help: "Last local port of the range, inclusive.",
      },
      public_port_min: {
        type: "integer",
        effect: "restart",
        default: 0,
        min: 0,
        max: PORT_MAX,
        help:
          "First public port, if public and local numbers differ: public_port_min + n must map to " +
          "port_min + n. 0 = the same as port_min.",
      },
      public_ports: {
        type: "public_ports",
        effect: "live",
        default: [],
        help:
          "Public places of single ports, for mappings without order, such as those of rented hosts: " +
          '["10111/udp=41022", "10111/tcp=203.0.113.7:41023"]. Without "/udp" or "/tcp" an entry counts ' +
          "for both; without a host, public_ip does. If one port has an entry for a transport, all need one.",
      },
      provider: {
        type: "choice",
        effect: "restart",
        default: "auto",
        choices: ["auto", "none", "runpod", "vast"],
        help:
          "Whose variables fill public_ip, public_ports, udp and tcp where these are not set. auto takes " +
          "RunPod's or Vast.ai's if there are any; `pinhole check` prints what came from where.",
      },
      listen: {
        type: "ip_address",
        effect: "restart",
        default: "0.0.0.0",
        help: 'Local address of these ports. "127.0.0.1" is enough behind frpc on this host.',
      },
      peers_per_port: {
        type: "integer",
        effect: "restart",
        default: 1,
        min: 1,
        max: 256,
        unit: "viewers",
        help: "Viewers that may share one port at a time. 1 gives each viewer a separate port. " +
          "The server has places for (number of ports) × peers_per_port viewers.",
      },
      udp: {
        type: "boolean",
        effect: "restart",
        default: true,
        help:
          "Offer UDP. false binds and announces none, for hosts that map TCP ports only; it needs tcp.",
      },
      tcp: {
        type: "boolean",
        effect: "restart",
        default: false,
        help:
          "Also offer ICE-TCP on the same port numbers, for viewers whose network blocks UDP. " +
          "Browsers prefer UDP where it works. The tunnel or firewall must forward the ports for " +
          "TCP too; see docs/ice_tcp.md.",
      },
      connect_timeout_s: {
        type: "integer",
        effect: "live",
        default: 10,
        min: 1,
        max: 300,
        unit: "seconds",
        help:
          "The server ends a viewer that does not connect within this time, and frees its place.",
      },
      idle_timeout_s: {
        type: "integer",
        effect: "live",
        default: 30,
        min: 1,
        max: 3600,
        unit: "seconds",
        help: "The server ends a viewer that sends no authenticated packet for this time.",
      },
    },
  },
  video: VIDEO_SECTION,
  audio: AUDIO_SECTION,
  renderer: {
    help: "Where frames come from: a library, a bridge, or neither for the built-in test pattern.",
    keys: {
      library: {
        type: "path",
        effect: "restart",
        default: "",
        help:
          'Path of a renderer library: a shared object with the Pinhole C ABI. "" = the built-in ' +
          "test pattern and tone.",
      },
      bridge: {
        type: "name",
        effect: "restart",
        default: "",
        help:
          "Name of a shared-memory bridge (/dev/shm/pinhole-NAME) that another process feeds, " +
          "instead of a library.",
      },
      isolation: {
        type: "choice",
        effect: "restart",
        default: "none",
        choices: ["none", "process"],
        help:
          "process runs the library in a child process, so that its crash does not end the server.",
      },
      options: {
        type: "json_table",
        effect: "restart",
        default: {},
        example: "device = 0",
        help: "Passed to the library as one JSON object. The library defines the keys.",
      },
    },
  },
  idle: {
    help: "What viewers see while the renderer has no frames.",
    keys: {
      source: {
        type: "path",
        effect: "sessions",
        default: "",
        help: 'Path of an image, a folder of images, or a video. "" = a built-in card.',
      },
      sources: {
        type: "path_table",
        effect: "sessions",
        default: {},
        example: 'anna = "/srv/idle/anna.mp4"',
        help: "Further sources by name, for offers that select one with `idle` or `avatar_id`.",
      },
    },
  },
  sessions: {
    help: "Limits on sessions and viewers.",
    keys: {
      max: {
        type: "integer",
        effect: "live",
        default: 0,
        min: 0,
        max: 100000,
        unit: "sessions",
        help: "Most sessions at a time. 0 = as many as there are places on the ports.",
      },
      viewers_per_session: {
        type: "integer",
        effect: "live",
        default: 8,
        min: 1,
        max: 1000,
        unit: "viewers",
        help: "Most viewers of one session at a time. Each viewer takes a place on a port.",
      },
      refuse_when_busy: {
        type: "boolean",
        effect: "live",
        default: true,
        help:
          "Refuse new viewers while the server has no headroom. false accepts them; all sessions then " +
          "lose the same share of their pictures.",
      },
    },
  },
  auth: {
    help: "Who may watch.",
    keys: {
      secret_file: {
        type: "path",
        effect: "live",
        default: "",
        help:
          "File with the secret that signs access tokens. If it is set, every session needs a " +
          'token (see `pinhole token`); "" allows everyone.',
      },
    },
  },
  log: {
    help: "The server's log.",
    keys: {
      level: {
        type: "choice",
        effect: "live",
        default: "info",
        choices: LOG_LEVELS,
        help: "Lowest severity that is logged.",
      },
      format: {
        type: "choice",
        effect: "restart",
        default: "auto",
        choices: ["auto", "pretty", "json"],
        help: "auto is pretty on a terminal and JSON elsewhere.",
      },
    },
  },
} as const satisfies Readonly<Record<string, SectionSpec>>;
