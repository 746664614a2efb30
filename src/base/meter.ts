/** Values of a label that come from no fixed list: version numbers, ports. Never a session, a viewer or an address. */
export const ANY = "any";

/** Kind, help text and labels of one metric. */
export interface MetricDefinition {
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  /**
   * Every value of each label, by its name. A counter that has one label with a list is shown as 0 for each value from
   * the start: a first event is then an increase, which alerts see, and not a series that was not there before.
   */
  readonly labels?: Readonly<Record<string, readonly string[] | typeof ANY>>;
  /** Upper bounds of a histogram's buckets, in the metric's unit. */
  readonly buckets?: readonly number[];
}

/** Metrics by their names, without the prefix. Each folder of src that measures something has one, `metrics.ts`. */
export type MetricTable = Readonly<Record<string, MetricDefinition>>;

/** Values for a metric's labels, whatever they are. */
export type MetricLabels = Readonly<Record<string, string | number>>;

type NoLabels = Readonly<Record<string, never>>;

/** The labels of one metric, each with a value that its definition has. */
type LabelsOf<Definition> = Definition extends { readonly labels: infer Labels } ? {
    readonly [Label in keyof Labels]: Labels[Label] extends readonly (infer Value)[] ? Value
      : string | number;
  }
  : NoLabels;

/** Arguments that name a series; labels may be left out where there are none. */
type SeriesOf<Name, Definition> = Definition extends { readonly labels: unknown }
  ? [name: Name, labels: LabelsOf<Definition>]
  : [name: Name, labels?: NoLabels];

type ValueOf<Definition> = Definition[keyof Definition];

/** Arguments that name a series of some kind, of any metric of a table. */
export type Series<Table extends MetricTable, Kind = MetricDefinition["kind"]> = ValueOf<
  {
    [Name in keyof Table as Table[Name]["kind"] extends Kind ? Name : never]: SeriesOf<
      Name,
      Table[Name]
    >;
  }
>;

/** The same with a value behind the name. */
type Measured<OneSeries> = OneSeries extends [infer Name, infer Labels]
  ? [name: Name, value: number, labels: Labels]
  : OneSeries extends [infer Name, (infer Labels)?] ? [name: Name, value: number, labels?: Labels]
  : never;

/**
 * Takes measurements. Each is one of a table, of the kind that the function is for, and has that metric's labels with
 * values that they have: all of it is checked by the compiler. A meter of more metrics is one of fewer.
 */
export interface Meter<out Table extends MetricTable> {
  /** Adds to a counter. `by` is 1 unless told. */
  readonly count: (...event: [...Series<Table, "counter">, by?: number]) => void;
  /** Sets a gauge. */
  readonly gauge: (...measured: Measured<Series<Table, "gauge">>) => void;
  /** Adds one value, in the metric's unit, to a histogram. */
  readonly observe: (...measured: Measured<Series<Table, "histogram">>) => void;
}

/** Takes whatever it is given, as any {@link Meter} has to; who counts has one of those. */
export interface AnyMeter {
  count(name: string, labels?: MetricLabels, by?: number): void;
  gauge(name: string, value: number, labels?: MetricLabels): void;
  observe(name: string, value: number, labels?: MetricLabels): void;
}

/** Drops every measurement. */
export const NULL_METER: AnyMeter = { count() {}, gauge() {}, observe() {} };
