import type { CancelTimer, Clock } from "../base/clock.ts";
import { fstatSync } from "node:fs";

/** What systemd says to a service through its environment (sd_notify(3), sd_watchdog_enabled(3)). */
export interface ServiceEnvironment {
  /** Path of the socket that takes notifications; one that begins with `@` is abstract. */
  readonly notifySocket: string;
  /** Longest time between two signs of life, in milliseconds; `undefined` without a watchdog. */
  readonly watchdogMs: number | undefined;
}

/** How a {@link ServiceManager} reaches systemd. */
export interface ServiceManagerOptions {
  /** Sends one datagram to the notification socket. Never throws. */
  readonly send: (datagram: Uint8Array<ArrayBuffer>) => void;
  readonly watchdogMs: number | undefined;
  /** One line that `systemctl status` shows; asked again and again. */
  readonly status: () => string;
  /** Why the service no longer does its work though its event loop turns; `undefined` when it does. */
  readonly stuck: () => string | undefined;
  readonly clock: Clock;
}

/** How often the status line is looked at, in milliseconds. It is only sent when it has changed. */
const STATUS_INTERVAL_MS = 5_000;

/** Reads systemd's variables; `undefined` where the program is no service of type `notify`. */
export function readServiceEnvironment(
  variables: Readonly<Record<string, string | undefined>>,
  pid: number,
): ServiceEnvironment | undefined {
  const { NOTIFY_SOCKET: notifySocket, WATCHDOG_USEC: usec, WATCHDOG_PID: forPid } = variables;
  if (notifySocket === undefined || !/^[@/]/.test(notifySocket)) return undefined;
  const mine = forPid === undefined || forPid === String(pid);
  const watchdogMs = mine && /^[1-9]\d*$/.test(usec ?? "") ? Number(usec) / 1000 : undefined;
  return { notifySocket, watchdogMs };
}

/**
 * Tells systemd how the service is. While the event loop turns and the service does its work, the watchdog is fed at
 * half its time; when it is not fed, systemd ends the process and starts it anew.
 */
export class ServiceManager implements Disposable {
  readonly #options: ServiceManagerOptions;
  #told = "";
  #cancelFeed: CancelTimer = () => {};
  #cancelStatus: CancelTimer = () => {};

  constructor(options: ServiceManagerOptions) {
    this.#options = options;
  }

  /** The service is up. From now on the watchdog is fed and the status line kept. Called once. */
  ready(): void {
    this.#tell({ READY: "1" });
    this.#feed();
    this.#keepStatus();
  }

  /**
   * The service is on its way down, which may take this long, whatever `TimeoutStopSec` says. The watchdog goes on, so
   * that a stop that hangs is noticed.
   */
  stopping(withinMs: number): void {
    this.#tell({ STOPPING: "1", EXTEND_TIMEOUT_USEC: String(Math.round(withinMs * 1000)) });
  }

  /** Falls silent: the watchdog is not fed any more. Idempotent. */
  [Symbol.dispose](): void {
    this.#cancelFeed();
    this.#cancelStatus();
  }

  #feed(): void {
    const { watchdogMs, clock, stuck } = this.#options;
    if (watchdogMs === undefined) return;
    const why = stuck();
    this.#tell(why === undefined ? { WATCHDOG: "1" } : { STATUS: this.#told = `Stuck: ${why}` });
    this.#cancelFeed = clock.after(watchdogMs / 2, () => this.#feed());
  }

  #keepStatus(): void {
    const { status, stuck, clock } = this.#options;
    this.#cancelStatus = clock.after(STATUS_INTERVAL_MS, () => this.#keepStatus());
    const text = status();
    if (text !== this.#told && stuck() === undefined) this.#tell({ STATUS: this.#told = text });
  }

  #tell(fields: Readonly<Record<string, string>>): void {
    const lines = Object.entries(fields).map(([name, value]) =>
      `${name}=${value.replaceAll(/\s+/g, " ")}\n`
    );
    this.#options.send(new TextEncoder().encode(lines.join("")));
  }
}

const STDERR = 2;

/**
 * Whether standard error is the journal's. The variable alone does not say so: a program that was started from a service
 * with its output elsewhere has it too (systemd.exec(5), `$JOURNAL_STREAM`).
 * @param journalStream The variable: device and inode of the stream, with a colon between them.
 */
export function isStderrJournal(journalStream: string | undefined): boolean {
  if (journalStream === undefined) return false;
  const { dev, ino } = fstatSync(STDERR, { bigint: true });
  return journalStream === `${dev}:${ino}`;
}
