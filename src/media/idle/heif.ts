/** The tiled picture of a HEIF file (HEIC, AVIF): ISO/IEC 23008-12 §6.6.2.3. FFmpeg outputs each tile as a stream. */
export interface TileGrid {
  /** Item ids of the tiles, row by row; FFmpeg's streams have the same ids. */
  readonly tiles: readonly number[];
  readonly columns: number;
  /** Size of the whole picture in pixels; tiles are cropped to it. */
  readonly width: number;
  readonly height: number;
  /** Quarter turns counter-clockwise, applied first. */
  readonly turns: number;
  readonly flip: "none" | "vertical" | "horizontal";
}

/** The first picture of a HEIF file. */
export interface HeifPicture {
  /** Four letters: `hvc1`, `av01`, `grid`, `iovl`, … */
  readonly type: string;
  /** Only for `grid`. */
  readonly grid?: TileGrid;
}

/** Reads bytes of the file; returns fewer at its end. */
export type ReadAt = (offset: number, length: number) => Promise<Uint8Array>;

/** Maximum size of the item description; 10,000 tiles need less. */
const META_BYTES_MAX = 4 * 1024 * 1024;

/** Maximum number of top-level boxes before the description. */
const TOP_BOXES_MAX = 64;

/** Bytes of a box header, with a 32-bit and a 64-bit length. */
const HEAD_BYTES = 8;
const LONG_HEAD_BYTES = 16;

/** Maximum bytes of a grid's data. */
const GRID_BYTES = 12;

/**
 * Reads the type of a file's first picture.
 * @returns `undefined` if the file is not a HEIF picture.
 * @throws {RangeError} When a box exceeds the one that contains it.
 */
export async function readHeifPicture(readAt: ReadAt): Promise<HeifPicture | undefined> {
  const meta = await findMeta(readAt);
  if (meta === undefined) return undefined;
  const items = readItems(meta);
  const type = items.types.get(items.primary);
  if (type === undefined) return undefined;
  if (type !== "grid") return { type };
  const data = await gridData(items, readAt);
  return { type, grid: readGrid(items, data) };
}

/** A part of the file whose fields are read in order. */
class Box {
  readonly type: string;
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(type: string, bytes: Uint8Array) {
    this.type = type;
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.bytes.byteLength - this.#at;
  }

  /** Reads an unsigned number of 0 to 8 bytes. */
  number(length: number): number {
    let value = 0;
    for (let index = 0; index < length; index++) {
      value = value * 256 + this.#view.getUint8(this.#at++);
    }
    return value;
  }

  letters(): string {
    return String.fromCharCode(this.number(1), this.number(1), this.number(1), this.number(1));
  }

  /** Iterates over the boxes in the rest of this one. */
  *boxes(): Generator<Box> {
    while (this.left >= 8) {
      const begin = this.#at;
      const size = this.number(4);
      const type = this.letters();
      const length = size === 1
        ? this.number(8)
        : size === 0
        ? this.bytes.byteLength - begin
        : size;
      const end = begin + length;
      if (end < this.#at || end > this.bytes.byteLength) {
        throw new RangeError(`the box "${type}" exceeds the box that contains it`);
      }
      yield new Box(type, this.bytes.subarray(this.#at, end));
      this.#at = end;
    }
  }
}

async function findMeta(readAt: ReadAt): Promise<Box | undefined> {
  let meta: Box | undefined;
  let offset = 0;
  for (let count = 0; count < TOP_BOXES_MAX; count++) {
    const head = new Box("", await readAt(offset, LONG_HEAD_BYTES));
    if (head.left < HEAD_BYTES) break;
    const size = head.number(4);
    const type = head.letters();
    const isLong = size === 1 && head.left >= 8;
    const length = isLong ? head.number(8) : size;
    const headLength = isLong ? LONG_HEAD_BYTES : HEAD_BYTES;
    // A video, not a picture: FFmpeg handles it.
    if (type === "moov" || (offset === 0 && type !== "ftyp")) return undefined;
    // Length 0: the box extends to the end of the file.
    if (length < headLength) break;
    if (type === "meta") {
      if (length > META_BYTES_MAX) throw new RangeError(`its description has ${length} bytes`);
      meta = new Box(type, await readAt(offset + headLength, length - headLength));
    }
    offset += length;
  }
  return meta;
}

/** Content of a `meta` box. */
interface Items {
  primary: number;
  readonly types: Map<number, string>;
  /** Items from which an item is derived. */
  readonly parts: Map<number, readonly number[]>;
  /** Position of an item's data: in the file, or in `idat`. */
  readonly places: Map<number, { readonly inside: boolean; readonly offset: number }>;
  readonly properties: Box[];
  /** Numbers of an item's properties, from 1, in the order in which they apply. */
  readonly uses: Map<number, readonly number[]>;
  data: Uint8Array | undefined;
}

function readItems(meta: Box): Items {
  const items: Items = {
    primary: 0,
    types: new Map(),
    parts: new Map(),
    places: new Map(),
    properties: [],
    uses: new Map(),
    data: undefined,
  };
  version(meta);
  for (const box of meta.boxes()) {
    if (box.type === "idat") items.data = box.bytes;
    else READERS[box.type]?.(box, items);
  }
  return items;
}

/** Reads the version of a full box and skips its flags. */
function version(box: Box): number {
  const value = box.number(1);
  box.number(3);
  return value;
}

const READERS: Readonly<Record<string, (box: Box, items: Items) => void>> = {
  pitm(box, items) {
    items.primary = box.number(version(box) === 0 ? 2 : 4);
  },
  iinf(box, { types }) {
    box.number(version(box) === 0 ? 2 : 4);
    for (const entry of box.boxes()) {
      const id = entry.type === "infe" ? version(entry) : 0;
      if (id < 2) continue;
      const item = entry.number(id === 2 ? 2 : 4);
      entry.number(2);
      types.set(item, entry.letters());
    }
  },
  iref(box, { parts }) {
    const length = version(box) === 0 ? 2 : 4;
    for (const reference of box.boxes()) {
      if (reference.type !== "dimg") continue;
      const from = reference.number(length);
      const count = reference.number(2);
      parts.set(from, Array.from({ length: count }, () => reference.number(length)));
    }
  },
  iprp(box, { properties, uses }) {
    for (const part of box.boxes()) {
      if (part.type === "ipco") properties.push(...part.boxes());
      else if (part.type === "ipma") readUses(part, uses);
    }
  },
  iloc: readPlaces,
};

function readUses(box: Box, uses: Items["uses"]): void {
  const itemLength = box.number(1) < 1 ? 2 : 4;
  const isWide = (box.number(3) & 1) === 1;
  const count = box.number(4);
  for (let index = 0; index < count; index++) {
    const item = box.number(itemLength);
    const numbers = Array.from(
      { length: box.number(1) },
      () => isWide ? box.number(2) & 0x7fff : box.number(1) & 0x7f,
    );
    uses.set(item, numbers);
  }
}

function readPlaces(box: Box, { places }: Items): void {
  const kind = version(box);
  const [offsets, bases] = [box.number(1), box.number(1)];
  const indexLength = kind === 0 ? 0 : bases & 15;
  const idLength = kind < 2 ? 2 : 4;
  const count = box.number(idLength);
  for (let index = 0; index < count; index++) {
    const item = box.number(idLength);
    const inside = kind > 0 && (box.number(2) & 15) === 1;
    box.number(2);
    const base = box.number(bases >> 4);
    const extents = box.number(2);
    for (let extent = 0; extent < extents; extent++) {
      box.number(indexLength);
      const offset = base + box.number(offsets >> 4);
      box.number(offsets & 15);
      if (extent === 0) places.set(item, { inside, offset });
    }
  }
}

async function gridData({ primary, places, data }: Items, readAt: ReadAt): Promise<Uint8Array> {
  const place = places.get(primary);
  if (place === undefined) throw new RangeError("its grid has no data");
  return place.inside
    ? (data ?? new Uint8Array()).subarray(place.offset)
    : await readAt(place.offset, GRID_BYTES);
}

function readGrid(items: Items, data: Uint8Array): TileGrid {
  const { primary, parts, properties, uses } = items;
  const box = new Box("grid", data);
  box.number(1);
  const length = (box.number(1) & 1) === 0 ? 2 : 4;
  const [rows, columns] = [box.number(1) + 1, box.number(1) + 1];
  const [width, height] = [box.number(length), box.number(length)];
  const tiles = parts.get(primary) ?? [];
  if (tiles.length !== rows * columns) {
    throw new RangeError(`its grid of ${columns}x${rows} has ${tiles.length} tiles`);
  }
  let turns = 0;
  let flip: TileGrid["flip"] = "none";
  for (const number of uses.get(primary) ?? []) {
    const property = properties[number - 1];
    const value = property?.bytes[0] ?? 0;
    if (property?.type === "irot") turns = value & 3;
    // Axis 0 swaps top and bottom (ISO/IEC 23008-12:2022 §6.5.12).
    if (property?.type === "imir") flip = (value & 1) === 0 ? "vertical" : "horizontal";
  }
  return { tiles, columns, width, height, turns, flip };
}
