import { type CommandName, COMMANDS, type CommandSpec } from "./commands.ts";
import type { OptionSpecs } from "./options.ts";

const COLUMNS = 80;
/** Column where descriptions start. */
const HELP_COLUMN = 21;

const FOOTER =
  `Environment variables PINHOLE_<SECTION>_<KEY> override the keys of the configuration.
Exit codes: 0 done, 1 failed at run time, 2 bad usage or bad configuration.
`;

/**
 * Formats `pinhole --help` or `pinhole COMMAND --help`.
 * @param name The command; absent for all.
 */
export function formatHelp(name?: CommandName): string {
  if (name !== undefined) return formatCommandHelp(name, COMMANDS[name]);
  const commands = Object.entries<CommandSpec>(COMMANDS).map(([command, { usage, summary }]) =>
    formatRow(`${command} ${usage}`.trimEnd(), summary)
  );
  return `Pinhole streams frames of a CUDA renderer library to browsers over WebRTC,
through a few fixed UDP ports, without STUN and TURN.

Usage: pinhole [COMMAND] [OPTIONS]

${commands.join("\n")}

  pinhole COMMAND --help   options of the command
  pinhole --version

${FOOTER}`;
}

function formatCommandHelp(name: CommandName, { usage, summary, options }: CommandSpec): string {
  const sentence = `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
  return `Usage: pinhole ${[name, usage, "[OPTIONS]"].filter((part) => part !== "").join(" ")}

${sentence}

${formatOptions(options)}

${FOOTER}`;
}

function formatOptions(options: OptionSpecs): string {
  return Object.entries(options).map(([name, spec]) =>
    formatRow([name, spec.value ?? ""].join(" ").trimEnd(), spec.help)
  ).join("\n");
}

/** Formats a name with its description, wrapped; a long name gets a separate line. */
function formatRow(name: string, meaning: string): string {
  const lines: string[] = [];
  let line = `  ${name}`;
  if (line.length > HELP_COLUMN - 2) {
    lines.push(line);
    line = "";
  }
  line = line.padEnd(HELP_COLUMN - 1);
  for (const word of meaning.split(" ")) {
    if (line.length + 1 + word.length > COLUMNS) {
      lines.push(line);
      line = " ".repeat(HELP_COLUMN - 1);
    }
    line += ` ${word}`;
  }
  return [...lines, line].join("\n");
}
