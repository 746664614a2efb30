import { sendExtensionId } from "../../sdp/answer.ts";
import type { OfferMedia } from "../../sdp/model.ts";
import { formatPlayoutDelay, type RtpHeaderExtension } from "./rtp.ts";

/**
 * How much later sound is dated than it is, in microseconds. Browsers reckon a picture as shown when they hand it on, but
 * it takes another repaint or two to the screen, while they do know how long sound takes to the loudspeaker. Without
 * this, sound would come early, which people notice sooner than sound that comes late (ITU-R BT.1359: from 45 and 125 ms).
 */
export const SOUND_LATER_US = 20_000;

/** The header extension that says how long a player may hold a picture back. */
export const PLAYOUT_DELAY_URI = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";

/** How long a player may hold a picture back that goes with sound, in milliseconds: what Chromium allows of itself. */
const HELD_BACK_MS_MAX = 10_000;

/**
 * Asks for each picture to be shown as soon as it is decoded. Only without sound: a player that may not delay the
 * pictures cannot hold them in step with the sound, which it has to buffer (measured: 330 ms apart instead of 20).
 */
export function renderAtOnce(media: OfferMedia): readonly RtpHeaderExtension[] {
  const id = sendExtensionId(media, PLAYOUT_DELAY_URI);
  return id === undefined ? [] : [{ id, data: formatPlayoutDelay({ minMs: 0, maxMs: 0 }) }];
}

/** Takes {@link renderAtOnce} back, for sound that begins later: a player goes by the latest that it was told. */
export function renderInStep(media: OfferMedia): readonly RtpHeaderExtension[] {
  const id = sendExtensionId(media, PLAYOUT_DELAY_URI);
  const delay = { minMs: 0, maxMs: HELD_BACK_MS_MAX };
  return id === undefined ? [] : [{ id, data: formatPlayoutDelay(delay) }];
}
