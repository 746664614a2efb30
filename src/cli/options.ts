/** An option of a command that takes a value. */
export interface OptionSpec {
  /** Reads the value; `undefined` when it breaks the rule. */
  readonly read: (text: string) => unknown;
  /** Ends the sentence "must be …". */
  readonly rule: string;
}

/** An option that stands alone. */
export const FLAG = "flag";

/** Every option of a command, by name. */
export type OptionSpecs = Readonly<Record<string, OptionSpec | typeof FLAG>>;

/** What stood on a command line. */
export interface ReadArguments<Specs extends OptionSpecs> {
  /** Values of the options that were given; `true` for those that stand alone. */
  readonly values: {
    readonly [Name in keyof Specs]?: Specs[Name] extends OptionSpec
      ? NonNullable<ReturnType<Specs[Name]["read"]>>
      : true;
  };
  /** What is no option. */
  readonly words: readonly string[];
}

/**
 * Reads `--name value`, `--name=value` and `--flag` in any order. Pure.
 * @returns A text says what is wrong.
 */
export function readArguments<Specs extends OptionSpecs>(
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
    if (spec === FLAG) {
      if (inline !== undefined) return `Option ${name} takes no value`;
      values[name] = true;
      continue;
    }
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
