import assert from "assert";
import { formatDefaultConfig } from "../support/documents/config_document.ts";
import { SCHEMA_KEYS } from "../../src/config/keys.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { formatProblem } from "../../src/config/problem.ts";
import { Random } from "../support/random.ts";

/** Right-hand sides, one a line. */
const VALUES = [
  ...String.raw`
    0 1 -1 -0 10111 70000 1e999 nan -inf 1.5 9007199254740991 0x7f true false
    1979-05-27 07:32:00 1979-05-27T07:32:00Z "" "auto" "0.0.0.0:9000" "::" "*"
    "https://a.example" "\u0000" "\U0010ffff" "\u202e|*" [] {} [[[[[[]]]]]] ["*",3,[1]]
    {a.b.c=1} {"__proto__"={x=1},constructor=1}`.trim().split(/\s+/),
  "'''\n'''",
  `"${"long ".repeat(300)}"`,
];

const NAMES = [
  ...String.raw`
    server webrtc webtrc video renderer idle options sources listen port_min port_mni fps
    __proto__ constructor toString "" "." "\u001b[2J" 1`.trim().split(/\s+/),
  `"${"k ".repeat(200)}"`,
];

type Outcome = "accepted" | "not TOML" | "refused";

/** Asserts that the input gives a configuration, or problems that each print as one short line. */
function assertHeld(text: string, env: Record<string, string>, seed: string): Outcome {
  const parsed = parseConfig({ text, fileName: "config.toml", env });
  if ("config" in parsed) return "accepted";
  assert.ok(parsed.problems.length > 0, seed);
  for (const problem of parsed.problems) {
    const line = formatProblem(problem);
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f\u202e]/, seed);
    assert.ok(line.length < 1000, `${seed}: ${line}`);
    assert.match(line, /^(config\.toml|PINHOLE_)/, seed);
  }
  return parsed.problems.some(({ line }) => line !== undefined) ? "not TOML" : "refused";
}

/** One line of TOML: a table's head, a hostile key, or a known key with a hostile value or its default. */
function hostileLine(random: Random): string {
  const path = Array.from({ length: random.between(1, 4) }, () => random.pick(NAMES)).join(".");
  if (random.oneIn(6)) return random.oneIn(3) ? `[[${path}]]` : `[${path}]`;
  if (random.oneIn(4)) return `${path} = ${random.pick(VALUES)}`;
  const { name, spec } = random.pick(SCHEMA_KEYS);
  return `${name} = ${random.oneIn(2) ? random.pick(VALUES) : JSON.stringify(spec.default)}`;
}

Deno.test("parseConfig: thousands of TOML files with hostile keys and values give problems only", () => {
  const outcomes = { accepted: 0, "not TOML": 0, refused: 0 };
  for (let seed = 0; seed < 3000; seed++) {
    const random = new Random(seed);
    const lines = Array.from({ length: random.between(1, 6) }, () => hostileLine(random));
    outcomes[assertHeld(lines.join("\n"), {}, `seed ${seed}`)]++;
  }
  // The generator is worth something only if it reaches every outcome.
  assert.ok(Object.values(outcomes).every((count) => count > 50), JSON.stringify(outcomes));
});

Deno.test("parseConfig: thousands of damaged copies of the default file give problems only", () => {
  const bytes = new TextEncoder().encode(
    formatDefaultConfig().replaceAll(/^#.*\n/gm, "").replaceAll("\n\n", "\n"),
  );
  const outcomes = { accepted: 0, "not TOML": 0, refused: 0 };
  for (let seed = 0; seed < 3000; seed++) {
    const text = new TextDecoder().decode(new Random(seed).mutate(bytes));
    outcomes[assertHeld(text, {}, `seed ${seed}`)]++;
  }
  assert.ok(Object.values(outcomes).every((count) => count > 50), JSON.stringify(outcomes));
});

Deno.test("parseConfig: thousands of hostile variables give problems only", () => {
  for (let seed = 0; seed < 3000; seed++) {
    const random = new Random(seed);
    const env: Record<string, string> = {};
    for (let count = random.between(1, 4); count > 0; count--) {
      const noise = new TextDecoder().decode(random.bytes(random.below(40)));
      const name = random.oneIn(4) ? `PINHOLE_${noise}` : random.pick(SCHEMA_KEYS).variable;
      env[name] = random.oneIn(2) ? noise : random.pick(VALUES).replaceAll('"', "");
    }
    assertHeld("", env, `seed ${seed}`);
  }
});

Deno.test("parseConfig: what nests or lasts without end is refused, not followed", () => {
  const deep = 50_000;
  const inputs: readonly (readonly [text: string, env: Record<string, string>])[] = [
    [`[renderer.options]\na = ${"[".repeat(deep)}`, {}],
    [`[renderer.options${".a".repeat(deep)}]`, {}],
    [`[video${".a".repeat(deep)}]`, {}],
    [`video.fps = [{ ${"a.".repeat(deep)}a = 1 }]`, {}],
    [`${"k".repeat(deep * 10)} = 1`, {}],
    [`video.${"k".repeat(deep * 10)} = 1`, {}],
    ["", { PINHOLE_RENDERER_OPTIONS: `{"a":${"[".repeat(deep)}${"]".repeat(deep)}}` }],
    ["", { PINHOLE_RENDERER_OPTIONS: '{"a":'.repeat(deep) }],
    ["", { PINHOLE_SERVER_ALLOWED_ORIGINS: ",".repeat(100) }],
    ["", { PINHOLE_VIDEO_FPS: "9".repeat(deep) }],
    ["", { [`PINHOLE_${"X".repeat(deep)}`]: "" }],
  ];
  for (const [index, [text, env]] of inputs.entries()) {
    assert.notEqual(assertHeld(text, env, `input ${index}`), "accepted", `input ${index}`);
  }
});
