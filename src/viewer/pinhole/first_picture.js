// @ts-check
/** The promise of a player's `start()`. @module */
/** @typedef {import("../pinhole.d.ts").PlayerProblem} PlayerProblem */

/** The player gave up before the first picture. */
export class PinholeError extends Error {
  /** @override @type {"PinholeError"} */
  name = "PinholeError";

  /** @param {PlayerProblem} problem */
  constructor(problem) {
    super(problem.message);
    this.problem = problem;
  }

  get code() {
    return this.problem.code;
  }
}

/** Promise of the first picture after the player was started. */
export class FirstPicture {
  /** @type {() => void} */
  #resolve = () => {};
  /** @type {(reason: unknown) => void} */
  #reject = () => {};

  constructor() {
    /** @type {Promise<void>} */
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Pages that do not wait for it must not get an unhandled rejection.
    this.promise.catch(() => {});
  }

  came() {
    this.#resolve();
  }

  /**
   * Does nothing after the first picture.
   * @param {PlayerProblem | null} problem What ended the player; `null`: the page stopped it.
   */
  missed(problem) {
    this.#reject(
      problem
        ? new PinholeError(problem)
        : new DOMException("The player was stopped before the first picture", "AbortError"),
    );
  }
}
