import {
  avGetCodecName,
  Codec,
  CodecContext,
  Dictionary,
  FFmpegError,
  FormatContext,
  Frame,
  Packet,
  type Rational,
  type Stream,
} from "node-av/lib";
import {
  AV_CODEC_ID_VP8,
  AV_CODEC_ID_VP9,
  AV_NOPTS_VALUE,
  AV_PKT_FLAG_CORRUPT,
  type AVCodecID,
  AVDISCARD_ALL,
  AVERROR_EAGAIN,
  AVERROR_EINVAL,
  AVERROR_EOF,
  AVERROR_INVALIDDATA,
  AVMEDIA_TYPE_VIDEO,
  FF_DECODER_LIBVPX_VP8,
  FF_DECODER_LIBVPX_VP9,
  type FFDecoderCodec,
} from "node-av/constants";
import { errorText } from "../../base/errors.ts";
import { CODEC_WHITELIST, FORMAT_WHITELIST, isAllowed } from "./allowed_formats.ts";
import { IMAGE_HEAD_BYTES, readImageSize } from "./image_size.ts";
import { IdleError } from "./idle_error.ts";
import {
  IDLE_DECODE_MS_MAX,
  IDLE_FIRST_PICTURE_MS_MAX,
  IDLE_PICTURE_PIXELS_MAX,
  IDLE_SIDE_PIXELS_MAX,
  IDLE_SOURCE_PICTURES_MAX,
} from "./limits.ts";
import { PictureTimes, type PictureTimestamps } from "./picture_times.ts";
import { decodeTiles, readTileGrid } from "./tiles.ts";

/** One decoded picture of a file. */
export interface DecodedPicture {
  /** Valid until the next picture is requested; it may be unreferenced, but not freed. */
  readonly frame: Frame;
  /** Its start, in microseconds from the file's first picture, which starts at 0; strictly increasing. */
  readonly startUs: number;
  readonly endUs: number;
}

/** Nominal duration of a single picture, in microseconds; it is shown without end. */
const STILL_US = 40_000;

/** Decoders that output transparency. */
const ALPHA_DECODERS: ReadonlyMap<AVCodecID, FFDecoderCodec> = new Map<AVCodecID, FFDecoderCodec>([
  [AV_CODEC_ID_VP8, FF_DECODER_LIBVPX_VP8],
  [AV_CODEC_ID_VP9, FF_DECODER_LIBVPX_VP9],
]);

/** FFmpeg's formats of single images. */
const IMAGE_FORMAT = /^image2$|_pipe$/;

/**
 * Decodes an image, or the first video stream of a file, picture by picture in display order. It works off the event
 * loop, on one thread, to leave the others to live sessions.
 *
 * @param path An existing file.
 * @param options.onDamaged Called with the reason when a part of a video is skipped because it cannot be decoded, and
 * when a jump in its timestamps is removed; once each.
 * @throws {IdleError} Before the first picture, if there is none or it is too large. A partly damaged image is
 * refused.
 */
export async function* decodePictures(
  path: string,
  { onDamaged = () => {} }: { onDamaged?: (reason: string) => void } = {},
): AsyncGenerator<DecodedPicture, void> {
  await using opened = new AsyncDisposableStack();
  await checkHead(path);
  const input = await openInput(path, opened);
  const tiled = await decodeTiled(path, { input, opened });
  if (tiled !== undefined) return yield { frame: tiled, startUs: 0, endUs: STILL_US };
  const stream = videoStream(path, input);
  const image = IMAGE_FORMAT.test(input.iformat?.name ?? "");
  const decoder = await openDecoder(path, { stream, image, opened });
  const packet = new Packet();
  packet.alloc();
  opened.defer(() => packet.free());
  const frame = new Frame();
  frame.alloc();
  opened.defer(() => frame.free());

  let jumped = false;
  const times = timesOf(stream, (jumpUs) => {
    if (!jumped) {
      onDamaged(`its timestamps jump by ${Math.round(jumpUs / 1e6)} s; the jump is removed`);
    }
    jumped = true;
  });
  let failure = 0;
  const begunMs = performance.now();
  for (let ended = false; !ended;) {
    const excess = excessOf(times.count, performance.now() - begunMs);
    if (excess !== undefined && times.count > 0) return onDamaged(excess);
    if (excess !== undefined) throw new IdleError("not_decodable", { path, reason: excess });
    const status = await input.readFrame(packet);
    ended = status < 0;
    if (ended && status !== AVERROR_EOF) failure ||= status;
    if (!ended && packet.streamIndex !== stream.index) {
      packet.unref();
      continue;
    }
    // A truncated packet would show half a picture.
    const whole = ended || !packet.hasFlags(AV_PKT_FLAG_CORRUPT);
    const sent = whole ? await decoder.sendPacket(ended ? null : packet) : AVERROR_INVALIDDATA;
    packet.unref();
    if (sent < 0) failure ||= sent;
    let received: number;
    while ((received = await decoder.receiveFrame(frame)) >= 0) {
      yield { frame, ...times.next(stampsOf(frame, stream)) };
      frame.unref();
      // A photo may be followed by a preview or a second view.
      if (image) return;
    }
    if (received !== AVERROR_EAGAIN && received !== AVERROR_EOF) failure ||= received;
  }
  if (times.count === 0) {
    const reason = failure < 0 ? FFmpegError.strerror(failure) : "it has no pictures";
    throw new IdleError("not_decodable", { path, reason: `it cannot be decoded (${reason})` });
  }
  if (failure < 0) onDamaged(FFmpegError.strerror(failure));
}

/** @returns The picture of a tiled HEIF file; `undefined` for any other file. */
async function decodeTiled(
  path: string,
  { input, opened }: { input: FormatContext; opened: AsyncDisposableStack },
): Promise<Frame | undefined> {
  if (!input.iformat?.name?.startsWith("mov,")) return undefined;
  try {
    const grid = await readTileGrid(path);
    if (grid === undefined) return undefined;
    checkSize(path, grid);
    const decode = (stream: Stream, packet: Packet) => decodeTile(path, { stream, packet });
    const frame = await decodeTiles(input, { grid, decode });
    opened.defer(() => frame.free());
    return frame;
  } catch (cause) {
    if (cause instanceof IdleError) throw cause;
    throw new IdleError("not_decodable", { path, reason: errorText(cause), cause });
  }
}

async function decodeTile(
  path: string,
  { stream, packet }: { stream: Stream; packet: Packet },
): Promise<Frame> {
  await using opened = new AsyncDisposableStack();
  const decoder = await openDecoder(path, { stream, image: true, opened });
  const frame = new Frame();
  frame.alloc();
  for (const sent of [packet, null]) {
    const status = await decoder.sendPacket(sent);
    if (status < 0) throw new Error(`a tile cannot be decoded (${FFmpegError.strerror(status)})`);
  }
  const status = await decoder.receiveFrame(frame);
  if (status >= 0) return frame;
  frame.free();
  throw new Error(`a tile cannot be decoded (${FFmpegError.strerror(status)})`);
}

/** Checks the size of an image before FFmpeg allocates memory for its pixels. */
async function checkHead(path: string): Promise<void> {
  using file = await Deno.open(path);
  const head = new Uint8Array(IMAGE_HEAD_BYTES);
  const size = readImageSize(head.subarray(0, await file.read(head) ?? 0));
  if (size !== undefined) checkSize(path, size);
}

async function openInput(path: string, opened: AsyncDisposableStack): Promise<FormatContext> {
  const input = new FormatContext();
  using options = Dictionary.fromObject({
    // A playlist must not access the network, and a name with % must not match other files.
    protocol_whitelist: "file",
    format_whitelist: FORMAT_WHITELIST,
    codec_whitelist: CODEC_WHITELIST,
    pattern_type: "none",
  });
  const status = await input.openInput(`file:${path}`, null, options);
  if (status < 0) {
    const reason = status === AVERROR_EINVAL
      ? "its format is not supported for idle pictures; use PNG, JPEG, mp4 or WebM"
      : `it is not a readable image or video (${FFmpegError.strerror(status)})`;
    throw new IdleError("not_decodable", { path, reason });
  }
  opened.defer(() => input.closeInput());
  await input.findStreamInfo();
  return input;
}

function videoStream(path: string, input: FormatContext): Stream {
  const streams = input.streams;
  const stream = streams[input.findBestStream(AVMEDIA_TYPE_VIDEO)];
  if (stream === undefined) {
    throw new IdleError("not_decodable", { path, reason: "it contains no video" });
  }
  for (const other of streams) if (other.index !== stream.index) other.discard = AVDISCARD_ALL;
  // From the headers, before anything is decoded.
  checkSize(path, stream.codecpar);
  return stream;
}

function checkSize(path: string, { width, height }: { width: number; height: number }): void {
  const longest = Math.max(width, height);
  if (longest <= IDLE_SIDE_PIXELS_MAX && width * height <= IDLE_PICTURE_PIXELS_MAX) return;
  throw new IdleError("too_large", {
    path,
    reason: `its ${width}x${height} pixels are above the limit of ${IDLE_SIDE_PIXELS_MAX} a side ` +
      `and ${IDLE_PICTURE_PIXELS_MAX / 1024 / 1024} Mi in all`,
  });
}

async function openDecoder(
  path: string,
  { stream, image, opened }: { stream: Stream; image: boolean; opened: AsyncDisposableStack },
): Promise<CodecContext> {
  const { codecpar } = stream;
  const codec = findDecoder(stream);
  if (codec === null) {
    const reason = `there is no decoder for ${avGetCodecName(codecpar.codecId) ?? "its codec"}`;
    throw new IdleError("not_decodable", { path, reason });
  }
  if (!isAllowed(codec)) {
    const reason = `its codec "${codec.name}" is not supported for idle pictures`;
    throw new IdleError("not_decodable", { path, reason });
  }
  const decoder = new CodecContext();
  decoder.allocContext3(codec);
  opened.defer(() => decoder.freeContext());
  codecpar.toContext(decoder);
  decoder.pktTimebase = stream.timeBase;
  decoder.threadCount = 1;
  using options = Dictionary.fromObject({
    // If the headers have a wrong size, the decoder refuses the picture.
    max_pixels: IDLE_PICTURE_PIXELS_MAX,
    // Refuse an incomplete image. In a video, continue after a bad packet, as players do.
    ...(image ? { err_detect: "crccheck+bitstream+buffer+explode" } : {}),
  });
  const status = await decoder.open2(codec, options);
  if (status < 0) {
    const reason = `its decoder cannot be opened (${FFmpegError.strerror(status)})`;
    throw new IdleError("not_decodable", { path, reason });
  }
  return decoder;
}

/** FFmpeg's own VP8 and VP9 decoders ignore WebM's alpha stream; those of libvpx do not. */
function findDecoder({ codecpar: { codecId }, metadata }: Stream): Codec | null {
  const withAlpha = metadata?.get("alpha_mode") === "1" ? ALPHA_DECODERS.get(codecId) : undefined;
  return withAlpha === undefined
    ? Codec.findDecoder(codecId)
    : Codec.findDecoderByName(withAlpha) ?? Codec.findDecoder(codecId);
}

/** Describes the limit that a source exceeds after so many pictures and this time; `undefined` if none. */
function excessOf(pictures: number, ms: number): string | undefined {
  const msMax = pictures === 0 ? IDLE_FIRST_PICTURE_MS_MAX : IDLE_DECODE_MS_MAX;
  if (ms > msMax) {
    const what = pictures === 0
      ? "its first picture"
      : `the rest after its first ${pictures} pictures`;
    return `${what} takes more than the limit of ${msMax / 1000} s to decode`;
  }
  if (pictures < IDLE_SOURCE_PICTURES_MAX) return undefined;
  return `it has more pictures than the limit of ${IDLE_SOURCE_PICTURES_MAX}`;
}

function timesOf(stream: Stream, onJump: (jumpUs: number) => void): PictureTimes {
  const unitUs = 1e6 * ratio(stream.timeBase);
  const rate = ratio(stream.avgFrameRate);
  const { startTime, duration } = stream;
  const knowsEnd = duration > 0 && startTime !== AV_NOPTS_VALUE;
  return new PictureTimes({
    intervalUs: rate > 0 ? 1e6 / rate : undefined,
    endUs: knowsEnd ? Number(startTime + duration) * unitUs : undefined,
  }, onJump);
}

function stampsOf(frame: Frame, stream: Stream): PictureTimestamps {
  const unitUs = 1e6 * ratio(stream.timeBase);
  const stamp = frame.bestEffortTimestamp;
  return {
    stampUs: stamp === AV_NOPTS_VALUE ? undefined : Number(stamp) * unitUs,
    durationUs: Number(frame.duration) * unitUs,
  };
}

function ratio({ num, den }: Rational): number {
  return den === 0 ? 0 : num / den;
}
