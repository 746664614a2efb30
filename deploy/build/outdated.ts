/**
 * `deno task outdated`: lists the dependencies of deno.json that have a newer version, one a line, and exits with 1 if
 * there are any. It uses the registry that npm is configured for (.npmrc, NPM_CONFIG_REGISTRY), like `deno outdated`.
 */

/** A dependency with a newer version. */
export interface Outdated {
  readonly name: string;
  readonly current: string;
  readonly latest: string;
}

/** Parses the table that `deno outdated` prints without colours. */
export function parseOutdated(table: string): Outdated[] {
  return table.split("\n").flatMap((line) => {
    const cells = line.split("│").map((cell) => cell.trim()).filter((cell) => cell !== "");
    const [name = "", current = "", , latest = ""] = cells;
    if (!/^(npm|jsr):/.test(name) || current === latest) return [];
    return [{ name: name.replace(/ \(.*\)$/, ""), current, latest }];
  });
}

if (import.meta.main) {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["outdated"],
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder();
  const write = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  if (!success) {
    write(`Cannot ask for newer versions: ${text.decode(stderr).trim()}`);
    Deno.exit(2);
  }
  const outdated = parseOutdated(text.decode(stdout));
  for (const { name, current, latest } of outdated) write(`${name} ${current} -> ${latest}`);
  if (outdated.length === 0) write("All dependencies are at their newest version");
  Deno.exit(outdated.length === 0 ? 0 : 1);
}
