import assert from "assert";
import type { Verdict } from "../../../src/renderer/conformance/verdict.ts";

/** Holds a verdict to a level and a text. */
export function assertVerdict(
  verdict: Verdict | undefined,
  { level, text }: { level: Verdict["level"]; text: RegExp },
): void {
  assert.equal(verdict?.level, level, verdict?.text);
  assert.match(verdict?.text ?? "", text);
}
