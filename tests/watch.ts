/** `deno task test:watch`: `deno test` again at each change. Arguments are test files or folders; default: tests/unit. */
const files = Deno.args.length === 0 ? ["tests/unit"] : Deno.args;
const { code } = await new Deno.Command(Deno.execPath(), {
  args: ["test", "-A", "--watch", "--no-clear-screen", ...files],
  cwd: new URL("../", import.meta.url),
}).spawn().status;
Deno.exit(code);
