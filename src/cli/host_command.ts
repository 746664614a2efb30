/** Commands that are processes of renderer libraries. Other commands start them; they are none for people. */
export const HOST_COMMANDS = ["bridge-host", "renderer-test-host", "renderer-probe-host"] as const;

/**
 * The command line that starts this program again with one of {@link HOST_COMMANDS}: from source by the running Deno,
 * with no more permissions than a renderer library takes; as one executable by itself.
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
