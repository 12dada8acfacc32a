// Messages that are on their way: sent one after the other, each with an id of its own (`muid`), so that a repeated
// request stores it once. Texts survive a reload of the page; files do not, because a page may not keep them.

import { Refused } from "./api.js";
import { backoff } from "./retry.js";

const MOST_WAITING = 200;

export class Outbox {
  /**
   * @param {object} options send(entry, progress): sends one, returns the message; onSent(message, entry); onChange();
   *   store: as sessionStorage; name: of its entry there
   */
  constructor(options) {
    Object.assign(this, options, { failures: 0, timer: 0, busy: null, stopped: false });
    this.entries = this.#restored();
    this.kick = () => this.#next();
    addEventListener("online", this.kick);
    this.#next();
  }

  /** Add a message: {key, kind, id, parent, text, file}. Return whether there is room for it. */
  add(message) {
    if (this.entries.length >= MOST_WAITING) return false;
    this.entries = [...this.entries, { ...message, muid: crypto.randomUUID?.() ?? String(Math.random()).slice(2), state: "waiting", at: Date.now() / 1000, part: 0 }];
    this.#changed();
    this.#next();
    return true;
  }

  /** Try one again that was refused. */
  retry(muid) {
    this.#update(muid, { state: "waiting", error: null });
    this.#next();
  }

  /** Forget one; cancel the upload of a file. A text whose request is under way, or was not answered, may be sent all the same. */
  remove(muid) {
    if (this.busy?.muid === muid) this.busy.cancel.abort();
    this.#drop(muid);
  }

  /** Whether an attempt has failed, and what waits is tried again. */
  get stuck() {
    return this.failures > 0;
  }

  /** Drop all of it, because the person logs out. */
  forget() {
    this.entries = [];
    this.store.removeItem(this.name);
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    removeEventListener("online", this.kick);
    this.busy?.cancel.abort();
  }

  async #next() {
    clearTimeout(this.timer);
    const entry = this.entries.find((one) => one.state === "waiting");
    if (!entry || this.busy || this.stopped) return;
    const cancel = new AbortController();
    this.busy = { muid: entry.muid, cancel };
    let wait = 0;
    try {
      const message = await this.send(entry, (part) => this.#update(entry.muid, { part }), cancel.signal);
      this.failures = 0;
      if (this.stopped) return;
      this.#drop(entry.muid);
      this.onSent(message, entry);
    } catch (error) {
      if (this.stopped || error.name === "AbortError") wait = 0;
      else if (error instanceof Refused && error.passing) {
        this.failures += 1;
        wait = Math.max(error.wait, backoff(this.failures));
        this.#update(entry.muid, { part: 0 });
      } else this.#update(entry.muid, { state: "failed", error: { code: error.code ?? "", message: error.message } });
    }
    this.busy = null;
    if (wait) this.timer = setTimeout(() => this.#next(), wait * 1000);
    else this.#next();
  }

  #update(muid, changes) {
    this.entries = this.entries.map((one) => (one.muid === muid ? { ...one, ...changes } : one));
    this.#changed();
  }

  #drop(muid) {
    this.entries = this.entries.filter((one) => one.muid !== muid);
    this.#changed();
  }

  #restored() {
    try {
      const kept = JSON.parse(this.store.getItem(this.name) ?? "[]");
      return Array.isArray(kept) ? kept.filter((one) => one?.muid && one.key) : [];
    } catch {
      return [];
    }
  }

  #changed() {
    this.store.setItem(this.name, JSON.stringify(this.entries.filter((one) => !one.file)));
    this.onChange();
  }
}
