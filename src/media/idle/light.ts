import type { Frame } from "node-av/lib";
import {
  AVCOL_PRI_BT2020,
  AVCOL_PRI_SMPTE431,
  AVCOL_PRI_SMPTE432,
  AVCOL_PRI_UNSPECIFIED,
  AVCOL_TRC_ARIB_STD_B67,
  AVCOL_TRC_SMPTE2084,
  AVCOL_TRC_UNSPECIFIED,
  type AVColorPrimaries,
  type AVColorTransferCharacteristic,
} from "node-av/constants";

/** How a picture says what its numbers mean as light (ITU-T H.273 §8.1 and §8.2). */
export type LightTags = Pick<Frame, "colorPrimaries" | "colorTrc">;

/** Light of white paper in HDR pictures, in cd/m² (ITU-R BT.2408): it becomes the white of SDR. */
const HDR_WHITE = 203;

/** What is brighter than this part of white is pressed into the rest, and what is darker stays as it is. */
const KNEE = 0.9;

/** sRGB (IEC 61966-2-1), by its name in zscale. */
const SRGB = "iec61966-2-1";

const HDR: ReadonlySet<AVColorTransferCharacteristic> = new Set([
  AVCOL_TRC_SMPTE2084,
  AVCOL_TRC_ARIB_STD_B67,
]);

/** Primaries whose colours look pale when they are shown as those of BT.709. */
const WIDE: ReadonlySet<AVColorPrimaries> = new Set([
  AVCOL_PRI_BT2020,
  AVCOL_PRI_SMPTE431,
  AVCOL_PRI_SMPTE432,
]);

/**
 * The filters that bring HDR (PQ and HLG, ITU-R BT.2100) and wide colours to those of sRGB, as browsers show them. They
 * compute in light, with 32-bit floats.
 * @returns FFmpeg's filters, which need a picture in `gbrp16le` and make one in `gbrp`; none where they would change nothing.
 */
export function lightFilters({ colorPrimaries, colorTrc }: LightTags): string[] {
  const isHdr = HDR.has(colorTrc);
  const primaries = isHdr && colorPrimaries === AVCOL_PRI_UNSPECIFIED
    ? AVCOL_PRI_BT2020
    : colorPrimaries;
  if (!isHdr && !WIDE.has(primaries)) return [];
  const transfer = colorTrc === AVCOL_TRC_UNSPECIFIED ? SRGB : colorTrc;
  return [
    // Approximate curves leave the luminance out of HLG's system gamma, and colours become too strong.
    `zscale=tin=${transfer}:pin=${primaries}:min=gbr:rin=full:t=linear:npl=${HDR_WHITE}:agamma=0`,
    "format=gbrpf32le",
    "zscale=p=bt709",
    ...(isHdr ? [`tonemap=mobius:param=${KNEE}:desat=0`] : []),
    `zscale=t=${isHdr ? SRGB : transfer}:r=full:agamma=0`,
    "format=gbrp",
  ];
}
