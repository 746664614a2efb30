import type { TokenRate } from "../base/token_bucket.ts";

/**
 * How many keyframes one viewer may cause for all viewers of its encoding. Losses come in bursts and may need repeated
 * requests, so three in a burst; then one in 5 s. A keyframe takes up to a quarter of a second of the rate, so a
 * viewer that always requests one costs the others 5 % of theirs.
 */
export const KEYFRAME_ALLOWANCE: TokenRate = { perSecond: 1 / 5, burst: 3 };
