// @ts-check
/** What `start()` of a player promises. @module */
/** @typedef {import("../pinhole.d.ts").PlayerProblem} PlayerProblem */

/** Why there will be no picture. */
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

/** The first picture since the player was started: it comes, or it does not. */
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
    // Pages that do not wait for it must not see an unhandled rejection.
    this.promise.catch(() => {});
  }

  came() {
    this.#resolve();
  }

  /**
   * Does nothing when the picture has come.
   * @param {PlayerProblem | null} problem What ended the player; `null`: the page has stopped it.
   */
  missed(problem) {
    this.#reject(
      problem
        ? new PinholeError(problem)
        : new DOMException("The player was stopped before the first picture", "AbortError"),
    );
  }
}
