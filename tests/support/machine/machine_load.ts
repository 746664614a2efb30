/** What the machine was like for a second or so. */
export interface Stretch {
  /** How much later than asked for timers of 5 ms fired, in milliseconds, on average. */
  readonly lateMs: number;
  /** Share of its undisturbed speed at which a fixed job of the CPU ran, 0 to 1. */
  readonly speed: number;
  /**
   * Share of the CPU, 0 to 1, that programs other than the test and its children used, and what the host of a virtual
   * machine took; `undefined` where the system does not tell.
   */
  readonly others: number | undefined;
}

/** On a machine that is quiet timers are late by less than a millisecond, beside a test that uses it fully by some. */
const LATE_MS_MAX = 5;

/** Of two programs that want the same core each gets half. */
const SPEED_MIN = 0.6;

/** What a desktop or the system's own services use is less. What a test lacks beyond that it takes from itself. */
const OTHERS_MIN = 0.15;

/**
 * The stretch in which other programs slowed the machine most, if they did so enough to spoil a judgement of times, and
 * for long enough. A machine that is slow of itself, or by what the test does, is not busy: a program that takes too much
 * of it has to fail.
 * @param options.shareMin Share of the stretches, 0 to 1, that have to be spoiled.
 */
export function busiest(
  stretches: readonly Stretch[],
  { shareMin }: { shareMin: number },
): Stretch | undefined {
  const spoiled = stretches.filter(({ lateMs, speed, others = 1 }) =>
    others >= OTHERS_MIN && (lateMs > LATE_MS_MAX || speed < SPEED_MIN)
  );
  if (spoiled.length < shareMin * stretches.length) return undefined;
  return spoiled.toSorted((a, b) => a.speed - b.speed || b.lateMs - a.lateMs)[0];
}

/** Such as "timers of 5 ms were 31 ms late, a fixed job ran at 22 % of its speed, others used 74 % of the CPU". */
export function formatStretch({ lateMs, speed, others }: Stretch): string {
  const percent = (share: number) => `${Math.round(100 * share)} %`;
  const figures = [
    `timers of 5 ms were ${lateMs.toFixed(1)} ms late`,
    `a fixed job ran at ${percent(speed)} of its speed`,
  ];
  if (others !== undefined) figures.push(`other programs used ${percent(others)} of the CPU`);
  return figures.join(", ");
}

/** CPU time since the system's start, in its own ticks. */
export interface CpuTimes {
  /** Of all cores, idle or not. */
  readonly all: number;
  /** Of it not idle. */
  readonly busy: number;
  /** Of it used by a process and its children. */
  readonly own: number;
}

/** Share of the CPU that others used between two looks; `undefined` where no time has passed. */
export function othersShare(before: CpuTimes, after: CpuTimes): number | undefined {
  const all = after.all - before.all;
  if (all <= 0) return undefined;
  const used = after.busy - before.busy - (after.own - before.own);
  return Math.min(1, Math.max(0, used / all));
}

/**
 * Reads {@link CpuTimes} from the text of Linux's files.
 * @param stat `/proc/stat`.
 * @param processes `/proc/PID/stat` of all processes.
 * @param pid The process whose time is its own, with that of its children, also of those that have ended.
 */
export function parseCpuTimes(
  { stat, processes, pid }: { stat: string; processes: readonly string[]; pid: number },
): CpuTimes {
  const [user = 0, nice = 0, system = 0, idle = 0, waiting = 0, irq = 0, softIrq = 0, stolen = 0] =
    (/^cpu +(.*)$/m.exec(stat)?.[1] ?? "").split(" ").map(Number);
  const busy = user + nice + system + irq + softIrq + stolen;
  const children = new Map<number, number[]>();
  const times = new Map<number, number>();
  for (const text of processes) {
    // The name may hold spaces and brackets.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ").map(Number);
    const id = Number.parseInt(text);
    const [, parent = 0] = fields;
    // utime, stime, and both of the children that ended and were waited for.
    times.set(id, fields.slice(11, 15).reduce((sum, ticks) => sum + ticks, 0));
    children.set(parent, [...children.get(parent) ?? [], id]);
  }
  let own = 0;
  const open = [pid];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    own += times.get(id) ?? 0;
    open.push(...children.get(id) ?? []);
  }
  return { all: busy + idle + waiting, busy, own };
}
