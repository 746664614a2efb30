import { LOG_LEVELS } from "../base/log.ts";
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
        default: "0.0.0.0:9000",
        help:
          'Address and TCP port of HTTP and WebSocket. Behind frpc on this host "127.0.0.1:9000" ' +
          'is enough; "[::]:9000" takes IPv4 and IPv6. Port 0 takes any free port.',
      },
      public_url: {
        type: "url",
        default: "",
        help:
          'What browsers use to reach this server, such as "http://203.0.113.7:10110". Start-up ' +
          "log, `pinhole frpc` and `pinhole doctor` need it; serving does not.",
      },
      tls_cert: {
        type: "path",
        default: "",
        help: "Certificate chain (PEM) to serve https and wss. Set it together with tls_key, or " +
          "leave both empty to serve plain http.",
      },
      tls_key: {
        type: "path",
        default: "",
        help: "Private key (PEM) of tls_cert.",
      },
      allowed_origins: {
        type: "origins",
        default: [],
        help: "Pages of other sites that may connect, by origin. [] takes this server's own page " +
          'and programs that are no browser; ["*"] takes any page.',
      },
    },
  },
  webrtc: {
    help: "The ports for media, and the public address that leads to them.",
    keys: {
      public_ip: {
        type: "host",
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
        default: 10111,
        min: 1,
        max: 65535,
        help: "First local port of the range. Each port of it is bound at start and kept.",
      },
      port_max: {
        type: "integer",
        default: 10115,
        min: 1,
        max: 65535,
        help: "Last local port of the range, inclusive.",
      },
      public_port_min: {
        type: "integer",
        default: 0,
        min: 0,
        max: 65535,
        help:
          "First public port of the mapping, where public and local numbers differ: public_port_min + n " +
          "must lead to port_min + n. 0 = the same as port_min.",
      },
      listen: {
        type: "ip_address",
        default: "0.0.0.0",
        help: 'Local address of these ports. Behind frpc on this host "127.0.0.1" is enough.',
      },
      peers_per_port: {
        type: "integer",
        default: 1,
        min: 1,
        max: 256,
        unit: "viewers",
        help: "Viewers that may share one port at a time. 1 gives each viewer a port of its own; " +
          "the number of ports times this is the number of places.",
      },
      tcp: {
        type: "boolean",
        default: false,
        help:
          "Also offer ICE-TCP on the same port numbers, for viewers whose network blocks UDP. " +
          "Browsers prefer UDP where it works. The tunnel or firewall must pass the ports for TCP " +
          "too; see docs/ice_tcp.md.",
      },
      connect_timeout_s: {
        type: "integer",
        default: 10,
        min: 1,
        max: 300,
        unit: "seconds",
        help: "A viewer that has not connected by then is ended and its place is free.",
      },
      idle_timeout_s: {
        type: "integer",
        default: 30,
        min: 1,
        max: 3600,
        unit: "seconds",
        help: "A viewer from whom no authenticated packet came for so long is ended.",
      },
    },
  },
  video: {
    help: "The picture of each session. It is encoded once and sent to all viewers of the session.",
    keys: {
      width: {
        type: "integer",
        default: 1280,
        min: 16,
        max: 7680,
        even: true,
        unit: "pixels",
        help: "Width that the renderer is asked for.",
      },
      height: {
        type: "integer",
        default: 720,
        min: 16,
        max: 7680,
        even: true,
        unit: "pixels",
        help: "Height that the renderer is asked for.",
      },
      fps: {
        type: "integer",
        default: 30,
        min: 1,
        max: 240,
        unit: "frames per second",
        help: "Frame rate that the renderer is asked for.",
      },
      codec: {
        type: "choice",
        default: "auto",
        choices: ["auto", "h264", "vp8"],
        help: "auto sends H.264, and VP8 to browsers that do not offer H.264.",
      },
      encoder: {
        type: "choice",
        default: "auto",
        choices: ["auto", "nvenc", "x264", "vpx"],
        help:
          "auto tries NVENC first and goes on with x264; for VP8 it takes vpx. nvenc and x264 " +
          "make H.264, vpx makes VP8.",
      },
      bitrate_kbps: {
        type: "integer",
        default: 2500,
        min: 30,
        max: 100000,
        unit: "kbit/s",
        help: "Ceiling of the video bitrate. The congestion controller works below it.",
      },
      min_bitrate_kbps: {
        type: "integer",
        default: 150,
        min: 30,
        max: 100000,
        unit: "kbit/s",
        help: "Floor of the video bitrate, however slow the tunnel is.",
      },
    },
  },
  audio: {
    help: "The sound of each session, sent as Opus.",
    keys: {
      enabled: {
        type: "boolean",
        default: true,
        help: "Send sound to browsers that offer to receive it.",
      },
      bitrate_kbps: {
        type: "integer",
        default: 48,
        min: 6,
        max: 510,
        unit: "kbit/s",
        help: "Bitrate of the sound; 24 to 48 is enough for speech.",
      },
    },
  },
  renderer: {
    help: "Where frames come from: a library, a bridge, or neither for the built-in test pattern.",
    keys: {
      library: {
        type: "path",
        default: "",
        help: 'Renderer library (a shared object with the Pinhole C ABI). "" = the built-in test ' +
          "pattern and tone.",
      },
      bridge: {
        type: "name",
        default: "",
        help: "Instead of a library: name of a shared-memory bridge (/dev/shm/pinhole-NAME) that " +
          "another process feeds.",
      },
      isolation: {
        type: "choice",
        default: "none",
        choices: ["none", "process"],
        help:
          "process runs the library in a child process, so that a crash of it does not end the " +
          "server.",
      },
      options: {
        type: "json_table",
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
        default: "",
        help: 'Image, folder of images, or video. "" = a built-in card.',
      },
      sources: {
        type: "path_table",
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
        default: 0,
        min: 0,
        max: 100000,
        unit: "sessions",
        help: "Sessions at a time. 0 = as many as there are places on the ports.",
      },
      viewers_per_session: {
        type: "integer",
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
        default: "info",
        choices: LOG_LEVELS,
        help: "Least severe event that is written.",
      },
      format: {
        type: "choice",
        default: "auto",
        choices: ["auto", "pretty", "json"],
        help: "auto is pretty on a terminal and JSON elsewhere.",
      },
    },
  },
} as const satisfies Readonly<Record<string, SectionSpec>>;
