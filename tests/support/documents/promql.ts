/** One metric as an expression of PromQL uses it. */
export interface UsedSeries {
  /** With its suffix, such as `_bucket`. */
  readonly metric: string;
  /** Labels that its selector asks for. */
  readonly labels: readonly string[];
}

/** What an expression of PromQL uses. */
export interface UsedNames {
  readonly series: readonly UsedSeries[];
  /** Labels of `by`, `without`, `on` and `ignoring`. */
  readonly grouped: readonly string[];
}

const OPERATORS = new Set(["and", "or", "unless", "bool", "offset", "inf", "nan"]);
const CLAUSE = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)/g;
const NAME = /[A-Za-z_:][\w:]*/g;
const CLOSING: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

/**
 * Reads the names out of an expression, as far as that goes without a parser: whether its functions fit its operands is
 * for promtool to say.
 * @throws {SyntaxError} When brackets or quotes do not match, or a selector or range is none.
 */
export function readPromql(expression: string): UsedNames {
  // Values of labels may hold anything; only their quotes stay.
  const bare = expression.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""');
  assertBalanced(bare, expression);
  const grouped: string[] = [];
  let rest = bare.replaceAll(CLAUSE, (_, names: string) => {
    grouped.push(...names.split(",").map((name) => name.trim()).filter((name) => name !== ""));
    return " ";
  });
  rest = rest.replaceAll(/\[([^\]]*)\]/g, (_, range: string) => {
    if (/^(\d+[smhd]|\$__rate_interval)$/.test(range)) return " ";
    throw new SyntaxError(`"${range}" is no range, in: ${expression}`);
  });
  const series: UsedSeries[] = [];
  rest = rest.replaceAll(/([\w:]+)\{([^}]*)\}/g, (_, metric: string, selector: string) => {
    series.push({ metric, labels: readSelector(selector, expression) });
    return " 0 ";
  });
  for (const { 0: name, index } of rest.matchAll(NAME)) {
    const isCall = /^\s*\(/.test(rest.slice(index + name.length));
    if (isCall || OPERATORS.has(name) || isAggregation(rest, index + name.length)) continue;
    series.push({ metric: name, labels: [] });
  }
  return { series, grouped };
}

/** Whether the operand follows, as in `sum by (le) (…)`, whose clause is cut out by now. */
function isAggregation(text: string, from: number): boolean {
  return /^\s+\(/.test(text.slice(from));
}

function readSelector(selector: string, expression: string): string[] {
  return selector.split(",").map((matcher) => {
    const label = /^\s*(\w+)\s*(?:=~|!~|!=|=)\s*""\s*$/.exec(matcher)?.[1];
    if (label === undefined) throw new SyntaxError(`"${matcher}" selects nothing: ${expression}`);
    return label;
  });
}

function assertBalanced(bare: string, expression: string): void {
  const open: string[] = [];
  for (const character of bare.replaceAll('""', "")) {
    const closing = CLOSING[character];
    if (closing !== undefined) open.push(closing);
    else if (character === '"') throw new SyntaxError(`A quote is open: ${expression}`);
    else if (")]}".includes(character) && open.pop() !== character) {
      throw new SyntaxError(`"${character}" closes nothing: ${expression}`);
    }
  }
  if (open.length > 0) throw new SyntaxError(`"${open.at(-1)}" is missing: ${expression}`);
}
