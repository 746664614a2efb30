import assert from "assert";
import { parseOutdated } from "../../deploy/build/outdated.ts";

Deno.test("parseOutdated: lists what has a newer version, and nothing else", () => {
  const table = `┌──────────────┬─────────┬────────┬────────┐
│ Package      │ Current │ Update │ Latest │
├──────────────┼─────────┼────────┼────────┤
│ npm:jose     │ 6.2.17  │ 6.2.17 │ 6.2.18 │
├──────────────┼─────────┼────────┼────────┤
│ npm:@a/b (dev) │ 1.0.0 │ 1.0.0  │ 2.0.0  │
├──────────────┼─────────┼────────┼────────┤
│ npm:same     │ 1.0.0   │ 1.0.0  │ 1.0.0  │
└──────────────┴─────────┴────────┴────────┘

Run deno update --latest to update to the latest available versions,
`;
  assert.deepEqual(parseOutdated(table), [
    { name: "npm:jose", current: "6.2.17", latest: "6.2.18" },
    { name: "npm:@a/b", current: "1.0.0", latest: "2.0.0" },
  ]);
  assert.deepEqual(parseOutdated(""), []);
});
