import { Buffer } from "node:buffer";
import { Frame, SoftwareScaleContext } from "node-av/lib";
import {
  AV_PIX_FMT_BGR24,
  AV_PIX_FMT_BGRA,
  AV_PIX_FMT_NV12,
  AV_PIX_FMT_RGB24,
  AV_PIX_FMT_RGBA,
  AV_PIX_FMT_YUV420P,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_SMPTE170M,
  type AVPixelFormat,
  SWS_BILINEAR,
} from "node-av/constants";
import { fitInside, type FittedArea } from "./fit.ts";
import type { PixelFormat, RawFrame } from "./frame.ts";

const PIXEL_FORMAT_IDS: Readonly<Record<PixelFormat, AVPixelFormat>> = {
  i420: AV_PIX_FMT_YUV420P,
  nv12: AV_PIX_FMT_NV12,
  rgba: AV_PIX_FMT_RGBA,
  bgra: AV_PIX_FMT_BGRA,
  rgb24: AV_PIX_FMT_RGB24,
  bgr24: AV_PIX_FMT_BGR24,
};

/**
 * Allocates an I420 picture for an encoder, tagged BT.601 limited range, which VP8 always has and swscale converts RGB
 * to.
 */
export function allocatePicture(width: number, height: number): Frame {
  const picture = new Frame();
  picture.alloc();
  picture.format = AV_PIX_FMT_YUV420P;
  picture.width = width;
  picture.height = height;
  picture.colorRange = AVCOL_RANGE_MPEG;
  picture.colorSpace = AVCOL_SPC_SMPTE170M;
  const status = picture.allocBuffer();
  if (status < 0) {
    throw new Error(`Cannot allocate a ${width}x${height} picture (FFmpeg ${status})`);
  }
  return picture;
}

/** Describes an I420 picture as a frame that shares its memory. */
export function rawFrameOf(picture: Frame, timestampUs: number): RawFrame {
  const { data, linesize, width, height } = picture;
  const planes = (data ?? []).slice(0, 3).map((plane, index) => ({
    data: plane,
    strideBytes: linesize[index] ?? 0,
  }));
  return { kind: "raw", format: "i420", width, height, planes, timestampUs };
}

/** The longest SIMD vectors of any CPU. */
const VECTOR_BYTES = 64;

/** A picture that frames of one size are drawn into. The views of its memory are kept, because making them is slow. */
interface Target {
  /** Pixels of the frames. */
  readonly width: number;
  readonly height: number;
  /** Where they are; the rest is black. */
  readonly area: FittedArea;
  readonly planes: readonly Buffer[];
  /** From the area's first pixel on. */
  readonly drawn: Buffer[];
  readonly strides: number[];
}

/** Black in limited range: luma, and both chromas. */
const BLACK = [16, 128, 128] as const;

/**
 * Converts frames of any format and size into I420 pictures of one size, on a worker thread: scaled to fit with the
 * aspect ratio kept, with black bars. It reads the source's memory directly, without a copy.
 */
export class PictureConverter {
  #scaler: SoftwareScaleContext | undefined;
  /** Format and size that the scaler was created for. */
  #scalerKey = "";
  /** Pictures that were written. */
  readonly #targets = new WeakMap<Frame, Target>();

  /** Settles when `target` has the picture and `frame` is no longer needed. `target` keeps its memory until it is freed. */
  async convert(frame: RawFrame, target: Frame): Promise<void> {
    const written = this.#targetFor(frame, target);
    const { area, drawn, strides } = written;
    await this.#scalerFor(frame, area).scale(
      frame.planes.map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength)),
      frame.planes.map((plane) => plane.strideBytes),
      0,
      frame.height,
      drawn,
      strides,
    );
    this.#clearSpill(written, target.width);
  }

  /** Frees the scaler. Not during `convert`. */
  close(): void {
    this.#scaler?.freeContext();
    this.#scaler = undefined;
    this.#scalerKey = "";
  }

  #targetFor(frame: RawFrame, target: Frame): Target {
    const { width, height } = frame;
    const known = this.#targets.get(target);
    if (known?.width === width && known.height === height) return known;
    const { data, linesize } = target;
    if (data === null) throw new TypeError("The target picture has no memory");
    const area = fitInside(frame, target);
    const strides = linesize.slice(0, 3);
    const planes = data.slice(0, 3);
    BLACK.forEach((value, index) => planes[index]?.fill(value));
    const drawn = planes.map((plane, index) => {
      const share = index === 0 ? 1 : 2;
      return plane.subarray((area.y * (strides[index] ?? 0) + area.x) / share);
    });
    const made = { width, height, area, planes, drawn, strides };
    this.#targets.set(target, made);
    return made;
  }

  /** Restores the black bar: FFmpeg writes whole vectors, so beyond the right edge if they do not divide the width. */
  #clearSpill({ area, planes, strides }: Target, targetWidth: number): void {
    const { x, y, width, height } = area;
    if (width % VECTOR_BYTES === 0 || x + width === targetWidth) return;
    BLACK.forEach((value, index) => {
      const share = index === 0 ? 1 : 2;
      const stride = strides[index] ?? 0;
      const from = (x + width) / share;
      const to = Math.min(from + VECTOR_BYTES, targetWidth / share);
      for (let row = y / share; row < (y + height) / share; row++) {
        planes[index]?.fill(value, row * stride + from, row * stride + to);
      }
    });
  }

  #scalerFor(frame: RawFrame, area: FittedArea): SoftwareScaleContext {
    const key = `${frame.format} ${frame.width}x${frame.height} ${area.width}x${area.height}`;
    if (this.#scaler !== undefined && this.#scalerKey === key) return this.#scaler;
    this.close();
    const scaler = new SoftwareScaleContext();
    scaler.getContext(
      frame.width,
      frame.height,
      PIXEL_FORMAT_IDS[frame.format],
      area.width,
      area.height,
      AV_PIX_FMT_YUV420P,
      SWS_BILINEAR,
    );
    this.#scaler = scaler;
    this.#scalerKey = key;
    return scaler;
  }
}
