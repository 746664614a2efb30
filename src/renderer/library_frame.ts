import type { Plane, SourceFrame } from "../media/frame.ts";
import {
  ACCESS_UNIT_BYTES_MAX,
  FORMAT_H264,
  FRAME_SIDE_MAX,
  PIXEL_FORMAT_CODES,
  PLANE_PARTS,
} from "./pixel_layout.ts";
import { RendererError } from "./renderer_error.ts";

/** The byte order of every processor that Deno runs on. */
const LITTLE_ENDIAN = true;

/** `pinhole_frame` of native/include/pinhole.h. */
const FRAME_BYTES = 104;
const OFFSET = { format: 4, width: 8, height: 12, flags: 16, timestampUs: 24, planes: 32 } as const;
const PLANE_BYTES = 24;
const PLANE_OFFSET = { data: 0, byteSize: 8, strideBytes: 16 } as const;

/** `PINHOLE_FRAME_KEYFRAME`. */
const FLAG_KEYFRAME = 1;

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
   * @throws {RendererError} `bad_frame`
   */
  read(requestedUs: number): SourceFrame {
    const givenUs = Number(this.#fields.getBigInt64(OFFSET.timestampUs, LITTLE_ENDIAN));
    const timestampUs = givenUs > 0 ? givenUs : requestedUs;
    const code = this.#fields.getUint32(OFFSET.format, LITTLE_ENDIAN);
    if (code === FORMAT_H264) return this.#accessUnit(timestampUs);
    const format = PIXEL_FORMAT_CODES[code];
    if (format === undefined) throw this.#bad(`its format is ${code}, which is none of 1 to 7`);
    const width = this.#side("width");
    const height = this.#side("height");
    const planes = PLANE_PARTS[format].map((part, index) =>
      this.#plane(index, { rowBytes: width * part.rowBytes, rows: height * part.rows })
    );
    return { kind: "raw", format, width, height, planes, timestampUs };
  }

  /** Cuts every frame off from its memory, so that one that is read too late is empty instead of a crash. */
  detach(): void {
    this.#detachOldest(0);
  }

  #accessUnit(timestampUs: number): SourceFrame {
    const { address, byteSize } = this.#planeAt(0);
    if (byteSize === 0 || byteSize > ACCESS_UNIT_BYTES_MAX) {
      throw this.#bad(`its access unit has ${byteSize} bytes, not 1 to ${ACCESS_UNIT_BYTES_MAX}`);
    }
    const flags = this.#fields.getUint32(OFFSET.flags, LITTLE_ENDIAN);
    const keyframe = (flags & FLAG_KEYFRAME) !== 0;
    return { kind: "h264", data: this.#window(address, byteSize), keyframe, timestampUs };
  }

  #side(name: "width" | "height"): number {
    const pixels = this.#fields.getUint32(OFFSET[name], LITTLE_ENDIAN);
    if (pixels === 0 || pixels % 2 !== 0 || pixels > FRAME_SIDE_MAX) {
      throw this.#bad(
        `its ${name} is ${pixels}, which is not an even number from 2 to ${FRAME_SIDE_MAX}`,
      );
    }
    return pixels;
  }

  #plane(index: number, { rowBytes, rows }: { rowBytes: number; rows: number }): Plane {
    const { address, byteSize, strideBytes } = this.#planeAt(index);
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

  #planeAt(index: number): { address: bigint; byteSize: number; strideBytes: number } {
    const start = OFFSET.planes + index * PLANE_BYTES;
    const address = this.#fields.getBigUint64(start + PLANE_OFFSET.data, LITTLE_ENDIAN);
    if (address === 0n) throw this.#bad(`plane ${index} is null`);
    return {
      address,
      byteSize: Number(this.#fields.getBigUint64(start + PLANE_OFFSET.byteSize, LITTLE_ENDIAN)),
      strideBytes: this.#fields.getUint32(start + PLANE_OFFSET.strideBytes, LITTLE_ENDIAN),
    };
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
