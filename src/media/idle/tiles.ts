import {
  avGetPixFmtName,
  FFmpegError,
  type FilterContext,
  FilterGraph,
  type FormatContext,
  Frame,
  Packet,
  type Stream,
} from "node-av/lib";
import { AV_FRAME_DATA_DISPLAYMATRIX, AV_NOPTS_VALUE, type AVPixelFormat } from "node-av/constants";
import { readHeifPicture, type TileGrid } from "./heif.ts";
import { IDLE_TILE_PIXELS_MAX, IDLE_TILES_MAX } from "./limits.ts";
import { ORIENTATION_BYTES, orientationMatrix } from "./orientation.ts";

/** Decodes the single picture of a stream from its packet; the caller frees the frame. */
export type DecodeTile = (stream: Stream, packet: Packet) => Promise<Frame>;

/**
 * Reads the tile grid of a HEIF file.
 * @returns `undefined` if the picture is not tiled, or the file is not a HEIF picture.
 * @throws {Error} When the picture is derived in another way than as a grid, or has too many tiles.
 */
export async function readTileGrid(path: string): Promise<TileGrid | undefined> {
  using file = await Deno.open(path);
  const picture = await readHeifPicture(async (offset, length) => {
    await file.seek(offset, Deno.SeekMode.Start);
    const bytes = new Uint8Array(length);
    let read = 0;
    for (let count: number | null = 0; count !== null && read < length; read += count ?? 0) {
      count = await file.read(bytes.subarray(read));
    }
    return bytes.subarray(0, read);
  });
  if (picture === undefined) return undefined;
  const { type, grid } = picture;
  if (type === "iovl" || type === "iden") {
    throw new Error(`its picture is derived from others ("${type}"), which is not supported`);
  }
  if (grid !== undefined && grid.tiles.length > IDLE_TILES_MAX) {
    throw new Error(`its picture has ${grid.tiles.length} tiles, more than ${IDLE_TILES_MAX}`);
  }
  return grid;
}

/**
 * Decodes the tiles of a picture and joins them.
 * @returns The whole picture with its display matrix; the caller frees it.
 * @throws {Error} When a tile is missing, or cannot be decoded.
 */
export async function decodeTiles(
  input: FormatContext,
  { grid, decode }: { grid: TileGrid; decode: DecodeTile },
): Promise<Frame> {
  const tiles = new Map<number, Frame>();
  const streams = new Map(input.streams.map((stream) => [stream.id, stream]));
  checkTiles(grid, streams);
  using packet = new Packet();
  packet.alloc();
  try {
    const missing = new Set(grid.tiles);
    while (missing.size > 0) {
      if (await input.readFrame(packet) < 0) throw new Error(`${missing.size} tiles are missing`);
      const stream = input.streams[packet.streamIndex];
      if (stream !== undefined && missing.delete(stream.id)) {
        tiles.set(stream.id, await decode(stream, packet));
      }
      packet.unref();
    }
    const whole = await joinTiles(grid, grid.tiles.map((id) => tiles.get(id)));
    const matrix = orientationMatrix(grid);
    whole.newSideData(AV_FRAME_DATA_DISPLAYMATRIX, ORIENTATION_BYTES).set(matrix);
    return whole;
  } finally {
    for (const tile of tiles.values()) tile.free();
  }
}

function checkTiles({ tiles }: TileGrid, streams: ReadonlyMap<number, Stream>): void {
  let pixels = 0;
  for (const id of new Set(tiles)) {
    const stream = streams.get(id);
    if (stream === undefined) throw new Error("a tile of its picture is missing");
    pixels += stream.codecpar.width * stream.codecpar.height;
  }
  if (pixels > IDLE_TILE_PIXELS_MAX) {
    throw new Error(`its tiles have ${pixels} pixels, more than ${IDLE_TILE_PIXELS_MAX}`);
  }
}

async function joinTiles(grid: TileGrid, tiles: readonly (Frame | undefined)[]): Promise<Frame> {
  const [first] = tiles;
  if (first === undefined) throw new Error("its picture has no tiles");
  const graph = new FilterGraph();
  const whole = new Frame();
  whole.alloc();
  try {
    graph.alloc();
    graph.nbThreads = 1;
    check(graph.parse2(describeJoin(grid, first)));
    check(await graph.config());
    const filters = graph.filters ?? [];
    const inputs = filters.filter(({ filter }) => filter?.name === "buffer");
    const output = filters.find(({ filter }) => filter?.name === "buffersink");
    for (const [index, tile] of tiles.entries()) await feed(inputs[index], tile);
    check(await output?.buffersinkGetFrame(whole) ?? -1);
    whole.colorTrc = first.colorTrc;
    whole.colorPrimaries = first.colorPrimaries;
    return whole;
  } catch (error) {
    whole.free();
    throw error;
  } finally {
    graph.free();
  }
}

/** The filters that join tiles, in FFmpeg's syntax. */
function describeJoin({ tiles, columns, width, height }: TileGrid, tile: Frame): string {
  const format = avGetPixFmtName(tile.format as AVPixelFormat) ?? "";
  const buffer = `buffer=video_size=${tile.width}x${tile.height}:pix_fmt=${format}:time_base=1/1` +
    `:colorspace=${tile.colorSpace}:range=${tile.colorRange}`;
  const places = tiles.map((_, index) =>
    `${(index % columns) * tile.width}_${Math.floor(index / columns) * tile.height}`
  );
  const joined = tiles.map((_, index) => `[t${index}]`).join("");
  const stack = tiles.length === 1
    ? `${joined}null`
    : `${joined}xstack=inputs=${tiles.length}:layout=${places.join("|")}`;
  const sources = tiles.map((_, index) => `${buffer}[t${index}]`);
  return [...sources, `${stack},crop=${width}:${height}:0:0,buffersink`].join(";");
}

async function feed(input: FilterContext | undefined, tile: Frame | undefined): Promise<void> {
  if (input === undefined || tile === undefined) {
    throw new Error("a tile of its picture is missing");
  }
  // A tile may be used more than once, and a filter unreferences its input.
  const copy = tile.clone();
  if (copy === null) throw new Error("its tiles cannot be joined (no memory)");
  copy.pts = 0n;
  copy.pktDts = AV_NOPTS_VALUE;
  try {
    check(await input.buffersrcAddFrame(copy));
    check(await input.buffersrcAddFrame(null));
  } finally {
    copy.free();
  }
}

function check(status: number): void {
  if (status < 0) {
    throw new Error(`its tiles cannot be joined (${FFmpegError.strerror(status)})`);
  }
}
