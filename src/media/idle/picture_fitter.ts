import { avGetPixFmtName, FFmpegError, type FilterContext, FilterGraph, Frame } from "node-av/lib";
import { AV_FRAME_DATA_DISPLAYMATRIX, type AVPixelFormat } from "node-av/constants";
import type { RawFrame } from "../frame.ts";
import { fitInside } from "../fit.ts";
import { lightFilters } from "./tone_mapping.ts";
import { type Orientation, readOrientation } from "./orientation.ts";

/** Names of FFmpeg's pixel formats with transparency. */
const WITH_ALPHA = /^(pal8|ya|yuva|gbrap|rgba|bgra|argb|abgr|ayuv|vuya)/;

/** A filter graph for pictures of one kind. */
interface Chain {
  /** Format and size of the pictures. */
  readonly key: string;
  readonly graph: FilterGraph;
  readonly input: FilterContext;
  readonly output: FilterContext;
}

/**
 * Converts decoded pictures of any kind and size into frames of one size, off the event loop: upright, scaled with the
 * aspect ratio kept, with black bars, I420 in BT.601 limited range.
 */
export class PictureFitter {
  readonly #size: { readonly width: number; readonly height: number };
  readonly #output: Frame;
  #chain: Chain | undefined;

  /** @param size Size of the frames in pixels, even. */
  constructor(size: { width: number; height: number }) {
    this.#size = size;
    this.#output = new Frame();
    this.#output.alloc();
  }

  /**
   * Makes one frame. Calls must not overlap.
   * @param picture Unreferenced by this call.
   * @returns A frame in new memory, with timestamp 0.
   * @throws When FFmpeg cannot convert the picture.
   */
  async fit(picture: Frame): Promise<RawFrame> {
    const { input, output } = await this.#chainFor(picture);
    check(await input.buffersrcAddFrame(picture), "scale");
    check(await output.buffersinkGetFrame(this.#output), "scale");
    try {
      return frameOf(this.#output.toBuffer(), this.#size);
    } finally {
      this.#output.unref();
    }
  }

  /** Frees the filters. Not during `fit`. */
  close(): void {
    this.#chain?.graph.free();
    this.#chain = undefined;
    this.#output.free();
  }

  async #chainFor(picture: Frame): Promise<Chain> {
    const orientation = readOrientation(picture.getSideData(AV_FRAME_DATA_DISPLAYMATRIX));
    const key = describeChain(picture, { orientation, size: this.#size });
    if (this.#chain?.key === key) return this.#chain;
    this.#chain?.graph.free();
    this.#chain = undefined;
    this.#chain = await openChain(key);
    return this.#chain;
  }
}

/** The filters for pictures of this kind, in FFmpeg's syntax. */
function describeChain(
  picture: Frame,
  { orientation, size }: {
    orientation: Orientation;
    size: { width: number; height: number };
  },
): string {
  const { width, height, sampleAspectRatio: pixel } = picture;
  const format = avGetPixFmtName(picture.format as AVPixelFormat) ?? "";
  const squareWidth = pixel.num > 0 && pixel.den > 0 ? width * pixel.num / pixel.den : width;
  const area = fitInside(
    orientation.transposed
      ? { width: height, height: squareWidth }
      : { width: squareWidth, height },
    size,
  );
  const light = lightFilters(picture);
  return [
    // Pictures are filtered one by one, so timestamps do not matter.
    `buffer=video_size=${width}x${height}:pix_fmt=${format}:time_base=1/1` +
    `:colorspace=${picture.colorSpace}:range=${picture.colorRange}`,
    ...orientation.filters,
    // The scaler blends over black only from such formats.
    ...(WITH_ALPHA.test(format) ? ["format=rgba"] : []),
    ...(light.length === 0 ? [] : [
      `scale=w=${area.width}:h=${area.height}:flags=bicubic:alphablend=uniform_color`,
      "format=gbrp16le",
      ...light,
    ]),
    `scale=w=${area.width}:h=${area.height}:flags=bicubic:out_range=limited` +
    ":out_color_matrix=smpte170m:alphablend=uniform_color",
    "format=yuv420p",
    `pad=w=${size.width}:h=${size.height}:x=${area.x}:y=${area.y}:color=black`,
    "buffersink",
  ].join(",");
}

async function openChain(key: string): Promise<Chain> {
  const graph = new FilterGraph();
  try {
    graph.alloc();
    graph.nbThreads = 1;
    check(graph.parse2(key), "set up its filters");
    check(await graph.config(), "set up its filters");
    const filters = graph.filters ?? [];
    const input = filters.find(({ filter }) => filter?.name === "buffer");
    const output = filters.find(({ filter }) => filter?.name === "buffersink");
    if (input === undefined || output === undefined) throw new Error("Cannot find its filters");
    return { key, graph, input, output };
  } catch (error) {
    graph.free();
    throw error;
  }
}

function check(status: number, action: string): void {
  if (status < 0) throw new Error(`cannot ${action} (${FFmpegError.strerror(status)})`);
}

function frameOf(
  bytes: Uint8Array,
  { width, height }: { width: number; height: number },
): RawFrame {
  const luma = width * height;
  const chroma = luma / 4;
  return {
    kind: "raw",
    format: "i420",
    width,
    height,
    planes: [
      { data: bytes.subarray(0, luma), strideBytes: width },
      { data: bytes.subarray(luma, luma + chroma), strideBytes: width / 2 },
      { data: bytes.subarray(luma + chroma, luma + 2 * chroma), strideBytes: width / 2 },
    ],
    timestampUs: 0,
  };
}
