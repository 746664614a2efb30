import { errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { EncoderFactory, EncoderSettings, VideoCodec } from "../media/encoder.ts";
import { warmUpHandshake } from "../transport/dtls/handshake_warm_up.ts";
import type { ServerCertificate } from "../transport/dtls/server_certificate.ts";

/** Number of frames to encode: after two, threads and memory are allocated. */
const FRAMES = 2;

/**
 * Loads and compiles the code of DTLS and of the encoder, so that the first viewer does not wait for it. A failure is
 * only logged, since the first viewer gets a better error message.
 */
export async function warmUp(options: {
  certificate: ServerCertificate;
  encoders: EncoderFactory;
  codecs: readonly VideoCodec[];
  video: EncoderSettings;
  log: Logger;
}): Promise<void> {
  const tasks = [
    Promise.try(() => warmUpHandshake(options.certificate)),
    warmUpEncoder(options),
  ];
  for (const result of await Promise.allSettled(tasks)) {
    if (result.status === "rejected") {
      options.log.warn("warm_up_failed", { error: errorText(result.reason) });
    }
  }
}

async function warmUpEncoder(
  options: { encoders: EncoderFactory; codecs: readonly VideoCodec[]; video: EncoderSettings },
): Promise<void> {
  const [codec] = options.codecs;
  if (codec === undefined) return;
  const { width, height, bitrateKbps } = options.video;
  const encoder = await options.encoders.open(codec, options.video);
  try {
    const luma = new Uint8Array(width * height);
    const chroma = new Uint8Array(luma.length / 4).fill(128);
    for (let frame = 0; frame < FRAMES; frame++) {
      await encoder.load({
        kind: "raw",
        format: "i420",
        width,
        height,
        planes: [
          { data: luma, strideBytes: width },
          { data: chroma, strideBytes: width / 2 },
          { data: chroma, strideBytes: width / 2 },
        ],
        timestampUs: frame * 33_333,
      });
      await encoder.encode({ keyframe: frame === 0, kbps: bitrateKbps });
    }
  } finally {
    await encoder.close();
  }
}
