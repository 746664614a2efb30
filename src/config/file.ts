import type { Given, Input } from "./input.ts";
import { type Candidate, nearest } from "./nearest.ts";
import { type Problem, showPath, showRefused, showSource } from "./problem.ts";
import { SCHEMA_KEYS, sectionNames } from "./keys.ts";
import { readToml } from "./syntax.ts";
import { isTable } from "./values.ts";

/** The contents of a file; `isToml` is false if it could not be parsed as TOML. */
export interface FileInput extends Input {
  readonly isToml: boolean;
}

/** Sorts the text of config.toml into known keys and problems. Never throws. */
export function readFileText(text: string, fileName: string): FileInput {
  const source = showSource(fileName);
  const read = readToml(text, source);
  if ("problem" in read) return { given: [], problems: [read.problem], isToml: false };
  const inputs = Object.entries(read.document).map(([name, value]) => readTop(name, value, source));
  return {
    given: inputs.flatMap(({ given }) => given),
    problems: inputs.flatMap(({ problems }) => problems),
    isToml: true,
  };
}

function readTop(name: string, value: unknown, source: string): Input {
  if (!sectionNames().some((section) => section === name)) {
    return { given: [], problems: [unknownTop(name, value, source)] };
  }
  if (isTable(value)) return readSection(name, value, source);
  const rule = `must be a section: a line [${name}] and its keys below`;
  const problem = { source, key: name, value: showRefused(name, value), rule };
  return { given: [], problems: [problem] };
}

function readSection(
  section: string,
  table: Readonly<Record<string, unknown>>,
  source: string,
): Input {
  const given: Given[] = [];
  const problems: Problem[] = [];
  for (const [name, raw] of Object.entries(table)) {
    const key = SCHEMA_KEYS.find((each) => each.section === section && each.key === name);
    if (key === undefined) problems.push(unknownKey({ section, name, raw, source }));
    else given.push({ key, raw, source });
  }
  return { given, problems };
}

function unknownTop(name: string, value: unknown, source: string): Problem {
  const sections = sectionNames().map((word) => ({ word, shown: `[${word}]` }));
  const keys = SCHEMA_KEYS.map(({ key, name }) => ({ word: key, shown: name }));
  return {
    source,
    ...(isTable(value)
      ? { key: `[${showPath([name])}]`, rule: "unknown section" }
      : { key: showPath([name]), value: showRefused(name, value), rule: "unknown key" }),
    ...suggestion(name, [...sections, ...keys]),
  };
}

function unknownKey(
  { section, name, raw, source }: { section: string; name: string; raw: unknown; source: string },
): Problem {
  // A key with this name in another section is a candidate too: it was written in the wrong section.
  const keys = SCHEMA_KEYS.map((known) => ({
    word: known.key,
    shown: known.name,
    handicap: known.section === section ? 0 : 1,
  }));
  return {
    source,
    key: showPath([section, name]),
    value: showRefused(name, raw),
    rule: "unknown key",
    ...suggestion(name, keys),
  };
}

function suggestion(word: string, candidates: readonly Candidate[]): { nearest?: string } {
  const found = nearest(word, candidates);
  return found === undefined ? {} : { nearest: found };
}
