import { listFiles } from "./files.ts";

/** The fields of package.json that are used. */
interface Package {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly author?: string | { readonly name?: string };
  readonly repository?: string | { readonly url?: string };
}

/** Names of files with a licence or a required notice. */
const LICENCE_FILE = /^(?:licen[cs]e|copying|unlicense|notice)(?:[-.][\w.-]+)?$/i;

const RULE = `${"=".repeat(80)}\n`;

/**
 * The licences of every package in a folder of packages, as one text. A package without a licence file is listed with
 * the licence in its package.json.
 * @param packages Path of a node_modules folder.
 */
export async function collectLicences(packages: string): Promise<string> {
  const sections: string[] = [];
  for (const folder of await findPackages(packages)) {
    sections.push(await describe(folder));
  }
  return sections.join(RULE);
}

/** Version of one package in a folder of packages. */
export async function readPackageVersion(packages: string, name: string): Promise<string> {
  return (await readPackage(`${packages}/${name}`)).version;
}

/** Folders of packages, including nested ones, but without other package.json files in a package. */
async function findPackages(packages: string): Promise<string[]> {
  const folder = /(?:^|\/)node_modules\/(?:@[^/]+\/)?[^/]+$/;
  return (await listFiles(packages))
    .filter((path) => path.endsWith("/package.json"))
    .map((path) => `${packages}/${path.slice(0, path.lastIndexOf("/"))}`)
    .filter((path) => folder.test(path))
    .sort();
}

async function readPackage(folder: string): Promise<Package> {
  return JSON.parse(await Deno.readTextFile(`${folder}/package.json`));
}

async function describe(folder: string): Promise<string> {
  const { name, version, license = "none declared", author, repository } = await readPackage(
    folder,
  );
  const source = typeof repository === "string" ? repository : repository?.url;
  const maker = typeof author === "string" ? author : author?.name;
  const facts = [`${name} ${version}`, `Licence: ${license}`];
  if (source !== undefined) facts.push(`Source: ${source.replace(/^git\+/, "")}`);
  const texts: string[] = [];
  for await (const { name: file, isFile } of Deno.readDir(folder)) {
    if (isFile && LICENCE_FILE.test(file)) texts.push(file);
  }
  if (texts.length === 0) {
    if (maker !== undefined) facts.push(`Author: ${maker}`);
    facts.push("The package has no licence file; its source has.");
  }
  let text = `${facts.join("\n")}\n\n`;
  for (const file of texts.sort()) {
    text += `${(await Deno.readTextFile(`${folder}/${file}`)).trim()}\n\n`;
  }
  return text;
}
