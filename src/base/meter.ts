/** Label values without a fixed list: version numbers, ports. Never a session, a viewer or an address. */
export const ANY = "any";

/** Kind, help text and labels of one metric. */
export interface MetricDefinition {
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  /**
   * Every value of each label, by its name. A counter with one label that has a list is shown as 0 for each value from
   * the start, so that alerts see the first event as an increase instead of a new series.
   */
  readonly labels?: Readonly<Record<string, readonly string[] | typeof ANY>>;
  /** Upper bounds of a histogram's buckets, in the metric's unit. */
  readonly buckets?: readonly number[];
}

/** Metrics by name, without the prefix. Each folder of src with metrics defines them in `metrics.ts`. */
export type MetricTable = Readonly<Record<string, MetricDefinition>>;

/** Values for the labels of any metric. */
export type MetricLabels = Readonly<Record<string, string | number>>;

type NoLabels = Readonly<Record<string, never>>;

/** The labels of one metric, with the values that its definition allows. */
type LabelsOf<Definition> = Definition extends { readonly labels: infer Labels } ? {
    readonly [Label in keyof Labels]: Labels[Label] extends readonly (infer Value)[] ? Value
      : string | number;
  }
  : NoLabels;

/** Arguments that identify a series; the labels are omitted if the metric has none. */
type SeriesOf<Name, Definition> = Definition extends { readonly labels: unknown }
  ? [name: Name, labels: LabelsOf<Definition>]
  : [name: Name, labels?: NoLabels];

type ValueOf<Definition> = Definition[keyof Definition];

/** Arguments that identify a series of one kind, of any metric of a table. */
export type Series<Table extends MetricTable, Kind = MetricDefinition["kind"]> = ValueOf<
  {
    [Name in keyof Table as Table[Name]["kind"] extends Kind ? Name : never]: SeriesOf<
      Name,
      Table[Name]
    >;
  }
>;

/** The same, with a value after the name. */
type Measured<OneSeries> = OneSeries extends [infer Name, infer Labels]
  ? [name: Name, value: number, labels: Labels]
  : OneSeries extends [infer Name, (infer Labels)?] ? [name: Name, value: number, labels?: Labels]
  : never;

/**
 * Records measurements. The compiler checks that each metric is in the table, is of the function's kind, and has its
 * labels with allowed values. A meter of more metrics can be used as one of fewer.
 */
export interface Meter<out Table extends MetricTable> {
  /** Adds to a counter. Default of `by`: 1. */
  readonly count: (...event: [...Series<Table, "counter">, by?: number]) => void;
  /** Sets a gauge. */
  readonly gauge: (...measured: Measured<Series<Table, "gauge">>) => void;
  /** Adds one value, in the metric's unit, to a histogram. */
  readonly observe: (...measured: Measured<Series<Table, "histogram">>) => void;
}

/** The untyped form of {@link Meter}, for implementations. */
export interface AnyMeter {
  count(name: string, labels?: MetricLabels, by?: number): void;
  gauge(name: string, value: number, labels?: MetricLabels): void;
  observe(name: string, value: number, labels?: MetricLabels): void;
}

/** Drops every measurement. */
export const NULL_METER: AnyMeter = { count() {}, gauge() {}, observe() {} };
