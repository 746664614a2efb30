/** How many bytes of a file {@link readImageSize} needs: in photos the size follows a preview of 64 KiB at most. */
export const IMAGE_HEAD_BYTES = 80 * 1024;

/** Width and height in pixels, from a file's header. */
export interface ClaimedSize {
  readonly width: number;
  readonly height: number;
}

const LITTLE_ENDIAN = true;

/** Size of the shortest header below. */
const HEAD_BYTES_MIN = 30;

/** Signatures of formats, and readers of their sizes. */
const READERS: readonly {
  readonly begins: readonly (number | undefined)[];
  readonly read: (head: DataView) => ClaimedSize | undefined;
}[] = [
  { begins: [0x89, ...letters("PNG\r\n")], read: readPng },
  { begins: letters("GIF8"), read: readGif },
  { begins: letters("BM"), read: readBmp },
  { begins: [...letters("RIFF"), , , , , ...letters("WEBPVP8X")], read: readWebp },
  { begins: [0xff, 0xd8, 0xff], read: readJpeg },
];

/**
 * Reads the size of an image from its header. FFmpeg would decode the image and allocate memory for all its pixels.
 * @returns `undefined` for other files, and if the size is beyond `head`.
 */
export function readImageSize(head: Uint8Array): ClaimedSize | undefined {
  if (head.byteLength < HEAD_BYTES_MIN) return undefined;
  const reader = READERS.find(({ begins }) =>
    begins.every((byte, index) => byte === undefined || head[index] === byte)
  );
  return reader?.read(new DataView(head.buffer, head.byteOffset, head.byteLength));
}

function letters(word: string): number[] {
  return [...new TextEncoder().encode(word)];
}

function readPng(head: DataView): ClaimedSize {
  return { width: head.getUint32(16), height: head.getUint32(20) };
}

function readGif(head: DataView): ClaimedSize {
  return { width: head.getUint16(6, LITTLE_ENDIAN), height: head.getUint16(8, LITTLE_ENDIAN) };
}

/** A negative height means that the rows go from top to bottom. */
function readBmp(head: DataView): ClaimedSize {
  const [width, height] = [head.getInt32(18, LITTLE_ENDIAN), head.getInt32(22, LITTLE_ENDIAN)];
  return { width: Math.abs(width), height: Math.abs(height) };
}

/** Width and height minus one, 24 bits each. */
function readWebp(head: DataView): ClaimedSize {
  const side = (at: number) =>
    1 + (head.getUint16(at, LITTLE_ENDIAN) | head.getUint8(at + 2) << 16);
  return { width: side(24), height: side(27) };
}

/** The size is in the frame header (SOF), after other segments (ITU-T T.81 §B.1 and §B.2.2). */
function readJpeg(head: DataView): ClaimedSize | undefined {
  for (let at = 2; at + 9 <= head.byteLength;) {
    if (head.getUint8(at) !== 0xff) return undefined;
    const marker = head.getUint8(at + 1);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { height: head.getUint16(at + 5), width: head.getUint16(at + 7) };
    at += 2 + head.getUint16(at + 2);
  }
  return undefined;
}
