import assert from "assert";
import { formatDefaultConfig } from "../support/documents/config_document.ts";
import { SCHEMA_KEYS } from "../../src/config/keys.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { formatProblem } from "../../src/config/problem.ts";
import type { Random } from "../support/random.ts";
import { fuzz, hostileText } from "./harness.ts";

/** The default file line by line, without its comments. */
const LINES = formatDefaultConfig().split("\n").filter((line) => /^[^#]/.test(line));

/** What TOML is made of, whole and in pieces. */
const PIECES = String.raw`
  = . , [ ] [[ ]] { } " ' """ ''' # \ \u0000 \UFFFFFFFF \x 0x 0b1 1_0 _1 +1 1e 1e9 inf nan true falsee 1979-05-27
  1979-05-27T07:32:00Z 07:32 "a" 'a' [1,[2]] {a=1} {a.b={}} a.b.c __proto__ "" "\u202e" 9223372036854775808`
  .trim().split(/\s+/);

function hostileLine(random: Random): string {
  const line = random.pick(LINES);
  switch (random.below(6)) {
    case 0:
      return Array.from({ length: random.between(1, 8) }, () => random.pick(PIECES)).join("");
    case 1:
      return `${line.split("=")[0]}= ${random.pick(PIECES)}${random.pick(PIECES)}`;
    case 2:
      return line + hostileText(random, random.oneIn(300) ? 30_000 : 50);
    case 3: {
      const at = random.below(line.length);
      return line.slice(0, at) + random.pick(PIECES) + line.slice(at + random.below(4));
    }
    case 4: {
      const { name } = random.pick(SCHEMA_KEYS);
      return `${name}${random.oneIn(3) ? `.${random.pick(PIECES)}` : ""} = ${random.pick(PIECES)}`;
    }
    default:
      return line;
  }
}

function hostileFile(random: Random): string {
  if (random.oneIn(20)) return new TextDecoder().decode(random.bytes(random.below(60)));
  const lines = Array.from({ length: random.between(1, 5) }, () => hostileLine(random));
  return lines.join(random.pick(["\n", "\n", "\r\n", "\r", "\n\n"]));
}

function hostileVariables(random: Random): Record<string, string> {
  if (!random.oneIn(5)) return {};
  const name = random.oneIn(4)
    ? `PINHOLE_${hostileText(random)}`
    : random.pick(SCHEMA_KEYS).variable;
  return { [name]: random.oneIn(2) ? hostileText(random) : random.pick(PIECES) };
}

fuzz(
  "parseConfig: any text and variables give a configuration, or problems of one short line each",
  {
    seed: 2,
    inputs: 30_000,
    perRound: 1,
    open: () => undefined,
    feed(_, random) {
      const env = hostileVariables(random);
      const parsed = parseConfig({ text: hostileFile(random), fileName: "config.toml", env });
      if ("config" in parsed) return "accepted";
      assert.ok(parsed.problems.length > 0);
      for (const problem of parsed.problems) {
        const line = formatProblem(problem);
        assert.match(line, /^(config\.toml|PINHOLE_)/);
        assert.doesNotMatch(line, /[\p{Cc}\p{Bidi_Control}\p{Cs}]/u);
        assert.ok(line.length < 1_000, line);
      }
      return parsed.problems.some(({ line }) => line !== undefined) ? "not TOML" : "refused";
    },
    reaches: ["accepted", "not TOML", "refused"],
  },
);
