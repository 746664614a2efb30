import assert from "assert";
import { VIEWER_ASSETS } from "../../src/viewer/assets.ts";

const REFERENCE = /(?:\bfrom |\bimport\(|\bhref=|\bsrc=)"([^"]+)"/g;

Deno.test("VIEWER_ASSETS: holds everything that its files refer to", () => {
  let references = 0;
  for (const [path, { body, type }] of VIEWER_ASSETS) {
    if (type.startsWith("application/typescript")) continue;
    for (const [, reference] of body.matchAll(REFERENCE)) {
      const { pathname, origin } = new URL(reference ?? "", `http://viewer.test${path}`);
      assert.equal(origin, "http://viewer.test", `${path} refers to ${reference}`);
      assert.ok(VIEWER_ASSETS.has(pathname), `${path} refers to ${reference}`);
      references++;
    }
  }
  assert.ok(references > 12, `only ${references} references were found`);
});

Deno.test("VIEWER_ASSETS: suits a content policy without inline code", () => {
  const page = VIEWER_ASSETS.get("/")?.body ?? "";
  assert.match(page, /^<!doctype html>/);
  assert.doesNotMatch(page, /<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=|javascript:/i);
});
