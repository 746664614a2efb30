import { RTP_PACKET_BYTES_MAX } from "../base/limits.ts";
import type { VideoCodec } from "./encoder.ts";
import { packetizeH264 } from "./h264.ts";
import { packetizeVp8 } from "./vp8.ts";

/**
 * RTP header (12 bytes) with one header extension block of up to 12 bytes (RFC 8285 §4.2: 4 bytes of header, 4 of
 * playout delay, 3 of the transport-wide number, and padding).
 */
export const RTP_HEADER_BYTES_MAX = 24;

/** Splits one encoded frame into RTP payloads, the last of which gets the marker bit. */
export type Packetizer = (frame: Uint8Array) => Uint8Array[];

/** Creates a packetizer for one stream. It may keep state between frames, such as VP8's picture id. */
export function createPacketizer(codec: VideoCodec): Packetizer {
  const payloadBytesMax = RTP_PACKET_BYTES_MAX - RTP_HEADER_BYTES_MAX;
  switch (codec) {
    case "h264":
      return (frame) => packetizeH264(frame, { payloadBytesMax });
    case "vp8": {
      let pictureId = Math.floor(Math.random() * 0x8000);
      return (frame) => {
        pictureId = (pictureId + 1) & 0x7fff;
        return packetizeVp8(frame, { payloadBytesMax, pictureId });
      };
    }
  }
}
