import { Buffer } from "node:buffer";
import { deflateSync } from "node:zlib";
import {
  Codec,
  CodecContext,
  Dictionary,
  FFmpegError,
  FormatContext,
  Frame,
  Log,
  Packet,
  Rational,
} from "node-av/lib";
import {
  AV_CODEC_FLAG_GLOBAL_HEADER,
  AV_LOG_QUIET,
  AV_PIX_FMT_YUV420P,
  AV_PIX_FMT_YUVJ420P,
  AV_PKT_DATA_DISPLAYMATRIX,
  AVCOL_RANGE_JPEG,
  AVCOL_RANGE_MPEG,
  type AVColorRange,
  type AVColorSpace,
  type FFEncoderCodec,
} from "node-av/constants";

/** Red, green, blue and, where it matters, alpha, 0 to 255. */
export type Color = readonly [number, number, number] | readonly [number, number, number, number];

/** Width and height in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * Makes a PNG of 8 bits a channel, with transparency if the first pixel has four numbers.
 * @param chunks Data of more chunks by type, before the picture.
 */
export function encodePng(
  { width, height }: Size,
  colorAt: (x: number, y: number) => Color,
  chunks: Readonly<Record<string, Uint8Array>> = {},
): Uint8Array {
  const channels = colorAt(0, 0).length;
  const rows = new Uint8Array(height * (1 + width * channels));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      rows.set(colorAt(x, y), y * (1 + width * channels) + 1 + x * channels);
    }
  }
  return pngOf({ width, height }, { bits: 8, colorType: channels === 4 ? 6 : 2, rows, chunks });
}

/** Makes a black PNG of one bit a pixel: few bytes, however large the picture. */
export function encodeHugePng({ width, height }: Size): Uint8Array {
  const rows = new Uint8Array(height * (1 + Math.ceil(width / 8)));
  return pngOf({ width, height }, { bits: 1, colorType: 0, rows });
}

function pngOf(
  { width, height }: Size,
  { bits, colorType, rows, chunks = {} }: {
    bits: number;
    colorType: number;
    rows: Uint8Array;
    chunks?: Readonly<Record<string, Uint8Array>>;
  },
): Uint8Array {
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, bits);
  header.setUint8(9, colorType);
  return concat([
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    pngChunk("IHDR", new Uint8Array(header.buffer)),
    ...Object.entries(chunks).map(([type, data]) => pngChunk(type, data)),
    pngChunk("IDAT", deflateSync(rows)),
    pngChunk("IEND", new Uint8Array()),
  ]);
}

/** Not a Buffer, whose `slice` would share its memory. */
function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

function pngChunk(type: string, data: Uint8Array): Uint8Array {
  const chunk = new Uint8Array(12 + data.length);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, data.length);
  chunk.set(new TextEncoder().encode(type), 4);
  chunk.set(data, 8);
  view.setUint32(8 + data.length, crc32(chunk.subarray(4, 8 + data.length)));
  return chunk;
}

function crc32(data: Uint8Array): number {
  let crc = ~0;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** A grey picture of this luma, as the encoder gets it. */
export interface GreyPicture {
  /** Luma of the left half; with `full` range 0 to 255, else 16 to 235. */
  readonly left: number;
  readonly right: number;
}

/** Makes a baseline JPEG. @param options.orientation EXIF's, 1 to 8. */
export async function encodeJpeg(
  size: Size,
  { picture, orientation }: { picture: GreyPicture; orientation?: number },
): Promise<Uint8Array> {
  const [jpeg] = await encodePictures("mjpeg", { size, pictures: [picture], full: true });
  if (jpeg === undefined) throw new Error("The encoder gave no picture");
  if (orientation === undefined) return jpeg.data;
  // Behind SOI: APP1 with one TIFF directory of one entry, big-endian.
  const exif = [0x45, 0x78, 0x69, 0x66, 0, 0, 0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1];
  const entry = [0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0];
  const bytes = 2 + exif.length + entry.length;
  return concat([
    jpeg.data.subarray(0, 2),
    Uint8Array.of(0xff, 0xe1, bytes >> 8, bytes & 0xff, ...exif, ...entry),
    jpeg.data.subarray(2),
  ]);
}

/** What {@link writeVideo} writes. */
export interface VideoOptions {
  readonly size: Size;
  /** Picture `n`, from 0; ends with `undefined`. */
  readonly pictures: readonly GreyPicture[];
  /** Start of each picture in milliseconds. */
  readonly startsMs: readonly number[];
  /** End of the last picture in milliseconds. */
  readonly endMs: number;
  /** FFmpeg's encoder; it must suit the file's extension. Default: libx264, with B-frames. */
  readonly codec?: string;
  /** Width of a pixel in heights. */
  readonly pixelAspect?: number;
  /** Nine numbers of a display matrix. */
  readonly matrix?: readonly number[];
  /** Put the index in front, so that the file can be cut off. */
  readonly indexFirst?: boolean;
}

/** Writes a video file; its extension chooses the format. */
export async function writeVideo(path: string, options: VideoOptions): Promise<void> {
  const { size, pictures, startsMs, endMs, codec = "libx264", matrix } = options;
  const output = new FormatContext();
  check(output.allocOutputContext2(null, null, path));
  const stream = output.newStream();
  stream.timeBase = new Rational(1, 1000);
  const packets = await encodePictures(codec, {
    size,
    pictures,
    startsMs,
    pixelAspect: options.pixelAspect ?? 1,
    onOpen: (context) => check(stream.codecpar.fromContext(context)),
  });
  if (matrix !== undefined) {
    const bytes = Buffer.from(Int32Array.from(matrix).buffer);
    check(stream.codecpar.addCodedSideData(AV_PKT_DATA_DISPLAYMATRIX, bytes));
  }
  check(await output.openOutput());
  using muxing = Dictionary.fromObject(options.indexFirst ? { movflags: "faststart" } : {});
  check(await output.writeHeader(muxing));
  const byTime = [...packets].sort((a, b) => a.startMs - b.startMs);
  const packet = new Packet();
  packet.alloc();
  for (const { data, startMs, decodeMs, keyframe } of packets) {
    packet.data = Buffer.from(data);
    packet.pts = BigInt(startMs);
    packet.dts = BigInt(decodeMs);
    const next = byTime[byTime.findIndex((each) => each.startMs === startMs) + 1];
    packet.duration = BigInt((next?.startMs ?? endMs) - startMs);
    packet.streamIndex = 0;
    packet.isKeyframe = keyframe;
    packet.rescaleTs({ num: 1, den: 1000 }, stream.timeBase);
    check(await output.interleavedWriteFrame(packet));
  }
  check(await output.writeTrailer());
  packet.free();
  await output.closeOutput();
  output.freeContext();
}

interface EncodedPicture {
  readonly data: Uint8Array;
  readonly startMs: number;
  readonly decodeMs: number;
  readonly keyframe: boolean;
}

async function encodePictures(
  name: string,
  { size, pictures, startsMs, full, pixelAspect = 1, onOpen }: {
    size: Size;
    pictures: readonly GreyPicture[];
    startsMs?: readonly number[];
    full?: boolean;
    pixelAspect?: number;
    onOpen?: (context: CodecContext) => void;
  },
): Promise<EncodedPicture[]> {
  Log.setLevel(AV_LOG_QUIET);
  const codec = Codec.findEncoderByName(name as FFEncoderCodec);
  if (codec === null) throw new Error(`There is no encoder ${name}`);
  using context = new CodecContext();
  context.allocContext3(codec);
  context.width = size.width;
  context.height = size.height;
  context.pixelFormat = full ? AV_PIX_FMT_YUVJ420P : AV_PIX_FMT_YUV420P;
  context.colorRange = full ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
  context.timeBase = new Rational(1, 1000);
  context.sampleAspectRatio = new Rational(Math.round(pixelAspect * 100), 100);
  context.bitRate = 4_000_000n;
  context.flags = AV_CODEC_FLAG_GLOBAL_HEADER;
  check(await context.open2(codec, null));
  onOpen?.(context);
  const encoded: EncodedPicture[] = [];
  using packet = new Packet();
  packet.alloc();
  const receive = async () => {
    while (await context.receivePacket(packet) >= 0) {
      encoded.push({
        data: new Uint8Array(packet.data ?? []),
        startMs: Number(packet.pts),
        decodeMs: Number(packet.dts),
        keyframe: packet.isKeyframe,
      });
      packet.unref();
    }
  };
  for (const [index, picture] of pictures.entries()) {
    using frame = greyFrame(size, picture);
    frame.pts = BigInt(startsMs?.[index] ?? index);
    check(await context.sendFrame(frame));
    await receive();
  }
  check(await context.sendFrame(null));
  await receive();
  return encoded;
}

function greyFrame({ width, height }: Size, { left, right }: GreyPicture): Frame {
  const pixels = Buffer.alloc(width * height * 3 / 2, 128);
  for (let y = 0; y < height; y++) {
    pixels.fill(left, y * width, y * width + width / 2);
    pixels.fill(right, y * width + width / 2, (y + 1) * width);
  }
  return Frame.fromVideoBuffer(pixels, { width, height, format: AV_PIX_FMT_YUV420P });
}

function check(status: number): void {
  FFmpegError.throwIfError(status, "make a test file");
}

/** Writes twelve numbered pictures of a bar on its way into a folder. */
export async function drawMovingBar(folder: string): Promise<void> {
  for (let number = 0; number < 12; number++) {
    const png = encodePng(
      { width: 160, height: 90 },
      (x) => Math.abs(x - number * 13) < 10 ? [250, 220, 60] : [40, 60, 110],
    );
    await Deno.writeFile(`${folder}/${number}.png`, png);
  }
}

/** Writes an mp4 of one colour, whose numbers and tags are as given (ITU-T H.273). */
export async function writeColourVideo(
  path: string,
  { yuv, range, matrix }: {
    yuv: readonly [number, number, number];
    range: AVColorRange;
    matrix: AVColorSpace;
  },
): Promise<void> {
  Log.setLevel(AV_LOG_QUIET);
  const size = { width: 64, height: 64 };
  const luma = size.width * size.height;
  const pixels = Buffer.alloc(luma * 3 / 2, yuv[0]);
  pixels.fill(yuv[1], luma, luma * 5 / 4).fill(yuv[2], luma * 5 / 4);
  const codec = Codec.findEncoderByName("libx264" as FFEncoderCodec);
  if (codec === null) throw new Error("There is no encoder libx264");
  using context = new CodecContext();
  context.allocContext3(codec);
  Object.assign(context, size, {
    pixelFormat: AV_PIX_FMT_YUV420P,
    colorRange: range,
    colorSpace: matrix,
    timeBase: new Rational(1, 25),
    flags: AV_CODEC_FLAG_GLOBAL_HEADER,
  });
  check(await context.open2(codec, null));
  const output = new FormatContext();
  check(output.allocOutputContext2(null, null, path));
  const stream = output.newStream();
  stream.timeBase = new Rational(1, 25);
  check(stream.codecpar.fromContext(context));
  check(await output.openOutput());
  check(await output.writeHeader(null));
  using packet = new Packet();
  packet.alloc();
  using frame = Frame.fromVideoBuffer(pixels, { ...size, format: AV_PIX_FMT_YUV420P });
  frame.pts = 0n;
  check(await context.sendFrame(frame));
  check(await context.sendFrame(null));
  check(await context.receivePacket(packet));
  packet.duration = 1n;
  packet.rescaleTs(new Rational(1, 25), stream.timeBase);
  check(await output.interleavedWriteFrame(packet));
  check(await output.writeTrailer());
  await output.closeOutput();
}
