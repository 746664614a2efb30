/**
 * `deno task coverage`: runs the unit tests and simulations, and prints which part of src they reach. It fails below the
 * thresholds of deno.json. With `--html` the pages are coverage/html.
 */
const ROOT = new URL("../", import.meta.url);
const FOLDER = "coverage";

async function deno(...args: readonly string[]): Promise<number> {
  const { code } = await new Deno.Command(Deno.execPath(), { args: [...args], cwd: ROOT })
    .spawn().status;
  return code;
}

await Deno.remove(new URL(FOLDER, ROOT), { recursive: true }).catch(() => {});
const tested = await deno("test", "-A", `--coverage=${FOLDER}`, "tests/unit", "tests/sim");
const html = Deno.args.includes("--html") ? ["--html=coverage/html"] : [];
const covered = await deno("coverage", FOLDER, "--include=/src/", ...html);
Deno.exit(tested || covered);
