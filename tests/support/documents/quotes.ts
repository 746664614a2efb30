const ROOT = new URL("../../../", import.meta.url);

/** Where a file is quoted in a document. */
const PLACE = /(<!-- quote (\S+), by deno task generate -->\n```\w+\n)[^]*?(```\n<!-- end -->)/g;

/** The document with each file as it is now, in the blocks that quote it. */
export async function quoteFiles(document: string): Promise<string> {
  const files = new Map<string, string>();
  for (const [, , path = ""] of document.matchAll(PLACE)) {
    files.set(path, await Deno.readTextFile(new URL(path, ROOT)));
  }
  return document.replace(
    PLACE,
    (_, head: string, path: string, end: string) => head + files.get(path) + end,
  );
}
