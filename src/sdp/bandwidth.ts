import { quote } from "../base/quote.ts";
import type { SdpLevel } from "./levels.ts";
import { type Bandwidth, SdpError } from "./model.ts";

/**
 * The limits of the session level or a media section. Other types, such as those for RTCP, are ignored.
 * @throws {SdpError} If a value is not an integer, or is 0.
 */
export function parseBandwidth({ lines }: SdpLevel): Bandwidth[] {
  return lines.flatMap((line) => {
    const [, type, value = ""] = /^b=(AS|TIAS):(.*)$/.exec(line) ?? [];
    if (type !== "AS" && type !== "TIAS") return [];
    const unit = type === "AS" ? "kbit/s" : "bit/s";
    if (!/^\d{1,15}$/.test(value)) {
      throw new SdpError(`Offer's b=${type} is not a whole number of ${unit}: ${quote(value)}`);
    }
    const kbps = type === "AS" ? Number(value) : Number(value) / 1000;
    if (kbps < 1) {
      const least = type === "AS" ? 1 : 1000;
      throw new SdpError(
        `Offer's b=${type}:${value} is too little for any video; leave it out, or give ${least} ${unit} or more`,
      );
    }
    return [{ type, kbps }];
  });
}
