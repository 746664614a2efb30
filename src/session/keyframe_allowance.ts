import type { TokenRate } from "../base/token_bucket.ts";

/**
 * How many keyframes one viewer may cost the others. Losses come in bursts, and one may take a second request: three at
 * once may be needed. Then one in 5 s: a keyframe takes up to a quarter of a second of the rate from all who are sent the
 * same, so that a viewer who always asks costs the others 5 % of it.
 */
export const KEYFRAME_ALLOWANCE: TokenRate = { perSecond: 1 / 5, burst: 3 };
