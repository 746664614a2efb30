import assert from "assert";
import { CLIENT_FILES, CLIENT_SOURCES, pickBundle } from "../../src/viewer/client.ts";

const PATHS = ["pinhole.js", "pinhole/path_check.js"];

Deno.test("CLIENT_FILES: the client is one module, which loads the path check when it is asked to", () => {
  const [client = "", pathCheck = ""] = PATHS.map((path) => CLIENT_FILES.get(path));
  assert.notEqual(client, CLIENT_SOURCES.get("pinhole.js"), "run: deno task generate");
  assert.doesNotMatch(client, /\bimport\s*[{*"'\w]|\bfrom\s*["']/);
  assert.deepEqual(client.match(/\bimport\([^)]*\)/g), ['import("./pinhole/path_check.js")']);
  const element = CLIENT_FILES.get("pinhole_player.js") ?? "";
  assert.deepEqual([...new Set(element.match(/\bfrom\s*["'][^"']+["']/g))], ['from"./pinhole.js"']);
  assert.doesNotMatch(pathCheck, /\bimport\s*[({*"'\w]|\bfrom\s*["']/);
});

Deno.test("pickBundle: an edited module takes the place of the bundles that it is part of", () => {
  for (const path of PATHS) assert.notEqual(pickBundle(path, CLIENT_SOURCES), undefined);
  const edited = (path: string) =>
    new Map([...CLIENT_SOURCES, [path, `${CLIENT_SOURCES.get(path)}// edited`]]);
  const bundles = (path: string) => PATHS.filter((each) => pickBundle(each, edited(path)));
  assert.deepEqual(bundles("pinhole/media.js"), []);
  assert.deepEqual(bundles("pinhole/playback.js"), ["pinhole/path_check.js"]);
  assert.deepEqual(bundles("pinhole/trial.js"), ["pinhole.js"]);
  assert.equal(pickBundle("pinhole/media.js", CLIENT_SOURCES), undefined);
});
