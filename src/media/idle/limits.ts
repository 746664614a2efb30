/**
 * Limit of decoded idle pictures in memory, in bytes. A picture of 1280×720 takes 1.32 MiB, so a loop of ten seconds
 * at 25 pictures per second (330 MiB) fits, and another of half its length. A GPU host has tens of times as much
 * memory.
 */
export const IDLE_MEMORY_BYTES_MAX = 512 * 1024 * 1024;

/**
 * Limit of encoded idle loops in memory, in bytes: half an hour at 300 kbit/s, or three minutes at 3 Mbit/s, for all
 * sessions together.
 */
export const IDLE_LOOP_BYTES_MAX = 64 * 1024 * 1024;

/** Maximum side of a picture, in pixels: twice that of 8K video. */
export const IDLE_SIDE_PIXELS_MAX = 16_384;

/** Maximum pixels of a picture. It is decoded at full size before it is scaled: 256 MiB with four bytes per pixel. */
export const IDLE_PICTURE_PIXELS_MAX = 64 * 1024 * 1024;

/** Maximum images in a folder. Far fewer fit into memory; more means a wrong folder rather than a loop. */
export const IDLE_FOLDER_FILES_MAX = 10_000;

/**
 * If a loop does not fit into memory, every second picture is dropped, repeatedly, but not below this many per second:
 * that would be a slide show, so the loop is cut instead.
 */
export const IDLE_PICTURES_PER_S_MIN = 5;

/**
 * If a picture of a video lasts this long, in microseconds, and {@link IDLE_GAP_INTERVALS_MIN} times as long as the
 * previous one, the timestamps jumped (as after a restart of the recorder) rather than paused.
 */
export const IDLE_GAP_US_MIN = 30_000_000;

/** See {@link IDLE_GAP_US_MIN}: in a slide show, all pictures last equally long, even minutes. */
export const IDLE_GAP_INTERVALS_MIN = 50;

/**
 * Timestamps that go back by more than this, in microseconds, mean that the clock was set; by less, that they are out
 * of order.
 */
export const IDLE_STEP_BACK_US_MIN = 500_000;

/** Maximum tiles of a picture; phones write 48 for 48 megapixels. */
export const IDLE_TILES_MAX = 256;

/** Maximum pixels of all tiles of a picture; the tiles at its edges extend beyond it. */
export const IDLE_TILE_PIXELS_MAX = 96 * 1024 * 1024;

/** Time limit for the first picture of a source, in milliseconds; a file may have endless packets and no picture. */
export const IDLE_FIRST_PICTURE_MS_MAX = 30_000;

/** Time limit for all pictures of a source, in milliseconds; other sources wait meanwhile. */
export const IDLE_DECODE_MS_MAX = 300_000;

/** Maximum pictures of a source: two hours at 25 a second, of which a loop keeps far fewer. */
export const IDLE_SOURCE_PICTURES_MAX = 180_000;
