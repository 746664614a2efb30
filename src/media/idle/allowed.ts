import type { Codec } from "node-av/lib";

/**
 * What idle pictures may be, by FFmpeg's names. FFmpeg reads hundreds of formats, among them playlists and vector
 * pictures that name other files, and decoders that few have looked at: these are what cameras, phones and editors write.
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

/** For FFmpeg's option `codec_whitelist`: what may be opened to learn what streams are. */
export const CODEC_WHITELIST: string = [...DECODERS].join(",");

/** Whether idle pictures may be decoded by this. */
export function isAllowed(codec: Codec): boolean {
  return DECODERS.has(codec.name ?? "");
}
