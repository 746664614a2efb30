/** One option of a command. */
export interface OptionSpec {
  /** Reads the value; `undefined` when it breaks the rule. */
  readonly read: (text: string) => unknown;
  /** Ends the sentence "must be …". */
  readonly rule: string;
}

/** What stood on a command line. */
export interface ReadArguments<Specs extends Record<string, OptionSpec>> {
  /** Values of the options that were given. */
  readonly values: {
    readonly [Name in keyof Specs]?: NonNullable<ReturnType<Specs[Name]["read"]>>;
  };
  /** What is no option. */
  readonly words: readonly string[];
}

/**
 * Reads `--name value` and `--name=value` in any order. Pure.
 * @returns A text says what is wrong.
 */
export function readArguments<Specs extends Record<string, OptionSpec>>(
  args: readonly string[],
  specs: Specs,
): ReadArguments<Specs> | string {
  const values: Record<string, unknown> = {};
  const words: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? "";
    if (!arg.startsWith("-")) {
      words.push(arg);
      continue;
    }
    const [name, inline] = splitOnce(arg);
    const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
    if (spec === undefined) {
      return `Unknown option "${name}"; known are ${
        Object.keys(specs).join(", ")
      }, --help and --version`;
    }
    if (name in values) return `Option ${name} is given twice`;
    const text = inline ?? args[++at];
    if (text === undefined || text === "") return `Option ${name} needs a value`;
    const value = spec.read(text);
    if (value === undefined) return `Option ${name} is "${text}" but must be ${spec.rule}`;
    values[name] = value;
  }
  return { values: values as ReadArguments<Specs>["values"], words };
}

function splitOnce(option: string): [name: string, value: string | undefined] {
  const at = option.indexOf("=");
  return at < 0 ? [option, undefined] : [option.slice(0, at), option.slice(at + 1)];
}
