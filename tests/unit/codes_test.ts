import assert from "assert";
import {
  END_REASONS,
  ERROR_CODE_NAMES,
  ERROR_CODES,
  type ErrorCodeInfo,
} from "../../src/base/codes.ts";
import { METRICS } from "../../src/app/metrics.ts";
import { CODE_OF_CLOSE, FATAL_CODES, SERVER_WORDS } from "../../src/viewer/pinhole/codes.js";
import { isFatal, serverProblem } from "../../src/viewer/pinhole/problems.js";
import { formatViewerTypes } from "../support/documents/viewer_codes.ts";

Deno.test("ERROR_CODES: each close code stands for one of its codes where no message came", () => {
  const infos: ErrorCodeInfo[] = Object.values(ERROR_CODES);
  for (const closeCode of new Set(infos.map((info) => info.closeCode))) {
    const defaults = infos.filter((info) => info.closeCode === closeCode && info.isCloseDefault);
    assert.equal(defaults.length, 1, `${closeCode}`);
  }
});

Deno.test("ERROR_CODES: the browser client knows every one of them as the server does", () => {
  for (const code of ERROR_CODE_NAMES) {
    const info: ErrorCodeInfo = ERROR_CODES[code];
    const problem = serverProblem(code, undefined);
    assert.equal(problem.message, info.words);
    assert.equal(isFatal(problem), info.isFatal ?? false, code);
    if (info.isCloseDefault) assert.equal(CODE_OF_CLOSE[info.closeCode], code);
  }
  assert.deepEqual(Object.keys(SERVER_WORDS), ERROR_CODE_NAMES);
  assert.ok(FATAL_CODES.every((code) => code in ERROR_CODES));
});

Deno.test("formatViewerTypes: declares exactly the codes of the server", async () => {
  const file = new URL("../../src/viewer/pinhole.d.ts", import.meta.url);
  const found = await Deno.readTextFile(file);
  const stale = found.replace('  | "too_many_offers"\n', '  | "gone"\n');
  assert.notEqual(stale, found);
  assert.equal(formatViewerTypes(stale), found);
  assert.throws(() => formatViewerTypes("export type Other = 1;"), Error);
});

Deno.test("METRICS: reasons and codes are those that clients are told", () => {
  assert.deepEqual(METRICS.viewers_refused_total.labels.code, ERROR_CODE_NAMES);
  assert.deepEqual(METRICS.viewers_ended_total.labels.reason, END_REASONS);
});
