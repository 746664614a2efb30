/**
 * An expected failure with a literal code. Each part of the program has one subclass, so that codes can be mapped to
 * HTTP statuses, WebSocket close codes and exit codes in one table.
 */
export class AppError<Code extends string = string> extends Error {
  /** Stable, machine-readable name of the failure. */
  readonly code: Code;

  /**
   * @param code Stable name of the failure.
   * @param message Text for people: names the thing, the value and the fix.
   */
  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The message of anything that was thrown, without its stack. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
