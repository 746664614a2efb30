import { CLIENT_FILES } from "./client.ts";
import icon from "./icon.svg" with { type: "text" };
import page from "./index.html" with { type: "text" };
import pageStyle from "./page.css" with { type: "text" };
import pageScript from "./page.js" with { type: "text" };
import dom from "./page/dom.js" with { type: "text" };
import figuresStyle from "./page/figures.css" with { type: "text" };
import layersStyle from "./page/layers.css" with { type: "text" };
import pathStyle from "./page/path_check.css" with { type: "text" };
import pathView from "./page/path_check.js" with { type: "text" };
import plot from "./page/plot.js" with { type: "text" };
import stageStyle from "./page/stage.css" with { type: "text" };
import words from "./page/words.js" with { type: "text" };
import statusPage from "./status.html" with { type: "text" };
import statusServer from "./status/server.js" with { type: "text" };
import statusStyle from "./status/status.css" with { type: "text" };
import statusScript from "./status/status.js" with { type: "text" };
import statusTable from "./status/table.js" with { type: "text" };
import statusWords from "./status/words.js" with { type: "text" };

/** One file that the server serves unchanged. */
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

const STATUS_LINK = '<nav><a href="status">Server status</a></nav>';

/** Files that both pages use. */
const SHARED: readonly (readonly [path: string, asset: ViewerAsset])[] = [
  ["/icon.svg", { type: SVG, body: icon }],
  ["/page.css", { type: STYLE, body: pageStyle }],
  ["/page/dom.js", { type: SCRIPT, body: dom }],
  ["/page/figures.css", { type: STYLE, body: figuresStyle }],
  ["/page/layers.css", { type: STYLE, body: layersStyle }],
  ["/page/plot.js", { type: SCRIPT, body: plot }],
];

/** The browser client, for this page and those of other sites. */
const CLIENT = Array.from(CLIENT_FILES, ([path, body]): [path: string, asset: ViewerAsset] => [
  `/${path}`,
  { type: path.endsWith(".d.ts") ? TYPES : SCRIPT, body },
]);

/**
 * The viewer page and the browser client by URL path. The scripts import each other by relative path. They load
 * nothing from elsewhere and have no inline script or style, so a content security policy of `'self'` fits them.
 */
export const VIEWER_ASSETS: ReadonlyMap<string, ViewerAsset> = new Map([
  ...SHARED,
  ["/", { type: HTML, body: page }],
  ["/page.js", { type: SCRIPT, body: pageScript }],
  ["/page/path_check.css", { type: STYLE, body: pathStyle }],
  ["/page/path_check.js", { type: SCRIPT, body: pathView }],
  ["/page/stage.css", { type: STYLE, body: stageStyle }],
  ["/page/words.js", { type: SCRIPT, body: words }],
  ...CLIENT,
]);

/** The status page by URL path, with the same guarantees as {@link VIEWER_ASSETS}. */
export const STATUS_ASSETS: ReadonlyMap<string, ViewerAsset> = new Map([
  ...SHARED,
  ["/status", { type: HTML, body: statusPage }],
  ["/status/server.js", { type: SCRIPT, body: statusServer }],
  ["/status/status.css", { type: STYLE, body: statusStyle }],
  ["/status/status.js", { type: SCRIPT, body: statusScript }],
  ["/status/table.js", { type: SCRIPT, body: statusTable }],
  ["/status/words.js", { type: SCRIPT, body: statusWords }],
]);

/** Both pages at one address: the viewer page links to the status page. */
export const ALL_ASSETS: ReadonlyMap<string, ViewerAsset> = new Map([
  ...VIEWER_ASSETS,
  ...STATUS_ASSETS,
  ["/", { type: HTML, body: page.replace("<!-- status link -->", STATUS_LINK) }],
]);
