/** Environment variables by name. */
export type Environment = Readonly<Record<string, string>>;

/** Variables that systemd sets for a service (sd_notify(3), sd_watchdog_enabled(3), sd-daemon(3)). */
const NAMES = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM"] as const;

/** The variables of the service manager; those that are not set are `undefined`. */
export type ServiceVariables = Readonly<Record<typeof NAMES[number], string | undefined>>;

/** Reads them from the process's environment. Needs permission to read the environment. */
export function readServiceVariables(): ServiceVariables {
  const entries = NAMES.map((name) => [name, Deno.env.get(name)]);
  return Object.fromEntries(entries) as ServiceVariables;
}

/**
 * Reads user and password from two environment variables, as `user:password`; `undefined` if neither is set. There is no
 * option for them, since every user of the host can read a command line. Needs permission to read the environment.
 */
export function readCredentials(
  variables: { readonly user: string; readonly password: string },
): string | undefined {
  const user = Deno.env.get(variables.user);
  const password = Deno.env.get(variables.password);
  if (user === undefined && password === undefined) return undefined;
  return `${user ?? ""}:${password ?? ""}`;
}
