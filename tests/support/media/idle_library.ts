import { type LogFields, type Logger, NULL_LOGGER } from "../../../src/base/log.ts";
import type { RawFrame } from "../../../src/media/frame.ts";
import { IdleLibrary, type IdleLibraryOptions } from "../../../src/media/idle/idle_library.ts";
import type { Size } from "./idle_media.ts";

/** A folder for test files, and libraries over them. Disposing of it closes the libraries and removes the folder. */
export class IdleFiles implements AsyncDisposable {
  readonly #folder = Deno.makeTempDirSync({ prefix: "idle" });
  readonly #libraries: IdleLibrary[] = [];

  /** Path of a file, which need not exist. */
  path(name: string): string {
    return `${this.#folder}/${name}`;
  }

  /** Writes a file and the folders above it. @returns Its path. */
  async write(name: string, data: Uint8Array): Promise<string> {
    const path = this.path(name);
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    await Deno.writeFile(path, data);
    return path;
  }

  /** Opens a library. Default: no sources, and a log that goes nowhere. */
  library(options: Partial<IdleLibraryOptions>): IdleLibrary {
    const library = new IdleLibrary({ sources: {}, log: NULL_LOGGER, ...options });
    this.#libraries.push(library);
    return library;
  }

  /** The first picture of a source. */
  async firstPicture(source: string, size: Size): Promise<RawFrame> {
    const clip = await this.library({ source }).clip(undefined, { ...size, fps: 25 });
    if (clip.name !== "default") throw new Error(`Cannot show ${source}`);
    return clip.frameAt(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const library of this.#libraries) await library.close();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** Keeps the events that it is given. */
export class RecordingLog implements Logger {
  readonly #fields: LogFields;
  /** In order, those of its children among them. */
  readonly events: { readonly event: string; readonly fields: LogFields }[];

  constructor(
    { fields = {}, events = [] }: {
      fields?: LogFields;
      events?: { event: string; fields: LogFields }[];
    } = {},
  ) {
    this.#fields = fields;
    this.events = events;
  }

  debug(event: string, fields?: LogFields): void {
    this.#add(event, fields);
  }

  info(event: string, fields?: LogFields): void {
    this.#add(event, fields);
  }

  warn(event: string, fields?: LogFields): void {
    this.#add(event, fields);
  }

  error(event: string, fields?: LogFields): void {
    this.#add(event, fields);
  }

  child(fields: LogFields): Logger {
    return new RecordingLog({ fields: { ...this.#fields, ...fields }, events: this.events });
  }

  /** Fields of the events of this name, in order. */
  all(event: string): readonly LogFields[] {
    return this.events.filter((each) => each.event === event).map(({ fields }) => fields);
  }

  #add(event: string, fields: LogFields = {}): void {
    this.events.push({ event, fields: { ...this.#fields, ...fields } });
  }
}

/** Luma of one pixel of an I420 frame. */
export function lumaAt({ planes: [luma] }: RawFrame, x: number, y: number): number {
  return luma?.data[y * luma.strideBytes + x] ?? NaN;
}
