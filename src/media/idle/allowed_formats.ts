import type { Codec } from "node-av/lib";

/**
 * Formats of idle pictures, by FFmpeg's names. FFmpeg supports hundreds of formats, including playlists and vector
 * graphics that refer to other files, and rarely reviewed decoders. These are the ones that cameras, phones and
 * editors write.
 */
const FORMATS = [
  ...["image2", "png_pipe", "jpeg_pipe", "webp_pipe", "bmp_pipe", "tiff_pipe", "jpegxl_pipe"],
  ...["apng", "gif", "webp_anim", "jpegxl_anim"],
  ...["mov", "matroska", "avi", "flv", "asf", "mpegts", "mpeg", "mpegvideo", "ogg", "ivf", "nut"],
  ...["h264", "hevc", "obu", "m4v", "mjpeg", "yuv4mpegpipe", "mxf"],
];

const DECODERS: ReadonlySet<string> = new Set([
  ...["png", "apng", "mjpeg", "gif", "webp", "webp_anim", "bmp", "tiff", "libjxl", "libjxl_anim"],
  ...["h264", "hevc", "vvc", "av1", "libdav1d", "vp8", "vp9", "libvpx", "libvpx-vp9", "theora"],
  ...[
    "mpeg1video",
    "mpeg2video",
    "mpegvideo",
    "mpeg4",
    "h263",
    "flv",
    "vp3",
    "vp6",
    "vp6a",
    "vp6f",
  ],
  ...["msmpeg4v1", "msmpeg4v2", "msmpeg4", "wmv1", "wmv2", "wmv3", "vc1", "dvvideo"],
  ...["prores", "dnxhd", "ffv1", "qtrle", "rawvideo", "wrapped_avframe"],
]);

/** For FFmpeg's option `format_whitelist`. */
export const FORMAT_WHITELIST: string = FORMATS.join(",");

/** For FFmpeg's option `codec_whitelist`: the decoders that may be opened to probe streams. */
export const CODEC_WHITELIST: string = [...DECODERS].join(",");

/** Whether idle pictures may be decoded with this codec. */
export function isAllowed(codec: Codec): boolean {
  return DECODERS.has(codec.name ?? "");
}
