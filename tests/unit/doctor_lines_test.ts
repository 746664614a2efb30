import assert from "assert";
import { belongTogether, formatCounts, formatResults } from "../../src/cli/result_lines.ts";
import { failed, ok, skipped, warning } from "../../src/doctor/result.ts";

Deno.test("formatResults: a hint that several share is said once, below the last of them", () => {
  const port = (subject: string, fix: string) =>
    failed("udp_port", { subject, text: `${subject} is silent`, fix });
  const results = [port("1", "A"), port("2", "B"), ok("udp_port", "fine", { subject: "3" })];
  const lines = formatResults([...results, port("4", "A")], { isColoured: false });
  assert.deepEqual(lines.map((line) => line.replace(/ +/g, " ")), [
    "failed udp_port 1 1 is silent",
    "failed udp_port 2 2 is silent",
    " -> B",
    "ok udp_port 3 fine",
    "failed udp_port 4 4 is silent",
    " -> A",
  ]);
});

Deno.test("formatResults: columns line up, with colours around the status alone", () => {
  const results = [skipped("webrtc", "x"), warning("clock", { text: "y", fix: "z" })];
  assert.deepEqual(formatResults(results, { isColoured: true }), [
    "\x1b[2mskipped \x1b[0m webrtc                 x",
    "\x1b[33mwarning \x1b[0m clock                  y",
    "         -> z",
  ]);
});

Deno.test("belongTogether: only several of one check wait for each other", () => {
  const [one, two] = ["1", "2"].map((subject) => ok("udp_port", "x", { subject }));
  const other = ok("tcp_port", "x", { subject: "1" });
  const alone = ok("ports", "x");
  assert(one !== undefined && two !== undefined);
  assert.ok(belongTogether(one, two));
  assert.ok(!belongTogether(one, other));
  assert.ok(!belongTogether(alone, ok("ports", "y")));
});

Deno.test("formatCounts: one warning is no plural", () => {
  assert.equal(
    formatCounts({ ok: 3, warning: 1, failed: 0, skipped: 2 }),
    "3 ok, 1 warning, 0 failed, 2 skipped",
  );
});
