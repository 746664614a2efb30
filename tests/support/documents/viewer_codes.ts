import { ERROR_CODE_NAMES, ERROR_CODES, type ErrorCodeInfo } from "../../../src/base/codes.ts";

const infos: [code: string, info: ErrorCodeInfo][] = Object.entries(ERROR_CODES);

/** `src/viewer/pinhole/codes.js`: what the browser client knows of the server's error codes. */
export function formatViewerCodes(): string {
  const fatal = infos.filter(([, { isFatal }]) => isFatal).map(([code]) => `  "${code}",\n`);
  const closing = infos.filter(([, { isCloseDefault }]) => isCloseDefault)
    .sort(([, one], [, other]) => one.closeCode - other.closeCode)
    .map(([code, { closeCode }]) => `  ${closeCode}: "${code}",\n`);
  const words = infos.map(([code, { words }]) => `  ${code}: ${JSON.stringify(words)},\n`);
  return `// @ts-check
/** The server's error codes. Made from src/base/codes.ts by \`deno task generate\`. @module */

/** Codes that the next try would meet again. */
export const FATAL_CODES = [
${fatal.join("")}];

/**
 * What a close code means when no error message came before it.
 * @type {Readonly<Record<number, string>>}
 */
export const CODE_OF_CLOSE = {
${closing.join("")}};

/** For refusals whose reason did not arrive. @type {Readonly<Record<string, string>>} */
export const SERVER_WORDS = {
${words.join("")}};
`;
}

/** The declaration of {@link ERROR_CODES} in `src/viewer/pinhole.d.ts`, between its neighbours there. */
const DECLARATION = /(export type ServerErrorCode =\n)(?: {2}\| "\w+";?\n)+/;

/** `src/viewer/pinhole.d.ts` with the server's codes of today. @param found The file as it is. */
export function formatViewerTypes(found: string): string {
  if (!DECLARATION.test(found)) throw new Error("pinhole.d.ts declares no ServerErrorCode");
  const codes = ERROR_CODE_NAMES.map((code) => `  | "${code}"`).join("\n");
  return found.replace(DECLARATION, `$1${codes};\n`);
}
