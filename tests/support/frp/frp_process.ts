const LINES_SHOWN = 40;

/** A program such as frps or frpc, with what it has logged. Several processes may follow one another. */
export class FrpProcess {
  readonly #command: readonly [program: string, ...args: string[]];
  readonly #env: Readonly<Record<string, string>>;
  readonly #cwd: string | undefined;
  readonly #lines: string[] = [];
  #running: { readonly child: Deno.ChildProcess; readonly ended: Promise<void> } | undefined;

  constructor(
    command: readonly [program: string, ...args: string[]],
    env: Readonly<Record<string, string>>,
    cwd?: string,
  ) {
    this.#command = command;
    this.#env = env;
    this.#cwd = cwd;
  }

  /** Its log so far, over all its lives. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** The last of the log, as text. */
  get lastWords(): string {
    return this.#lines.slice(-LINES_SHOWN).join("\n");
  }

  /** Starts it. */
  start(): void {
    if (this.#running !== undefined) throw new Error(`${this.#command[0]} runs already`);
    const [program, ...args] = this.#command;
    const child = new Deno.Command(program, {
      args,
      // Neither a token of this shell nor its http_proxy, which frpc would go through.
      clearEnv: true,
      env: this.#env,
      ...(this.#cwd === undefined ? {} : { cwd: this.#cwd }),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const read = [child.stdout, child.stderr].map((stream) => this.#read(stream));
    const ended = Promise.all([child.status, ...read]).then(([{ code, signal }]) => {
      this.#lines.push(`(ended: ${signal ?? `exit code ${code}`})`);
    });
    this.#running = { child, ended };
  }

  /** Ends it without a last word. Idempotent. */
  async kill(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    try {
      running?.child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await running?.ended;
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      this.#lines.push(...lines);
    }
    if (rest !== "") this.#lines.push(rest);
  }
}
