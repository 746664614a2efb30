import icon from "./icon.svg" with { type: "text" };
import page from "./index.html" with { type: "text" };
import pageStyle from "./page.css" with { type: "text" };
import pageScript from "./page.js" with { type: "text" };
import plot from "./page/plot.js" with { type: "text" };
import words from "./page/words.js" with { type: "text" };
import types from "./pinhole.d.ts" with { type: "text" };
import client from "./pinhole.js" with { type: "text" };
import input from "./pinhole/input.js" with { type: "text" };
import media from "./pinhole/media.js" with { type: "text" };
import playback from "./pinhole/playback.js" with { type: "text" };
import problems from "./pinhole/problems.js" with { type: "text" };
import signalling from "./pinhole/signalling.js" with { type: "text" };
import stats from "./pinhole/stats.js" with { type: "text" };

/** One file that the server hands to browsers as it is. */
export interface ViewerAsset {
  /** Value for `Content-Type`. */
  readonly type: string;
  readonly body: string;
}

const HTML = "text/html; charset=utf-8";
const SCRIPT = "text/javascript; charset=utf-8";
const STYLE = "text/css; charset=utf-8";
const TYPES = "application/typescript; charset=utf-8";
const SVG = "image/svg+xml";

/**
 * The viewer page and the browser client by URL path. Every one of them is needed: the scripts import each other by
 * relative path. They ask for nothing from elsewhere and have no inline script or style, so a content policy of `'self'`
 * fits them.
 */
export const VIEWER_ASSETS: ReadonlyMap<string, ViewerAsset> = new Map([
  ["/", { type: HTML, body: page }],
  ["/icon.svg", { type: SVG, body: icon }],
  ["/page.css", { type: STYLE, body: pageStyle }],
  ["/page.js", { type: SCRIPT, body: pageScript }],
  ["/page/plot.js", { type: SCRIPT, body: plot }],
  ["/page/words.js", { type: SCRIPT, body: words }],
  ["/pinhole.d.ts", { type: TYPES, body: types }],
  ["/pinhole.js", { type: SCRIPT, body: client }],
  ["/pinhole/input.js", { type: SCRIPT, body: input }],
  ["/pinhole/media.js", { type: SCRIPT, body: media }],
  ["/pinhole/playback.js", { type: SCRIPT, body: playback }],
  ["/pinhole/problems.js", { type: SCRIPT, body: problems }],
  ["/pinhole/signalling.js", { type: SCRIPT, body: signalling }],
  ["/pinhole/stats.js", { type: SCRIPT, body: stats }],
]);
