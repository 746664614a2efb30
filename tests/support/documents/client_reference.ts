const ROOT = new URL("../../../", import.meta.url);
const TYPES = ["pinhole.d.ts", "pinhole_player.d.ts"] as const;

/** Where a table stands in the document, and the declaration that it is made from. */
const PLACE = /(<!-- of (\w+), by deno task generate -->\n)[^]*?(<!-- end -->)/g;

/** A member of a declaration: its comment, name, parameters of a method, and type. */
const MEMBER =
  /^ {2}\/\*\*((?:(?!\*\/)[^])*)\*\/\n {2}(?:readonly )?"?([\w-]+)"?\??(\([^()]*\))?: ([^;]*);$/gm;

/** `docs/client.md` with the tables that its declarations make. */
export async function formatClientReference(): Promise<string> {
  const document = await Deno.readTextFile(new URL("docs/client.md", ROOT));
  const files = TYPES.map((name) => Deno.readTextFile(new URL(`src/viewer/${name}`, ROOT)));
  const declarations = (await Promise.all(files)).join("\n");
  return document.replace(
    PLACE,
    (_, head: string, name: string, end: string) => head + formatTable(name, declarations) + end,
  );
}

/**
 * The table of the members of an interface or class.
 * @throws {Error} When there is none of that name.
 */
export function formatTable(name: string, declarations: string): string {
  const start = new RegExp(`^export (?:declare )?(?:interface|class) ${name}\\b`, "m")
    .exec(declarations)?.index;
  if (start === undefined) throw new Error(`No interface or class ${name} is declared`);
  const body = declarations.slice(start, declarations.indexOf("\n}\n", start) + 1);
  const rows = Array.from(
    body.matchAll(MEMBER),
    ([, comment = "", member, parameters, type = ""]) => {
      const shown = parameters === undefined ? member : `${member}(${namesOf(parameters)})`;
      return `| \`${shown}\` | ${formatType(type)} | ${formatComment(comment)} |\n`;
    },
  );
  return `| name | type | meaning |\n| --- | --- | --- |\n${rows.join("")}`;
}

function namesOf(parameters: string): string {
  return Array.from(parameters.matchAll(/(\w+)\??:/g), ([, name]) => name).join(", ");
}

/** An event's value is what interests of its type. */
function formatType(type: string): string {
  const value = /^CustomEvent<(.*)>$/.exec(type)?.[1] ?? type;
  return `\`${value.replaceAll(/\s+/g, " ").replaceAll("|", "\\|")}\``;
}

/** The text of a comment in one line, with what its tags say behind it. */
function formatComment(comment: string): string {
  return comment.replaceAll(/^\s*\*? ?/gm, "").replaceAll(/\s+/g, " ").trim()
    .replaceAll(/\{@link ([\w.]+)\}/g, "`$1`")
    .replaceAll("@deprecated ", "")
    .replaceAll("@returns ", "Returns: ")
    .replaceAll(/@throws \{(\w+)\} /g, "Throws `$1`: ")
    .replaceAll("|", "\\|");
}
