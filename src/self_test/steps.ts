import type { VideoCodec } from "../media/encoder.ts";

/** What a step found, for people. */
export interface Finding {
  readonly text: string;
  /** What would make it better, although it works. */
  readonly fix?: string;
}

/** One step of `pinhole self-test`. */
export interface Step {
  readonly check: string;
  /** Whether it needs the native addon, so that it is skipped when that does not load. */
  readonly needsAddon?: true;
  /** What to do if it fails and the reason says no more. */
  readonly fix: string;
  /** @throws If it does not work. */
  readonly run: () => Promise<Finding>;
}

const LOOPBACK = "127.0.0.1";

/** What a file of the page must contain. */
const PAGE_MARK = "<video";

const LOOPBACK_FIX =
  "Bring the loopback interface up (`ip link set lo up`), and let the program use it";
const COPY_FIX = "Copy the executable again; if that does not help, report it with this output";

/**
 * The steps, in order. Each loads what it needs when it runs: a part that cannot be loaded is then the failure of its
 * step alone.
 */
export const STEPS: readonly Step[] = [
  {
    check: "addon",
    fix: COPY_FIX,
    run: async () => {
      const { readFfmpegVersion } = await import("../media/codec_proof.ts");
      return { text: `FFmpeg ${readFfmpegVersion()} is loaded` };
    },
  },
  videoStep("h264", "H.264"),
  videoStep("vp8", "VP8"),
  {
    check: "opus",
    needsAddon: true,
    fix: COPY_FIX,
    run: async () => {
      const { proveOpus } = await import("../media/codec_proof.ts");
      const { encoder, bytes } = await proveOpus();
      return { text: `${encoder} encoded a second of sound in ${bytes} bytes, and it was decoded` };
    },
  },
  { check: "udp", fix: LOOPBACK_FIX, run: sendDatagram },
  { check: "page", fix: LOOPBACK_FIX, run: fetchPage },
  {
    check: "dtls",
    fix: COPY_FIX,
    run: async () => {
      const { shakeHandsWithSelf } = await import("../doctor/self_handshake.ts");
      const { datagrams } = await shakeHandsWithSelf();
      return { text: `A handshake and a message each way took ${datagrams} datagrams` };
    },
  },
  { check: "packet_path", fix: LOOPBACK_FIX, run: describePacketPath },
];

function videoStep(codec: VideoCodec, name: string): Step {
  return {
    check: codec,
    needsAddon: true,
    fix: COPY_FIX,
    run: async () => {
      const { proveVideoCodec } = await import("../media/codec_proof.ts");
      const { encoder, bytes } = await proveVideoCodec(codec);
      return {
        text: `${encoder} encoded a picture in ${bytes} bytes of ${name}, and it was decoded`,
      };
    },
  };
}

async function sendDatagram(): Promise<Finding> {
  const { openUdpPort } = await import("../ports/udp_port.ts");
  const received = Promise.withResolvers<Uint8Array>();
  const refused = () => received.reject(new Error(`The host refused a datagram to ${LOOPBACK}`));
  const port = openUdpPort(LOOPBACK, 0, { refused });
  try {
    const sent = crypto.getRandomValues(new Uint8Array(1200));
    port.onDatagram((packet) => received.resolve(packet.slice()));
    port.send(sent, { hostname: LOOPBACK, port: port.port });
    const packet = await received.promise;
    const isSame = packet.length === sent.length && packet.every((byte, at) => byte === sent[at]);
    if (!isSame) throw new Error("A datagram came back as another one");
    return { text: `A datagram of ${sent.length} bytes reached UDP port ${port.port}` };
  } finally {
    await port.close();
  }
}

async function fetchPage(): Promise<Finding> {
  const { servePage } = await import("./page_server.ts");
  await using server = await servePage(LOOPBACK);
  const response = await fetch(`http://${LOOPBACK}:${server.port}/`);
  const page = await response.text();
  if (!response.ok) throw new Error(`The page answered HTTP ${response.status}`);
  if (!page.includes(PAGE_MARK)) throw new Error("The page has no video element");
  return { text: `The page, ${page.length} characters, came over HTTP from port ${server.port}` };
}

async function describePacketPath(): Promise<Finding> {
  const [{ CIPHERS, NATIVE_CIPHERS }, { openUdpPort }] = await Promise.all([
    import("../transport/rtp/native_ciphers.ts"),
    import("../ports/udp_port.ts"),
  ]);
  const port = openUdpPort(LOOPBACK, 0);
  const { sendsBy } = port;
  await port.close();
  const text = `${CIPHERS.name} encrypts packets, ${sendsBy} sends them`;
  const isMissing = NATIVE_CIPHERS === undefined;
  if (!isMissing && sendsBy === "sendmmsg") return { text };
  const { state } = Deno.permissions.querySync({ name: "ffi" });
  const fix = state === "granted"
    ? isMissing
      ? "For more viewers on one core, install OpenSSL's libcrypto (Debian's libssl3)"
      : "For more viewers on one core, use a Linux with glibc"
    : "For more viewers on one core, give Deno --allow-ffi";
  return { text: `${text}: it works, at a higher cost`, fix };
}
