/** Internal commands, which run renderer libraries in child processes. */
export const HOST_COMMANDS = ["bridge-host", "renderer-test-host", "renderer-probe-host"] as const;

/**
 * The command line that starts this program with one of {@link HOST_COMMANDS}: from source with the running Deno, and
 * only the permissions that a renderer library needs; or the executable itself.
 */
export function hostCommand(
  name: typeof HOST_COMMANDS[number],
): [program: string, ...args: string[]] {
  const program = Deno.execPath();
  if (Deno.build.standalone) return [program, name];
  return [
    program,
    "run",
    "--allow-ffi",
    "--allow-read",
    "--allow-env",
    Deno.mainModule,
    name,
  ];
}
