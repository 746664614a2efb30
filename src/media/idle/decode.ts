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
  AVERROR_EOF,
  AVERROR_INVALIDDATA,
  AVMEDIA_TYPE_VIDEO,
  FF_DECODER_LIBVPX_VP8,
  FF_DECODER_LIBVPX_VP9,
  type FFDecoderCodec,
} from "node-av/constants";
import { IdleError } from "./idle_error.ts";
import { IDLE_PICTURE_PIXELS_MAX, IDLE_SIDE_PIXELS_MAX } from "./limits.ts";

/** One picture of a file, as its decoder gives it. */
export interface DecodedPicture {
  /** Valid until the next picture is asked for; it may be emptied, not freed. */
  readonly frame: Frame;
  /** When it begins, in microseconds from the file's first picture, which begins at 0; always above the last one. */
  readonly startUs: number;
  readonly endUs: number;
}

/** Of a picture in a file that says nothing about its rate. */
const DURATION_US = 40_000;

/** Decoders that give pictures with their transparency. */
const ALPHA_DECODERS: ReadonlyMap<AVCodecID, FFDecoderCodec> = new Map<AVCodecID, FFDecoderCodec>([
  [AV_CODEC_ID_VP8, FF_DECODER_LIBVPX_VP8],
  [AV_CODEC_ID_VP9, FF_DECODER_LIBVPX_VP9],
]);

/** FFmpeg's formats of single images. */
const IMAGE_FORMAT = /^image2$|_pipe$/;

/**
 * Decodes an image, or the first video stream of a file, picture after picture in the order of display. The work runs off
 * the event loop, on one thread: live sessions need the others.
 *
 * @param path An existing file.
 * @param options.onDamaged Told once, with the reason, when a part of a video is left out because it cannot be decoded.
 * @throws {IdleError} Before the first picture, when there is none, or it is too large. An image is whole or it is
 * refused.
 */
export async function* decodePictures(
  path: string,
  { onDamaged = () => {} }: { onDamaged?: (reason: string) => void } = {},
): AsyncGenerator<DecodedPicture, void> {
  await using opened = new AsyncDisposableStack();
  const input = await openInput(path, opened);
  const stream = videoStream(path, input);
  const image = IMAGE_FORMAT.test(input.iformat?.name ?? "");
  const decoder = await openDecoder(path, { stream, image, opened });
  const packet = new Packet();
  packet.alloc();
  opened.defer(() => packet.free());
  const frame = new Frame();
  frame.alloc();
  opened.defer(() => frame.free());

  const times = new PictureTimes(stream);
  let failure = 0;
  for (let ended = false; !ended;) {
    const status = await input.readFrame(packet);
    ended = status < 0;
    if (ended && status !== AVERROR_EOF) failure ||= status;
    if (!ended && packet.streamIndex !== stream.index) {
      packet.unref();
      continue;
    }
    // A packet of which the file has only a part would show half a picture.
    const whole = ended || !packet.hasFlags(AV_PKT_FLAG_CORRUPT);
    const sent = whole ? await decoder.sendPacket(ended ? null : packet) : AVERROR_INVALIDDATA;
    packet.unref();
    if (sent < 0) failure ||= sent;
    let received: number;
    while ((received = await decoder.receiveFrame(frame)) >= 0) {
      yield { frame, ...times.next(frame) };
      frame.unref();
      // Photos may have a preview or a second view behind them.
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

async function openInput(path: string, opened: AsyncDisposableStack): Promise<FormatContext> {
  const input = new FormatContext();
  using options = Dictionary.fromObject({
    // A playlist must not reach for the network, nor a name with % for other files.
    protocol_whitelist: "file",
    pattern_type: "none",
  });
  const status = await input.openInput(`file:${path}`, null, options);
  if (status < 0) {
    const reason = `it is no image or video that can be read (${FFmpegError.strerror(status)})`;
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
    throw new IdleError("not_decodable", { path, reason: "there is no video in it" });
  }
  for (const other of streams) if (other.index !== stream.index) other.discard = AVDISCARD_ALL;
  // Its headers say this much; nothing of the picture has been decoded yet.
  const { width, height } = stream.codecpar;
  if (
    Math.max(width, height) > IDLE_SIDE_PIXELS_MAX || width * height > IDLE_PICTURE_PIXELS_MAX
  ) {
    throw new IdleError("too_large", {
      path,
      reason:
        `its ${width}x${height} pixels are above the limit of ${IDLE_SIDE_PIXELS_MAX} a side ` +
        `and ${IDLE_PICTURE_PIXELS_MAX / 1024 / 1024} Mi in all`,
    });
  }
  return stream;
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
  const decoder = new CodecContext();
  decoder.allocContext3(codec);
  opened.defer(() => decoder.freeContext());
  codecpar.toContext(decoder);
  decoder.pktTimebase = stream.timeBase;
  decoder.threadCount = 1;
  using options = Dictionary.fromObject({
    // Headers may lie about the size; the decoder then refuses the picture itself.
    max_pixels: IDLE_PICTURE_PIXELS_MAX,
    // Half an image is a broken file; a player goes on behind a bad packet of a video, and so does this.
    ...(image ? { err_detect: "crccheck+bitstream+buffer+explode" } : {}),
  });
  const status = await decoder.open2(codec, options);
  if (status < 0) {
    const reason = `its decoder cannot be opened (${FFmpegError.strerror(status)})`;
    throw new IdleError("not_decodable", { path, reason });
  }
  return decoder;
}

/** FFmpeg's own decoders of VP8 and VP9 leave WebM's second stream with the transparency out; those of libvpx do not. */
function findDecoder({ codecpar: { codecId }, metadata }: Stream): Codec | null {
  const withAlpha = metadata?.get("alpha_mode") === "1" ? ALPHA_DECODERS.get(codecId) : undefined;
  return withAlpha === undefined
    ? Codec.findDecoder(codecId)
    : Codec.findDecoderByName(withAlpha) ?? Codec.findDecoder(codecId);
}

/** Turns a stream's timestamps into times from its first picture, and makes up for those that are missing or go back. */
class PictureTimes {
  readonly #timeBaseUs: number;
  readonly #nominalUs: number;
  /** As in the stream's own timestamps; unknown in some formats. */
  readonly #streamEndUs: number | undefined;
  #originUs: number | undefined;
  #last = { startUs: -1, endUs: 0 };
  /** Pictures so far. */
  count = 0;

  constructor(stream: Stream) {
    this.#timeBaseUs = 1e6 * ratio(stream.timeBase);
    const rate = ratio(stream.avgFrameRate);
    this.#nominalUs = rate > 0 ? 1e6 / rate : DURATION_US;
    const { startTime, duration } = stream;
    this.#streamEndUs = duration > 0 && startTime !== AV_NOPTS_VALUE
      ? Number(startTime + duration) * this.#timeBaseUs
      : undefined;
  }

  next(frame: Frame): { startUs: number; endUs: number } {
    const timestamp = frame.bestEffortTimestamp;
    const stampUs = timestamp === AV_NOPTS_VALUE ? undefined : Number(timestamp) * this.#timeBaseUs;
    this.#originUs ??= stampUs;
    const saidUs = (stampUs ?? NaN) - (this.#originUs ?? 0);
    const startUs = saidUs > this.#last.startUs ? saidUs : this.#last.endUs;
    const durationUs = Number(frame.duration) * this.#timeBaseUs;
    const endUs = startUs + (durationUs > 0 ? durationUs : this.#nominalUs);
    // Formats that store times in the order of decoding may know the length of the last picture only by the stream's.
    const streamEndUs = (this.#streamEndUs ?? Infinity) - (this.#originUs ?? 0);
    this.#last = { startUs, endUs: streamEndUs > startUs ? Math.min(endUs, streamEndUs) : endUs };
    this.count += 1;
    return this.#last;
  }
}

function ratio({ num, den }: Rational): number {
  return den === 0 ? 0 : num / den;
}
