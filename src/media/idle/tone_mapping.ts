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

/** Colour primaries and transfer of a picture (ITU-T H.273 §8.1 and §8.2). */
export type LightTags = Pick<Frame, "colorPrimaries" | "colorTrc">;

/** Reference white of HDR pictures, in cd/m² (ITU-R BT.2408); mapped to the white of SDR. */
const HDR_WHITE = 203;

/** Values above this fraction of white are compressed into the rest of the range; darker ones are unchanged. */
const KNEE = 0.9;

/** Name of sRGB (IEC 61966-2-1) in zscale. */
const SRGB = "iec61966-2-1";

const HDR: ReadonlySet<AVColorTransferCharacteristic> = new Set([
  AVCOL_TRC_SMPTE2084,
  AVCOL_TRC_ARIB_STD_B67,
]);

/** Primaries whose colours would look pale if they were shown as BT.709. */
const WIDE: ReadonlySet<AVColorPrimaries> = new Set([
  AVCOL_PRI_BT2020,
  AVCOL_PRI_SMPTE431,
  AVCOL_PRI_SMPTE432,
]);

/**
 * The filters that convert HDR (PQ and HLG, ITU-R BT.2100) and wide colour gamuts to sRGB, as browsers do. They
 * compute in linear light, with 32-bit floats.
 * @returns FFmpeg filters with input `gbrp16le` and output `gbrp`; none if nothing needs to change.
 */
export function lightFilters({ colorPrimaries, colorTrc }: LightTags): string[] {
  const isHdr = HDR.has(colorTrc);
  const primaries = isHdr && colorPrimaries === AVCOL_PRI_UNSPECIFIED
    ? AVCOL_PRI_BT2020
    : colorPrimaries;
  if (!isHdr && !WIDE.has(primaries)) return [];
  const transfer = colorTrc === AVCOL_TRC_UNSPECIFIED ? SRGB : colorTrc;
  return [
    // Approximate curves ignore luminance in HLG's system gamma, and colours become too strong.
    `zscale=tin=${transfer}:pin=${primaries}:min=gbr:rin=full:t=linear:npl=${HDR_WHITE}:agamma=0`,
    "format=gbrpf32le",
    "zscale=p=bt709",
    ...(isHdr ? [`tonemap=mobius:param=${KNEE}:desat=0`] : []),
    `zscale=t=${isHdr ? SRGB : transfer}:r=full:agamma=0`,
    "format=gbrp",
  ];
}
