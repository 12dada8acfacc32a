// Waiting between attempts, as the SDK waits: longer each time, with chance, and never less than the server asks.

import { Refused } from "./api.js";

const LONGEST_SECONDS = 20;

/** Return the seconds to wait after a number of failures in a row: between a quarter of c and c = min(20, 2^n). */
export function backoff(failures, chance = Math.random()) {
  const longest = Math.min(LONGEST_SECONDS, 2 ** failures);
  return longest / 4 + chance * longest * 0.75;
}

/**
 * Runs a task until it succeeds: asked for again while it runs, it runs once more. A failure that may pass is repeated
 * after a wait; any other one is given to `onRefused`. `passing(error)`: whether a failure may pass.
 */
export class Repeated {
  constructor(task, onRefused = () => {}, passing = (error) => error.passing) {
    Object.assign(this, { task, onRefused, passing, running: false, wanted: false, failures: 0, timer: 0, stopped: false });
  }

  /** Run the task soon; at once, if it only waits for its next attempt. */
  run() {
    this.wanted = true;
    if (!this.running && !this.stopped) this.#attempt();
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  async #attempt() {
    clearTimeout(this.timer);
    this.running = true;
    this.wanted = false;
    try {
      await this.task();
      this.failures = 0;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (this.passing(error) && !this.stopped) {
        this.failures += 1;
        this.timer = setTimeout(() => this.run(), 1000 * Math.max(error.wait, backoff(this.failures)));
      } else {
        this.onRefused(error);
      }
    } finally {
      this.running = false;
    }
    if (this.wanted && !this.stopped) this.#attempt();
  }
}
