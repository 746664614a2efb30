import { fileURLToPath } from "node:url";
import { eventually } from "../deadline.ts";

const PYTHON_MODULES = fileURLToPath(new URL("../../../deploy/python/", import.meta.url));
const NUMPY_FOLDER = fileURLToPath(new URL("../../.cache/python/", import.meta.url));
/** Where Python finds the module of the bridge, and NumPy where the host has none. */
export const PYTHON_PATH = [PYTHON_MODULES, NUMPY_FOLDER].join(":");
const PYTHON_SCRIPTS = fileURLToPath(new URL("../../testdata/bridge/", import.meta.url));

/** A Python program that writes to a bridge. It says lines of JSON on its standard output. */
export class PythonWriter implements AsyncDisposable {
  readonly lines: Record<string, unknown>[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  #words = "";

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#reading = Promise.all([this.#readLines(), this.#readWords()]).then(() => {});
  }

  /** Starts a script of testdata/bridge, or of deploy/python. */
  static start(script: string, ...args: readonly string[]): PythonWriter {
    const path = script.includes("example") ? PYTHON_MODULES : PYTHON_SCRIPTS;
    const child = new Deno.Command("python3", {
      args: ["-u", `${path}${script}`, ...args],
      env: {
        PYTHONPATH: PYTHON_PATH,
        PYTHONDONTWRITEBYTECODE: "1",
      },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    return new PythonWriter(child);
  }

  get pid(): number {
    return this.#child.pid;
  }

  get status(): Promise<Deno.CommandStatus> {
    return this.#child.status;
  }

  /** What it wrote to its standard error. */
  get words(): string {
    return this.#words;
  }

  /** Waits for a line that has a field of that name. @returns The field. */
  async hear(field: string): Promise<unknown> {
    const find = () => this.lines.find((line) => field in line);
    const what = () => `for the Python program to say "${field}"; it said ${this.#words}`;
    await eventually(() => find() !== undefined, { what });
    return find()?.[field];
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#child.status;
    await this.#reading;
  }

  async #readLines(): Promise<void> {
    let rest = "";
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.startsWith("{")) this.lines.push(JSON.parse(line));
    }
  }

  async #readWords(): Promise<void> {
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      this.#words += text;
    }
  }
}

/** Whether Python has NumPy, from the host or from a copy that is fetched once for the tests. */
export async function hasNumpy(): Promise<boolean> {
  if (await canImportNumpy()) return true;
  const partial = await Deno.makeTempDir();
  const { success } = await new Deno.Command("python3", {
    args: [
      ...["-m", "pip", "install", "--quiet", "--disable-pip-version-check"],
      ...["--retries", "1", "--timeout", "15", "--target", partial, "numpy"],
    ],
    stdout: "null",
    stderr: "null",
  }).output();
  if (success) {
    await Deno.mkdir(NUMPY_FOLDER, { recursive: true });
    await new Deno.Command("cp", { args: ["-r", `${partial}/.`, NUMPY_FOLDER] }).output();
  }
  await Deno.remove(partial, { recursive: true });
  return await canImportNumpy();
}

async function canImportNumpy(): Promise<boolean> {
  const { success } = await new Deno.Command("python3", {
    args: ["-c", "import numpy"],
    env: { PYTHONPATH: NUMPY_FOLDER },
    stdout: "null",
    stderr: "null",
  }).output();
  return success;
}
