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
