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
