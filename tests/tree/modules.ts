/** The project's root folder, with a slash at its end. */
export const ROOT: string = new URL("../../", import.meta.url).pathname;

/** One module of the project and what it imports, by any kind of import or re-export, types included. */
export interface Module {
  /** Relative to the root, with slashes. */
  readonly path: string;
  /** Modules of the project, relative to the root. */
  readonly imports: readonly string[];
  /** Names of npm packages. */
  readonly packages: readonly string[];
}

interface Resolved {
  readonly specifier?: string;
}

interface GraphModule {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly specifier: string;
    readonly code?: Resolved;
    readonly type?: Resolved;
  }[];
}

/** Path relative to the root of a file URL. */
export function fromFileUrl(url: string): string {
  return new URL(url).pathname.replace(ROOT, "");
}

/** What the tree is grown from: the program, and the tool that writes the generated documents. */
export const ENTRIES = ["main.ts", "tests/support/generate.ts"] as const;

/** Reads every TypeScript module of src and of {@link ENTRIES}, as Deno itself resolves their imports. */
export async function readModules(): Promise<Module[]> {
  const files = ENTRIES.map((entry) => `${ROOT}${entry}`);
  for await (const file of walk(`${ROOT}src`)) if (file.endsWith(".ts")) files.push(file);
  const entry = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    const imports = files.map((file) => `import ${JSON.stringify(`file://${file}`)};`).join("\n");
    await Deno.writeTextFile(entry, imports);
    const { modules } = await graphOf(entry);
    return modules
      .filter(({ specifier }) =>
        specifier.startsWith(`file://${ROOT}`) && specifier.endsWith(".ts")
      )
      .filter(({ specifier }) => !specifier.endsWith(".d.ts"))
      .map(toModule);
  } finally {
    await Deno.remove(entry);
  }
}

async function graphOf(entry: string): Promise<{ modules: readonly GraphModule[] }> {
  const output = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--config", `${ROOT}deno.json`, entry],
    stderr: "piped",
  }).output();
  if (!output.success) throw new Error(new TextDecoder().decode(output.stderr));
  return JSON.parse(new TextDecoder().decode(output.stdout));
}

function toModule({ specifier, dependencies = [] }: GraphModule): Module {
  const imports = new Set<string>();
  const packages = new Set<string>();
  for (const { specifier: written, code, type } of dependencies) {
    for (const target of [code?.specifier, type?.specifier]) {
      if (target?.startsWith("file://")) imports.add(fromFileUrl(target));
      const name = /^npm:\/?(@[^/]+\/[^@/]+|[^@/]+)/.exec(target ?? written)?.[1];
      if (name !== undefined) packages.add(name);
    }
  }
  return { path: fromFileUrl(specifier), imports: [...imports], packages: [...packages] };
}

/** Every file below a folder, by its path; hidden folders, such as caches, are passed over. */
export async function* walk(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory && name.startsWith(".")) continue;
    if (isDirectory) yield* walk(path);
    else yield path;
  }
}
