import { LOG_LEVELS } from "../base/log.ts";
import { AUDIO_SECTION, VIDEO_SECTION } from "./media_sections.ts";
import type { SectionSpec } from "./spec.ts";

/**
 * Every section and key of config.toml, in the order of the file. Parsing, the resolved `Config` type, the
 * commented default file and the reference page are all made from this table.
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
          'Address and TCP port of HTTP and WebSocket. Behind frpc on this host "127.0.0.1:9000" ' +
          'is enough; "[::]:9000" takes IPv4 and IPv6. Port 0 takes any free port.',
      },
      public_url: {
        type: "url",
        effect: "live",
        default: "",
        help:
          'What browsers use to reach this server, such as "http://203.0.113.7:10110". Pages of ' +
          "this address are the server's own, whatever a proxy in front makes of the Host header; without it, they are " +
          "only by IP address and as localhost. Start-up log, `pinhole frpc` and `pinhole doctor` need it too.",
      },
      tls_cert: {
        type: "path",
        effect: "restart",
        default: "",
        help: "Certificate chain (PEM) to serve https and wss. Set it together with tls_key, or " +
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
          'Address of a listener of its own for /metrics and /api/sessions, such as "127.0.0.1:9001". ' +
          'They are served there alone then. "" serves them on server.listen: to everybody who reaches ' +
          "it, unless auth.secret_file is set.",
      },
      allowed_origins: {
        type: "origins",
        effect: "live",
        default: [],
        help: "Pages of other sites that may connect, by origin. [] takes this server's own page " +
          'and programs that are no browser; ["*"] takes any page.',
      },
      drain_s: {
        type: "integer",
        effect: "live",
        default: 0,
        min: 0,
        max: 86400,
        unit: "seconds",
        help:
          "How long viewers may stay when the server is told to stop. They are told, nobody new comes in, " +
          "and the server leaves with the last of them. 0 ends them at once.",
      },
    },
  },
  webrtc: {
    help: "The ports for media, and the public address that leads to them.",
    keys: {
      public_ip: {
        type: "host",
        effect: "live",
        default: "",
        help:
          "The mapped address: where the tunnel's public server (frps) takes the UDP packets of " +
          "the range. Every answer names it as the only place to send media to. A DNS name is " +
          'resolved before it is written. "" announces the address that each viewer used to reach ' +
          "this server: right on a local network, and wherever signalling and media share one " +
          "public address.",
      },
      port_min: {
        type: "integer",
        effect: "restart",
        default: 10111,
        min: 1,
        max: 65535,
        help: "First local port of the range. Each port of it is bound at start and kept.",
      },
      port_max: {
        type: "integer",
        effect: "restart",
        default: 10115,
        min: 1,
        max: 65535,
        help: "Last local port of the range, inclusive.",
      },
      public_port_min: {
        type: "integer",
        effect: "restart",
        default: 0,
        min: 0,
        max: 65535,
        help:
          "First public port of the mapping, where public and local numbers differ: public_port_min + n " +
          "must lead to port_min + n. 0 = the same as port_min.",
      },
      listen: {
        type: "ip_address",
        effect: "restart",
        default: "0.0.0.0",
        help: 'Local address of these ports. Behind frpc on this host "127.0.0.1" is enough.',
      },
      peers_per_port: {
        type: "integer",
        effect: "restart",
        default: 1,
        min: 1,
        max: 256,
        unit: "viewers",
        help: "Viewers that may share one port at a time. 1 gives each viewer a port of its own; " +
          "the number of ports times this is the number of places.",
      },
      tcp: {
        type: "boolean",
        effect: "restart",
        default: false,
        help:
          "Also offer ICE-TCP on the same port numbers, for viewers whose network blocks UDP. " +
          "Browsers prefer UDP where it works. The tunnel or firewall must pass the ports for TCP " +
          "too; see docs/ice_tcp.md.",
      },
      connect_timeout_s: {
        type: "integer",
        effect: "live",
        default: 10,
        min: 1,
        max: 300,
        unit: "seconds",
        help: "A viewer that has not connected by then is ended and its place is free.",
      },
      idle_timeout_s: {
        type: "integer",
        effect: "live",
        default: 30,
        min: 1,
        max: 3600,
        unit: "seconds",
        help: "A viewer from whom no authenticated packet came for so long is ended.",
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
        help: 'Renderer library (a shared object with the Pinhole C ABI). "" = the built-in test ' +
          "pattern and tone.",
      },
      bridge: {
        type: "name",
        effect: "restart",
        default: "",
        help: "Instead of a library: name of a shared-memory bridge (/dev/shm/pinhole-NAME) that " +
          "another process feeds.",
      },
      isolation: {
        type: "choice",
        effect: "restart",
        default: "none",
        choices: ["none", "process"],
        help:
          "process runs the library in a child process, so that a crash of it does not end the " +
          "server.",
      },
      options: {
        type: "json_table",
        effect: "restart",
        default: {},
        example: "device = 0",
        help: "Handed to the library as one JSON object; the keys are the library's own.",
      },
    },
  },
  idle: {
    help: "What viewers see while the renderer has nothing to show.",
    keys: {
      source: {
        type: "path",
        effect: "sessions",
        default: "",
        help: 'Image, folder of images, or video. "" = a built-in card.',
      },
      sources: {
        type: "path_table",
        effect: "sessions",
        default: {},
        example: 'anna = "/srv/idle/anna.mp4"',
        help: "More of them by name, for offers that ask for one by `idle` or `avatar_id`.",
      },
    },
  },
  sessions: {
    help: "How many sessions and viewers are taken.",
    keys: {
      max: {
        type: "integer",
        effect: "live",
        default: 0,
        min: 0,
        max: 100000,
        unit: "sessions",
        help: "Sessions at a time. 0 = as many as there are places on the ports.",
      },
      viewers_per_session: {
        type: "integer",
        effect: "live",
        default: 8,
        min: 1,
        max: 1000,
        unit: "viewers",
        help: "Viewers of one session at a time. Each of them needs a place on a port.",
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
          "File with the secret that signs access tokens. When it is set, every session needs a " +
          'token (see `pinhole token`); "" lets everyone in.',
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
        help: "Least severe event that is written.",
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
