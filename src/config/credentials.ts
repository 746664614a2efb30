/**
 * User and password that two variables hold, as `user:password`; `undefined` when neither is set. They come by variables
 * alone, since a command line is seen by every user of the host. It needs the permission to read the environment.
 */
export function readCredentials(
  variables: { readonly user: string; readonly password: string },
): string | undefined {
  const user = Deno.env.get(variables.user);
  const password = Deno.env.get(variables.password);
  if (user === undefined && password === undefined) return undefined;
  return `${user ?? ""}:${password ?? ""}`;
}
