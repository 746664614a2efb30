import type { CancelTimer, Clock } from "../base/clock.ts";
import { fstatSync } from "node:fs";

/** Settings that systemd passes to a service by its environment (sd_notify(3), sd_watchdog_enabled(3)). */
export interface ServiceEnvironment {
  /** Path of the notification socket; `@` at its start means an abstract name. */
  readonly notifySocket: string;
  /** Longest time between two watchdog notifications, in milliseconds; `undefined` without a watchdog. */
  readonly watchdogMs: number | undefined;
}

/** Options of {@link ServiceManager}. */
export interface ServiceManagerOptions {
  /** Sends one datagram to the notification socket. Never throws. */
  readonly send: (datagram: Uint8Array<ArrayBuffer>) => void;
  readonly watchdogMs: number | undefined;
  /** Returns the line that `systemctl status` shows; called repeatedly. */
  readonly status: () => string;
  /** Returns why the service no longer works although its event loop runs; `undefined` if it works. */
  readonly stuck: () => string | undefined;
  readonly clock: Clock;
}

/** Interval of checking the status line, in milliseconds. It is sent only if it has changed. */
const STATUS_INTERVAL_MS = 5_000;

/** Reads systemd's variables; `undefined` if the program is not a service of type `notify`. */
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
 * Reports the state of the service to systemd. While the event loop runs and the service works, it sends the watchdog
 * notification at half the watchdog's time; without it, systemd ends the process and restarts it.
 */
export class ServiceManager implements Disposable {
  readonly #options: ServiceManagerOptions;
  #told = "";
  #cancelFeed: CancelTimer = () => {};
  #cancelStatus: CancelTimer = () => {};

  constructor(options: ServiceManagerOptions) {
    this.#options = options;
  }

  /** Reports that the service is ready, and from then on notifies the watchdog and updates the status. Called once. */
  ready(): void {
    this.#tell({ READY: "1" });
    this.#feed();
    this.#keepStatus();
  }

  /**
   * Reports that the service is stopping, and extends `TimeoutStopSec` to this time. Watchdog notifications continue,
   * so that a hanging stop is detected.
   */
  stopping(withinMs: number): void {
    this.#tell({ STOPPING: "1", EXTEND_TIMEOUT_USEC: String(Math.round(withinMs * 1000)) });
  }

  /** Stops all notifications. Idempotent. */
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
 * Whether standard error is connected to the journal. The variable alone is not enough: a program that a service started
 * with redirected output inherits it (systemd.exec(5), `$JOURNAL_STREAM`).
 * @param journalStream The variable: device and inode of the stream, separated by a colon.
 */
export function isStderrJournal(journalStream: string | undefined): boolean {
  if (journalStream === undefined) return false;
  const { dev, ino } = fstatSync(STDERR, { bigint: true });
  return journalStream === `${dev}:${ino}`;
}
