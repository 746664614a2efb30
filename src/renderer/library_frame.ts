import type { PixelFormat, Plane, RawFrame } from "../media/frame.ts";
import { RendererError } from "./renderer_error.ts";

/** `PINHOLE_FRAME_SIDE_MAX`: larger than any picture, and small enough to tell one from uninitialised memory. */
const SIDE_MAX = 16384;

/** The byte order of every processor that Deno runs on. */
const LITTLE_ENDIAN = true;

/** `pinhole_frame` of native/pinhole.h. */
const FRAME_BYTES = 104;
const OFFSET = { format: 4, width: 8, height: 12, timestampUs: 24, planes: 32 } as const;
const PLANE_BYTES = 24;
const PLANE_OFFSET = { data: 0, byteSize: 8, strideBytes: 16 } as const;

const FORMATS: Readonly<Record<number, PixelFormat>> = {
  1: "i420",
  2: "nv12",
  3: "rgba",
  4: "bgra",
  5: "rgb24",
  6: "bgr24",
};
const FORMAT_H264 = 7;

/** Bytes of a row, and rows, of each plane, as parts of the picture's width and height. */
const PLANES: Readonly<Record<PixelFormat, readonly { rowBytes: number; rows: number }[]>> = {
  i420: [{ rowBytes: 1, rows: 1 }, { rowBytes: 0.5, rows: 0.5 }, { rowBytes: 0.5, rows: 0.5 }],
  nv12: [{ rowBytes: 1, rows: 1 }, { rowBytes: 1, rows: 0.5 }],
  rgba: [{ rowBytes: 4, rows: 1 }],
  bgra: [{ rowBytes: 4, rows: 1 }],
  rgb24: [{ rowBytes: 3, rows: 1 }],
  bgr24: [{ rowBytes: 3, rows: 1 }],
};

/** Enough for three planes in each of two or three buffers, with room for a change of size. */
const WINDOWS_MAX = 16;

/** The `pinhole_frame` of one session: what the library fills in, and the reader that believes none of it. */
export class LibraryFrame {
  /** The structure; C writes it. */
  readonly bytes: Uint8Array<ArrayBuffer> = new Uint8Array(FRAME_BYTES);
  readonly #fields: DataView = new DataView(this.bytes.buffer);
  readonly #libraryName: string;
  /**
   * Views of the library's memory by address, the one used last at the end. A view is cheap to make, but V8 counts its
   * bytes as garbage to come: made anew for each frame, they would have it collect without end.
   */
  readonly #windows = new Map<bigint, ArrayBuffer>();

  /** @param libraryName For messages. */
  constructor(libraryName: string) {
    this.#libraryName = libraryName;
  }

  /** Makes the structure ready for a call. */
  clear(): void {
    this.bytes.fill(0);
    this.#fields.setUint32(0, FRAME_BYTES, LITTLE_ENDIAN);
  }

  /**
   * Reads what the library filled in. The planes are views of its memory: nothing is copied.
   * @param requestedUs Stands in for a timestamp that was not given.
   * @throws {RendererError} `bad_frame`, `unsupported_format`
   */
  read(requestedUs: number): RawFrame {
    const format = this.#format();
    const width = this.#side("width");
    const height = this.#side("height");
    const planes = PLANES[format].map((part, index) =>
      this.#plane(index, { rowBytes: width * part.rowBytes, rows: height * part.rows })
    );
    const timestampUs = Number(this.#fields.getBigInt64(OFFSET.timestampUs, LITTLE_ENDIAN));
    return {
      kind: "raw",
      format,
      width,
      height,
      planes,
      timestampUs: timestampUs > 0 ? timestampUs : requestedUs,
    };
  }

  /** Cuts every frame off from its memory, so that one that is read too late is empty instead of a crash. */
  detach(): void {
    this.#detachOldest(0);
  }

  #format(): PixelFormat {
    const code = this.#fields.getUint32(OFFSET.format, LITTLE_ENDIAN);
    if (code === FORMAT_H264) {
      throw new RendererError(
        "unsupported_format",
        `Cannot show a frame of ${this.#libraryName}: H.264 access units are not supported, give pixels`,
      );
    }
    const format = FORMATS[code];
    if (format === undefined) throw this.#bad(`its format is ${code}, which is none of 1 to 7`);
    return format;
  }

  #side(name: "width" | "height"): number {
    const pixels = this.#fields.getUint32(OFFSET[name], LITTLE_ENDIAN);
    if (pixels === 0 || pixels % 2 !== 0 || pixels > SIDE_MAX) {
      throw this.#bad(
        `its ${name} is ${pixels}, which is not an even number from 2 to ${SIDE_MAX}`,
      );
    }
    return pixels;
  }

  #plane(index: number, { rowBytes, rows }: { rowBytes: number; rows: number }): Plane {
    const start = OFFSET.planes + index * PLANE_BYTES;
    const address = this.#fields.getBigUint64(start + PLANE_OFFSET.data, LITTLE_ENDIAN);
    const byteSize = Number(
      this.#fields.getBigUint64(start + PLANE_OFFSET.byteSize, LITTLE_ENDIAN),
    );
    const strideBytes = this.#fields.getUint32(start + PLANE_OFFSET.strideBytes, LITTLE_ENDIAN);
    if (address === 0n) throw this.#bad(`plane ${index} is null`);
    if (strideBytes < rowBytes) {
      throw this.#bad(
        `plane ${index} has a stride of ${strideBytes} bytes, but a row has ${rowBytes}`,
      );
    }
    const neededBytes = strideBytes * (rows - 1) + rowBytes;
    if (byteSize < neededBytes) {
      throw this.#bad(`plane ${index} has ${byteSize} bytes, but its rows need ${neededBytes}`);
    }
    return { data: this.#window(address, neededBytes), strideBytes };
  }

  #window(address: bigint, byteLength: number): Uint8Array {
    let buffer = this.#windows.get(address);
    this.#windows.delete(address);
    if (buffer === undefined || buffer.byteLength < byteLength) {
      buffer?.transfer(0);
      const pointer = Deno.UnsafePointer.create(address);
      if (pointer === null) throw this.#bad("a plane is null");
      buffer = Deno.UnsafePointerView.getArrayBuffer(pointer, byteLength);
    }
    this.#windows.set(address, buffer);
    this.#detachOldest(WINDOWS_MAX);
    return new Uint8Array(buffer, 0, byteLength);
  }

  #detachOldest(kept: number): void {
    for (const [address, buffer] of this.#windows) {
      if (this.#windows.size <= kept) return;
      buffer.transfer(0);
      this.#windows.delete(address);
    }
  }

  #bad(why: string): RendererError {
    return new RendererError("bad_frame", `Cannot use a frame of ${this.#libraryName}: ${why}`);
  }
}
