import { createHash } from "node:crypto";
import bundledPathCheck from "./bundle/path_check.js" with { type: "text" };
import bundledClient from "./bundle/pinhole.js" with { type: "text" };
import bundledElement from "./bundle/pinhole_player.js" with { type: "text" };
import types from "./pinhole.d.ts" with { type: "text" };
import client from "./pinhole.js" with { type: "text" };
import elementTypes from "./pinhole_player.d.ts" with { type: "text" };
import element from "./pinhole_player.js" with { type: "text" };
import backoff from "./pinhole/backoff.js" with { type: "text" };
import codes from "./pinhole/codes.js" with { type: "text" };
import firstPicture from "./pinhole/first_picture.js" with { type: "text" };
import hostPort from "./pinhole/host_port.js" with { type: "text" };
import home from "./pinhole/home.js" with { type: "text" };
import input from "./pinhole/input.js" with { type: "text" };
import media from "./pinhole/media.js" with { type: "text" };
import pathCheck from "./pinhole/path_check.js" with { type: "text" };
import pathFindings from "./pinhole/path_findings.js" with { type: "text" };
import pathProbe from "./pinhole/path_probe.js" with { type: "text" };
import pathRequests from "./pinhole/path_requests.js" with { type: "text" };
import pathVerdict from "./pinhole/path_verdict.js" with { type: "text" };
import playback from "./pinhole/playback.js" with { type: "text" };
import keepalive from "./pinhole/keepalive.js" with { type: "text" };
import problems from "./pinhole/problems.js" with { type: "text" };
import signalling from "./pinhole/signalling.js" with { type: "text" };
import stats from "./pinhole/stats.js" with { type: "text" };
import trial from "./pinhole/trial.js" with { type: "text" };

/** The source of the browser client, by path relative to its folder, for people to read, copy and bundle. */
export const CLIENT_SOURCES: ReadonlyMap<string, string> = new Map([
  ["pinhole.d.ts", types],
  ["pinhole.js", client],
  ["pinhole/backoff.js", backoff],
  ["pinhole/codes.js", codes],
  ["pinhole/first_picture.js", firstPicture],
  ["pinhole/home.js", home],
  ["pinhole/host_port.js", hostPort],
  ["pinhole/input.js", input],
  ["pinhole/keepalive.js", keepalive],
  ["pinhole/media.js", media],
  ["pinhole/path_check.js", pathCheck],
  ["pinhole/path_findings.js", pathFindings],
  ["pinhole/path_probe.js", pathProbe],
  ["pinhole/path_requests.js", pathRequests],
  ["pinhole/path_verdict.js", pathVerdict],
  ["pinhole/playback.js", playback],
  ["pinhole/problems.js", problems],
  ["pinhole/signalling.js", signalling],
  ["pinhole/stats.js", stats],
  ["pinhole/trial.js", trial],
  ["pinhole_player.d.ts", elementTypes],
  ["pinhole_player.js", element],
]);

/** Bundles that contain a module with its imports, by the module's path, made by `deno task generate`. */
const BUNDLES: ReadonlyMap<string, string> = new Map([
  ["pinhole.js", bundledClient],
  ["pinhole_player.js", bundledElement],
  ["pinhole/path_check.js", bundledPathCheck],
]);

/** First line of a bundle, with its sources and their hash. */
const BUNDLE_HEAD = /^\/\/ .* Made from (.+) \(([\w-]+)\)\.\n/;

/**
 * The browser client as served, by path: the bundles, and the source of other modules. If a module was edited since,
 * its source replaces its bundle, so a restart of the server shows the edit.
 */
export const CLIENT_FILES: ReadonlyMap<string, string> = new Map(
  Array.from(
    CLIENT_SOURCES,
    ([path, source]) => [path, pickBundle(path, CLIENT_SOURCES) ?? source],
  ),
);

/**
 * The bundle for a path, if it was made from exactly these sources.
 * @param sources Texts by path.
 */
export function pickBundle(
  path: string,
  sources: ReadonlyMap<string, string>,
): string | undefined {
  const bundle = BUNDLES.get(path);
  const [, names = "", digest] = BUNDLE_HEAD.exec(bundle ?? "") ?? [];
  const hash = createHash("sha256");
  for (const name of names.split(" ")) hash.update(sources.get(name) ?? "");
  return hash.digest("base64url").slice(0, 22) === digest ? bundle : undefined;
}
