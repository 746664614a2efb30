import assert from "assert";
import { explainAddonError } from "../../src/media/addon_problem.ts";
import { runSelfTest } from "../../src/self_test/run_steps.ts";
import type { Step } from "../../src/self_test/steps.ts";

/** As node-av writes it. */
function addonError(detail: string): Error {
  return new Error(
    `Could not load the node-av native binding for linux-x64.\nErrors:\n  ${detail}\n\n`,
  );
}

Deno.test("explainAddonError: what the loader writes becomes a reason and a fix", () => {
  const so = "node-av.node: ";
  const cases: readonly [detail: string, reason: RegExp, fix: RegExp][] = [
    ['NotCapable: Requires ffi access to "/x"', /may not load/, /--allow-ffi/],
    [`${so}failed to map segment from shared object`, /noexec/, /CACHE_DIRECTORY.*TMPDIR/],
    ["No space left on device (os error 28)", /no space/, /Make room/],
    ["Permission denied (os error 13)", /cannot be unpacked/, /TMPDIR/],
    ["Read-only file system (os error 30)", /cannot be unpacked/, /TMPDIR/],
    ["libc.so.6: version `GLIBC_2.38' not found", /older than it needs/, /newer release/],
    [`${so}file too short`, /damaged/, /Remove the unpacked folder/],
    ["something else", /^something else$/, /Copy the executable again/],
  ];
  for (const [detail, reason, fix] of cases) {
    const problem = explainAddonError(addonError(detail));
    assert.match(problem?.reason ?? "", reason);
    assert.match(problem?.fix ?? "", fix);
  }
  assert.equal(explainAddonError(new Error("No h264 encoder")), undefined);
  assert.equal(explainAddonError("Could not load the node-av native binding"), undefined);
});

function step(check: string, run: Step["run"], more: Partial<Step> = {}): Step {
  return { check, fix: `Mend ${check}`, run, ...more };
}

Deno.test("runSelfTest: a step that fails or hangs does not keep the others from running", async () => {
  const never = Promise.withResolvers<never>();
  const steps = [
    step("addon", () => Promise.reject(new Error("first line\nsecond line"))),
    step("codec", () => Promise.resolve({ text: "not run" }), { needsAddon: true }),
    step("hung", () => never.promise),
    step("net", () => Promise.reject(new Error('Requires net access to "127.0.0.1:0"'))),
    step("last", () => Promise.resolve({ text: "works" })),
  ];
  const results = await Array.fromAsync(runSelfTest({ steps, stepMsMax: 50 }));
  assert.deepEqual(results.map(({ status, text, fix }) => [status, text, fix]), [
    ["failed", "first line", "Mend addon"],
    ["skipped", "It needs the addon", undefined],
    ["failed", "It did not end within 0.05 s", "Mend hung"],
    [
      "failed",
      'Requires net access to "127.0.0.1:0"',
      "Give Deno --allow-net, as the task `start` in deno.json does",
    ],
    ["ok", "works", undefined],
  ]);
});
