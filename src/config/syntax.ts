import { parse as parseToml, TomlError } from "toml";
import { type Problem, showPath } from "./problem.ts";
import { showText } from "./show.ts";
import { isTable } from "./values.ts";

/** A parsed TOML document, or why the text is not valid TOML. */
export type ReadToml =
  | { readonly document: Readonly<Record<string, unknown>> }
  | { readonly problem: Problem };

/** Parses a text as TOML. Never throws. */
export function readToml(text: string, source: string): ReadToml {
  try {
    return { document: parseToml(text) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const { line, column } = error;
    const place = { source, line, column };
    return { problem: { ...place, ...explainTwice(text, error) ?? explain(error) } };
  }
}

type Explanation = Pick<Problem, "key" | "rule">;

function explain(error: TomlError): Explanation {
  // After its first line the parser's message quotes surrounding lines, which may contain secrets.
  const [summary = ""] = error.message.replace(/^Invalid TOML document: /, "").split("\n");
  return { rule: `not valid TOML: ${showText(summary)}` };
}

/** Explains a duplicate, for which the parser reports neither the name nor the first of the two lines. */
function explainTwice(text: string, error: TomlError): Explanation | undefined {
  if (!error.message.includes("redefine")) return undefined;
  const lines = text.split(/\r?\n/);
  const second = lines[error.line - 1] ?? "";
  const section = sectionOf(second);
  if (section === undefined) {
    const [, key] = /^([A-Za-z0-9_.-]{1,60})\s*=/.exec(second.slice(error.column - 1)) ?? [];
    return key === undefined ? undefined : { key, rule: "set twice; remove one of the two" };
  }
  const first = lines.findIndex((line) => sectionOf(line) === section);
  const isSection = first < error.line - 1 && parses(lines.slice(0, first).join("\n"));
  const where = isSection ? `written twice, in lines ${first + 1} and ${error.line}` : "set above";
  return { key: `[${section}]`, rule: `${where}; merge the two` };
}

/** The path that a line such as `[video]` opens; `undefined` for every other line. */
function sectionOf(line: string): string | undefined {
  if (!/^\s*\[(?!\[)/.test(line) || !parses(line)) return undefined;
  const path: string[] = [];
  for (let table: unknown = parseToml(line); isTable(table);) {
    const [[name, inner] = []] = Object.entries(table);
    if (name === undefined) break;
    path.push(name);
    table = inner;
  }
  return showPath(path);
}

function parses(text: string): boolean {
  try {
    parseToml(text);
    return true;
  } catch {
    return false;
  }
}
