import process from "node:process";
import {
  Codec,
  CodecContext,
  Dictionary,
  FFmpegError,
  type Frame,
  Packet,
  Rational,
} from "node-av/lib";
import {
  AV_PICTURE_TYPE_I,
  AV_PICTURE_TYPE_NONE,
  AV_PIX_FMT_YUV420P,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_SMPTE170M,
  AVERROR_EAGAIN,
  type FFEncoderCodec,
} from "node-av/constants";
import type { VideoEncoder } from "../../src/media/encoder.ts";
import { createFfmpegEncoders } from "../../src/media/ffmpeg_encoder.ts";
import { ENCODER_RECIPES } from "../../src/media/ffmpeg_recipes.ts";
import type { RawFrame } from "../../src/media/frame.ts";
import { createPacketizer } from "../../src/media/packetizer.ts";
import { allocatePicture } from "../../src/media/picture_converter.ts";
import { MovingScene } from "../support/media/moving_scene.ts";
import { compileLibrary } from "../support/renderers/native.ts";
import { ServerProcess } from "../support/servers/server_process.ts";
import { type Figure, median, type Progress } from "./figure.ts";
import { cpuSeconds } from "./process_usage.ts";
import { ReceiverCrowd } from "./receiver_crowd.ts";

const SIZE = { width: 1280, height: 720 } as const;
const FPS = 30;
const KBPS = 2_500;
/** Pictures that are encoded over and over; the scene turns back where they end, so that there is no seam. */
const PICTURES = 128;
const ROUNDS = 7;
const PICTURES_PER_ROUND = 128;
/** Of a server, whose pictures come at their own pace. */
const WINDOW_MS = 5_000;
const SETTLE_MS = 3_000;
const RATIO_AIM = 1.15;

/** Encodes one picture after another. */
interface Encoding extends AsyncDisposable {
  encode(number: number, timestampUs: number): Promise<unknown>;
}

/**
 * What one picture costs beyond x264: the same recipe through node-av alone, our converter, encoder and packetizer, and a
 * server with one viewer whose renderer draws nothing. They take turns, and the pictures are the same.
 */
export async function measurePictureCost(progress: Progress): Promise<Figure[]> {
  await using cleanUp = new AsyncDisposableStack();
  progress("pictures are drawn");
  const scene = new MovingScene({ ...SIZE, fps: FPS });
  const pictures = Array.from({ length: PICTURES }, () => scene.next());
  // First, because it silences FFmpeg.
  const ours = cleanUp.use(await OurEncoding.open(pictures));
  const raw = cleanUp.use(await RawEncoding.open(pictures));
  const server = cleanUp.use(await startServer(pictures, cleanUp));
  const crowd = cleanUp.use(await ReceiverCrowd.open(server));
  await crowd.grow(1);
  await crowd.receive(SETTLE_MS);
  await crowd.shrink(0);
  const costs = { raw: [] as number[], ours: [] as number[], server: [] as number[] };
  for (let round = 0; round <= ROUNDS; round++) {
    progress(round === 0 ? "warming up" : `round ${round} of ${ROUNDS}`);
    const [rawMs, oursMs] = [await measureRound(raw), await measureRound(ours)];
    const serverMs = await measureServer(server, crowd);
    if (round === 0) continue;
    costs.raw.push(rawMs);
    costs.ours.push(oursMs);
    costs.server.push(serverMs);
  }
  const ratio = (of: readonly number[]) =>
    median(of.map((cost, round) => cost / (costs.raw[round] ?? Number.NaN)));
  return [
    { name: "CPU of a picture, x264 alone", value: median(costs.raw), unit: "ms" },
    {
      name: "CPU of a picture, converted, encoded, in packets",
      value: median(costs.ours),
      unit: "ms",
    },
    { name: "CPU of a picture, server with one viewer", value: median(costs.server), unit: "ms" },
    {
      name: "converted, encoded, in packets / x264 alone",
      value: ratio(costs.ours),
      unit: "",
      aim: RATIO_AIM,
    },
    { name: "server with one viewer / x264 alone", value: ratio(costs.server), unit: "" },
  ];
}

/** Milliseconds of CPU time for each picture. */
async function measureRound(encoding: Encoding): Promise<number> {
  const before = process.cpuUsage();
  for (let count = 0; count < PICTURES_PER_ROUND; count++) {
    await encoding.encode(count % PICTURES, 1e6 / FPS);
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / PICTURES_PER_ROUND;
}

/** The same of a server, while it has a viewer. */
async function measureServer(server: ServerProcess, crowd: ReceiverCrowd): Promise<number> {
  await crowd.grow(1);
  await crowd.receive(SETTLE_MS);
  const look = async () =>
    [
      await cpuSeconds(server.pid),
      await server.metric("frames_sent_total"),
    ] as const;
  const [startedS, startedFrames] = await look();
  await crowd.receive(WINDOW_MS);
  const [endedS, endedFrames] = await look();
  await crowd.shrink(0);
  return 1000 * (endedS - startedS) / (endedFrames - startedFrames);
}

async function startServer(
  pictures: readonly RawFrame[],
  cleanUp: AsyncDisposableStack,
): Promise<ServerProcess> {
  const path = await Deno.makeTempFile();
  cleanUp.defer(() => Deno.remove(path));
  using file = await Deno.open(path, { write: true });
  const writer = file.writable.getWriter();
  for (const { planes } of pictures) for (const { data } of planes) await writer.write(data);
  writer.releaseLock();
  return await ServerProcess.start({
    ports: 1,
    config: {
      "renderer.library": await compileLibrary(new URL("tape.c", import.meta.url)),
      "renderer.options": JSON.stringify({ path }),
      "video.width": SIZE.width,
      "video.height": SIZE.height,
      "video.fps": FPS,
      "video.bitrate_kbps": KBPS,
      "video.encoder": "x264",
      "audio.enabled": false,
    },
  });
}

/** x264 by node-av's calls alone, from pictures that are in its memory. */
class RawEncoding implements Encoding {
  readonly #context: CodecContext;
  readonly #pictures: readonly Frame[];
  readonly #packet = new Packet();
  #timestampUs = 0;

  private constructor(context: CodecContext, pictures: readonly Frame[]) {
    this.#context = context;
    this.#pictures = pictures;
    this.#packet.alloc();
  }

  static async open(pictures: readonly RawFrame[]): Promise<RawEncoding> {
    const recipe = ENCODER_RECIPES.find(({ choice }) => choice === "x264");
    const codec = Codec.findEncoderByName("libx264" as FFEncoderCodec);
    if (recipe === undefined || codec === null) throw new Error("This FFmpeg has no x264");
    using options = Dictionary.fromObject({ ...recipe.options });
    const context = new CodecContext();
    context.allocContext3(codec);
    context.width = SIZE.width;
    context.height = SIZE.height;
    context.pixelFormat = AV_PIX_FMT_YUV420P;
    context.colorRange = AVCOL_RANGE_MPEG;
    context.colorSpace = AVCOL_SPC_SMPTE170M;
    context.timeBase = new Rational(1, 1_000_000);
    context.framerate = new Rational(FPS, 1);
    context.gopSize = 1_000_000;
    context.maxBFrames = 0;
    context.threadCount = 1;
    const bitsPerSecond = BigInt(KBPS * 1000);
    context.bitRate = context.rcMinRate = context.rcMaxRate = bitsPerSecond;
    context.rcBufferSize = KBPS * 250;
    FFmpegError.throwIfError(await context.open2(codec, options), "open");
    return new RawEncoding(context, pictures.map(frameOf));
  }

  async encode(number: number, intervalUs: number): Promise<void> {
    const picture = this.#pictures[number];
    if (picture === undefined) throw new RangeError(`There is no picture ${number}`);
    picture.pts = BigInt(Math.round(this.#timestampUs));
    picture.pictType = this.#timestampUs === 0 ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
    this.#timestampUs += intervalUs;
    FFmpegError.throwIfError(await this.#context.sendFrame(picture), "encode");
    const status = await this.#context.receivePacket(this.#packet);
    if (status !== AVERROR_EAGAIN) FFmpegError.throwIfError(status, "encode");
    this.#packet.unref();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#packet.free();
    this.#context.freeContext();
    for (const picture of this.#pictures) picture.free();
    return Promise.resolve();
  }
}

/** A picture in memory of node-av. */
function frameOf({ planes }: RawFrame): Frame {
  const picture = allocatePicture(SIZE.width, SIZE.height);
  for (const [index, { data, strideBytes }] of planes.entries()) {
    const [target, stride] = [picture.data?.[index], picture.linesize[index]];
    if (target === undefined || stride === undefined) throw new Error("A picture has no memory");
    for (let row = 0; row * strideBytes < data.length; row++) {
      target.set(data.subarray(row * strideBytes, (row + 1) * strideBytes), row * stride);
    }
  }
  return picture;
}

/** What a session does with a picture, up to the payloads of its packets. */
class OurEncoding implements Encoding {
  readonly #encoder: VideoEncoder;
  readonly #pictures: readonly RawFrame[];
  readonly #packetize = createPacketizer("h264");
  #timestampUs = 0;

  private constructor(encoder: VideoEncoder, pictures: readonly RawFrame[]) {
    this.#encoder = encoder;
    this.#pictures = pictures;
  }

  static async open(pictures: readonly RawFrame[]): Promise<OurEncoding> {
    const settings = { ...SIZE, fps: FPS, bitrateKbps: KBPS, adaptiveSize: false };
    return new OurEncoding(await createFfmpegEncoders("x264").open("h264", settings), pictures);
  }

  async encode(number: number, intervalUs: number): Promise<void> {
    const picture = this.#pictures[number];
    if (picture === undefined) throw new RangeError(`There is no picture ${number}`);
    await this.#encoder.load({ ...picture, timestampUs: this.#timestampUs });
    this.#timestampUs += intervalUs;
    const encoded = await this.#encoder.encode({ keyframe: this.#timestampUs === 0, kbps: KBPS });
    if (encoded !== undefined) this.#packetize(encoded.data);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#encoder.close();
  }
}
