/**
 * Bytes of decoded idle pictures that are kept at a time. A picture of 1280×720 takes 1.32 MiB, so that a loop of ten
 * seconds at 25 pictures per second (330 MiB) fits with room for a second one of half its length; a GPU host has
 * tens of times as much.
 */
export const IDLE_MEMORY_BYTES_MAX = 512 * 1024 * 1024;

/** Longest side of a picture, in pixels: twice that of 8K video. */
export const IDLE_SIDE_PIXELS_MAX = 16_384;

/** Largest picture. It is decoded at its full size before it is scaled: 256 MiB with four bytes a pixel. */
export const IDLE_PICTURE_PIXELS_MAX = 64 * 1024 * 1024;

/** Images in a folder. Far fewer fit into the memory; the rest is a wrong folder rather than a loop. */
export const IDLE_FOLDER_FILES_MAX = 10_000;

/**
 * A loop that does not fit into the memory gives up every second picture, as often as it takes, but not below this
 * many per second: from there on it would be a slide show, and is cut short instead.
 */
export const IDLE_PICTURES_PER_S_MIN = 5;

/**
 * A picture of a video that stays this long, in microseconds, and {@link IDLE_GAP_INTERVALS_MIN} times as long as the one
 * before is followed by a jump of the file's clock, as recorders make that were restarted, rather than by a pause.
 */
export const IDLE_GAP_US_MIN = 30_000_000;

/** See {@link IDLE_GAP_US_MIN}: of slides that stay for minutes each is as long as the others. */
export const IDLE_GAP_INTERVALS_MIN = 50;

/** Timestamps that go back by more than this, in microseconds, are of a clock that was set; less is disorder. */
export const IDLE_STEP_BACK_US_MIN = 500_000;

/** Tiles of a picture: phones make 48 of 48 megapixels. */
export const IDLE_TILES_MAX = 256;

/** Pixels of all tiles of a picture: those at its edge reach beyond it. */
export const IDLE_TILE_PIXELS_MAX = 96 * 1024 * 1024;

/** Time for the first picture of a source, in milliseconds; a file may have packets without end and no picture. */
export const IDLE_FIRST_PICTURE_MS_MAX = 30_000;

/** Time for all pictures of a source, in milliseconds: others wait behind it. */
export const IDLE_DECODE_MS_MAX = 300_000;

/** Pictures of a source: two hours at 25 a second, of which a loop keeps far fewer. */
export const IDLE_SOURCE_PICTURES_MAX = 180_000;
