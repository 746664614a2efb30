import type { Plane, SourceFrame } from "../../media/frame.ts";
import {
  ACCESS_UNIT_BYTES_MAX,
  FORMAT_H264,
  FRAME_SIDE_MAX,
  PIXEL_FORMAT_CODES,
  PLANE_PARTS,
} from "../pixel_layout.ts";
import { BridgeViolation } from "./bridge_error.ts";
import type { Ring, Slot, SlotPart } from "./ring.ts";
import type { FrameMessage } from "./writer_messages.ts";

/** A picture that a writer has sent. */
export interface BridgeFrame {
  /** The writer's timestamp. */
  readonly timestampUs: number;
  /**
   * Copies the picture from its slot, valid until the slot is released; `undefined` if the file was truncated. Called
   * at most once.
   */
  readonly read: () => SourceFrame | undefined;
  readonly slot: Slot;
}

/**
 * Takes the slot of a message, if its picture is valid and lies within the slot.
 * @throws {BridgeViolation} Names the invalid field; the writer keeps the slot.
 */
export function takeFrame(ring: Ring, message: FrameMessage): BridgeFrame {
  const { slotBytes, generation } = ring.layout;
  if (message.generation !== generation) {
    throw new BridgeViolation(
      `a picture is in ring ${message.generation}, but the ring in use is ${generation}`,
    );
  }
  if (message.format === FORMAT_H264) {
    checkAccessUnit(message, slotBytes);
    const { keyframe, timestampUs, byteSize: byteLength } = message;
    const slot = ring.take(message.slot, [{ offset: 0, byteLength }]);
    const read = (): SourceFrame | undefined => {
      const [data] = slot.read() ?? [];
      return data && { kind: "h264", data, keyframe, timestampUs };
    };
    return { slot, timestampUs, read };
  }
  const { width, height, timestampUs } = message;
  const format = PIXEL_FORMAT_CODES[message.format];
  if (format === undefined) fail(`format is ${message.format}, not 1 to 7`);
  checkSide("width", width);
  checkSide("height", height);
  const spans = PLANE_PARTS[format].map(({ rowBytes, rows }, index) =>
    spanOf(message, { index, rowBytes: width * rowBytes, rows: height * rows, slotBytes })
  );
  const slot = ring.take(message.slot, spans);
  const read = (): SourceFrame | undefined => {
    const planes = slot.read()?.map((data, index): Plane => ({
      data,
      strideBytes: spans[index]?.strideBytes ?? 0,
    }));
    return planes && { kind: "raw", format, width, height, planes, timestampUs };
  };
  return { slot, timestampUs, read };
}

function checkAccessUnit({ byteSize }: FrameMessage, slotBytes: number): void {
  const most = Math.min(slotBytes, ACCESS_UNIT_BYTES_MAX);
  if (byteSize === 0 || byteSize > most) {
    fail(`access unit has ${byteSize} bytes, not 1 to ${most}`);
  }
}

function checkSide(name: string, pixels: number): void {
  if (pixels === 0 || pixels % 2 !== 0 || pixels > FRAME_SIDE_MAX) {
    fail(`${name} is ${pixels}, which is not an even number from 2 to ${FRAME_SIDE_MAX}`);
  }
}

/** Position of a plane in its slot, in bytes. */
interface Span extends SlotPart {
  readonly strideBytes: number;
}

function spanOf(
  message: FrameMessage,
  part: { index: number; rowBytes: number; rows: number; slotBytes: number },
): Span {
  const { index, rowBytes, rows, slotBytes } = part;
  const { offset, strideBytes } = message.planes[index] ?? { offset: 0, strideBytes: 0 };
  if (strideBytes < rowBytes) {
    fail(`plane ${index} has a stride of ${strideBytes} bytes, but a row has ${rowBytes}`);
  }
  const byteLength = strideBytes * (rows - 1) + rowBytes;
  if (offset + byteLength > slotBytes) {
    fail(`plane ${index} ends at byte ${offset + byteLength} of a slot of ${slotBytes}`);
  }
  return { offset, byteLength, strideBytes };
}

function fail(why: string): never {
  throw new BridgeViolation(`a picture's ${why}`);
}
