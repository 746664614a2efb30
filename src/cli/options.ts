/** An option of a command that takes a value. */
export interface OptionSpec {
  /** Reads the value; `undefined` when it breaks the rule. */
  readonly read: (text: string) => unknown;
  /** Ends the sentence "must be …". */
  readonly rule: string;
  /** Whether it may be given several times; its value is then the list of all. */
  readonly isList?: true;
}

/** An option that stands alone. */
export const FLAG = "flag";

/** Every option of a command, by name. */
export type OptionSpecs = Readonly<Record<string, OptionSpec | typeof FLAG>>;

type ValueOf<Spec extends OptionSpec | typeof FLAG> = Spec extends OptionSpec
  ? Spec extends { readonly isList: true } ? readonly ReadValue<Spec>[] : ReadValue<Spec>
  : true;

type ReadValue<Spec extends OptionSpec> = NonNullable<ReturnType<Spec["read"]>>;

/** What stood on a command line. */
export interface ReadArguments<Specs extends OptionSpecs> {
  /** Values of the options that were given; `true` for those that stand alone. */
  readonly values: { readonly [Name in keyof Specs]?: ValueOf<Specs[Name]> };
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
    const isList = spec !== FLAG && spec.isList === true;
    if (name in values && !isList) return `Option ${name} is given twice`;
    if (spec === FLAG) {
      if (inline !== undefined) return `Option ${name} takes no value`;
      values[name] = true;
      continue;
    }
    const text = inline ?? args[++at];
    if (text === undefined || text === "") return `Option ${name} needs a value`;
    const value = spec.read(text);
    if (value === undefined) return `Option ${name} is "${text}" but must be ${spec.rule}`;
    values[name] = isList ? [...(values[name] as unknown[] | undefined) ?? [], value] : value;
  }
  return { values: values as ReadArguments<Specs>["values"], words };
}

function splitOnce(option: string): [name: string, value: string | undefined] {
  const at = option.indexOf("=");
  return at < 0 ? [option, undefined] : [option.slice(0, at), option.slice(at + 1)];
}
