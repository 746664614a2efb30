import { parseArgs } from "node:util";

/** An option of a command that takes a value. */
export interface ValueSpec {
  /** Placeholder of the value in the help. */
  readonly value: string;
  readonly help: string;
  /** Parses the value; `undefined` if it violates the rule. */
  readonly read: (text: string) => unknown;
  /** Ends the sentence "must be …". */
  readonly rule: string;
  /** Whether it may be given several times; its value is then the list of all. */
  readonly isList?: true;
}

/** An option without a value. */
export interface FlagSpec {
  readonly value?: undefined;
  readonly help: string;
}

/** Every option of a command, by name with its dashes. */
export type OptionSpecs = Readonly<Record<string, ValueSpec | FlagSpec>>;

type ValueOf<Spec> = Spec extends ValueSpec
  ? Spec extends { readonly isList: true } ? readonly ReadValue<Spec>[] : ReadValue<Spec>
  : true;

type ReadValue<Spec extends ValueSpec> = NonNullable<ReturnType<Spec["read"]>>;

/** A parsed command line. */
export interface ReadArguments<Specs extends OptionSpecs> {
  /** Values of the given options; `true` for options without a value. */
  readonly values: { readonly [Name in keyof Specs]?: ValueOf<Specs[Name]> };
  /** Arguments that are not options. */
  readonly words: readonly string[];
}

/**
 * Parses `--name value`, `--name=value` and `--flag` in any order. Pure.
 * @returns The options and other arguments, or a text with the problem.
 */
export function readArguments<Specs extends OptionSpecs>(
  args: readonly string[],
  specs: Specs,
): ReadArguments<Specs> | string {
  const types = Object.entries(specs).map(([name, spec]) =>
    [name.slice(2), {
      type: spec.value === undefined ? "boolean" as const : "string" as const,
    }] as const
  );
  // In strict mode its own error messages would not list the known options.
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(types),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values: Record<string, unknown> = {};
  const words: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") words.push(token.value);
    if (token.kind !== "option") continue;
    const problem = takeOption(token, { specs, values });
    if (problem !== undefined) return problem;
  }
  return { values: values as ReadArguments<Specs>["values"], words };
}

/** Adds an option's value. @returns The problem, if any. */
function takeOption(
  { rawName: name, value: text, inlineValue }: {
    readonly rawName: string;
    readonly value: string | undefined;
    readonly inlineValue: boolean | undefined;
  },
  { specs, values }: { specs: OptionSpecs; values: Record<string, unknown> },
): string | undefined {
  const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
  if (spec === undefined) {
    const known = Object.keys(specs).join(", ");
    return `Unknown option "${name}"; the options are ${known}, --help and --version`;
  }
  const isList = spec.value !== undefined && spec.isList === true;
  if (name in values && !isList) return `Option ${name} is given twice`;
  if (spec.value === undefined) {
    if (inlineValue) return `Option ${name} takes no value`;
    values[name] = true;
    return undefined;
  }
  if (text === undefined || text === "") return `Option ${name} needs a value`;
  const value = spec.read(text);
  if (value === undefined) return `Option ${name} is "${text}" but must be ${spec.rule}`;
  values[name] = isList ? [...(values[name] as unknown[] | undefined) ?? [], value] : value;
  return undefined;
}
