import assert from "assert";
import { formatTable } from "../support/documents/client_reference.ts";

const DECLARATIONS = `
/** Something. */
export interface Options {
  /** Takes the
   * stream of {@link Player.start}. */
  video: HTMLVideoElement;
  /** One | other. */
  readonly "with-dash"?: "one" | "other";
  /** Called with a report. */
  changed?: (report: string) => void;
}

export declare class Player extends EventTarget {
  /** @throws {TypeError} When there is none. */
  constructor(options: Options);
  /** Sends.
   * @returns Whether it was sent. */
  send(data: string | ArrayBuffer, more?: number): boolean;
  undocumented: string;
}
`;

Deno.test("formatTable: has a row for each member that is documented", () => {
  assert.equal(
    formatTable("Options", DECLARATIONS),
    "| name | type | meaning |\n| --- | --- | --- |\n" +
      "| `video` | `HTMLVideoElement` | Takes the stream of `Player.start`. |\n" +
      '| `with-dash` | `"one" \\| "other"` | One \\| other. |\n' +
      "| `changed` | `(report: string) => void` | Called with a report. |\n",
  );
  assert.equal(
    formatTable("Player", DECLARATIONS),
    "| name | type | meaning |\n| --- | --- | --- |\n" +
      "| `send(data, more)` | `boolean` | Sends. Returns: Whether it was sent. |\n",
  );
  assert.throws(() => formatTable("Nothing", DECLARATIONS), Error);
});
