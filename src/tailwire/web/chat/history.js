// The open conversation, or an open thread: its messages, and reading more of them.

import { query } from "./api.js";
import { isShown, textOf } from "./messages.js";
import { Repeated } from "./retry.js";
import * as timeline from "./timeline.js";

export class History {
  /**
   * @param {(path: string) => Promise<object[]>} get request a list
   * @param {string} path of the list
   * @param {object} about key, kind, id, me, and for a thread its parent
   */
  constructor(get, path, about, onChange) {
    Object.assign(this, { get, path, onChange, ...about, line: timeline.empty(about.me), error: null, moving: "" });
    Object.assign(this, { turn: 0, asked: 0, jumps: 0 });
    this.loading = new Repeated(() => this.#newest(), (error) => this.#failed(error));
    this.stale = new Set();
    this.fresh = new Repeated(() => this.#refresh(), () => {});
  }

  /** Read the newest messages, also again. */
  load() {
    this.error = null;
    this.asked = this.turn;
    this.loading.run();
  }

  stop() {
    this.loading.stop();
    this.fresh.stop();
  }

  /** Change the line by a function of timeline.js. */
  change(how, ...more) {
    const line = how(this.line, ...more);
    if (line === this.line) return;
    this.line = line;
    this.onChange();
  }

  /** Whether a message is in the part that is shown. */
  has(id) {
    return this.#shown(id) !== undefined;
  }

  /** Read a message again, because something that belongs to it has changed. */
  refresh(id) {
    if (!this.has(id)) return;
    this.stale.add(String(id));
    clearTimeout(this.soon);
    this.soon = setTimeout(() => this.fresh.run(), 100);
  }

  /** Put a message as the server answered it. It is read again if the answer may be older than what is shown. */
  put(message) {
    const before = this.#shown(message.id);
    if (!before) return;
    this.change(timeline.withFresh, message);
    // Edits in one second have the same time.
    if (this.#shown(message.id) !== message || textOf(before) !== textOf(message)) this.refresh(message.id);
  }

  older() {
    return this.#more("older", "hasOlder", () => ({ affix: "prepend", id: this.line.from || undefined }));
  }

  newer() {
    return this.#more("newer", "hasNewer", () => ({ affix: "append", id: this.line.until || undefined }));
  }

  /** Show the part of the history around a message. Return whether it is shown now: something else may have been asked for meanwhile. */
  async around(id) {
    const { turn } = this;
    const jump = this.jumps += 1;
    if (this.has(id)) return true;
    const before = await this.#page({ affix: "prepend", id });
    const { live } = this.line;
    const after = await this.#page({ affix: "append", id: Number(id) - 1 });
    if (turn !== this.turn || jump !== this.jumps) return false;
    const late = this.#cameSince(live, after);
    this.#renew();
    this.change(timeline.withPage, [...before, ...after], "around", after.length >= timeline.PAGE || late);
    if (late) this.newer();
    return this.has(id);
  }

  /** Drop all that was read. */
  forget() {
    this.#renew();
    this.line = timeline.empty(this.me);
    this.stale.clear();
    this.onChange();
  }

  /** Return to the newest messages. */
  latest() {
    this.#renew();
    this.line = timeline.empty(this.me, { delivered: this.line.delivered, read: this.line.read });
    this.load();
    this.onChange();
  }

  // Another part is shown from now on: answers for the one before are dropped, because they would leave a gap.
  #renew() {
    this.turn += 1;
    this.moving = "";
  }

  #shown(id) {
    return this.line.messages.find((one) => one.id === String(id));
  }

  // Whether a live message has come since `live` that the page at the end, which was under way, may lack.
  #cameSince(live, page) {
    return this.line.live > live && this.line.live > Number(page.at(-1)?.id ?? 0);
  }

  #page(asked) {
    return this.get(`${this.path}${query({ per_page: timeline.PAGE, hideReplies: this.parent ? undefined : 1, ...asked })}`);
  }

  async #newest() {
    const turn = this.asked;
    if (turn !== this.turn) return;  // another part is shown meanwhile
    const { live } = this.line;
    const page = await this.#page({ affix: "prepend" });
    if (turn !== this.turn) return;
    this.error = null;
    const late = this.line.hasNewer && this.#cameSince(live, page);
    if (this.line.hasNewer) this.#renew();
    this.change(timeline.withPage, page, "newest", page.length >= timeline.PAGE, late);
    if (late) this.newer();
    if (!page.some(isShown)) this.older();
  }

  // Notes of edits and deletions are rows of the list, and not shown: a page of nothing else is followed by the next one.
  async #more(where, has, next) {
    if (this.moving || !this.line[has]) return;
    const { turn } = this;
    this.moving = where;
    this.onChange();
    try {
      for (let again = true; again && this.line[has];) {
        const { live } = this.line;
        const asked = next();
        const page = await this.#page(asked);
        if (turn !== this.turn) return;
        const late = where === "newer" && this.#cameSince(live, page);
        this.change(timeline.withPage, page, where, page.length >= timeline.PAGE || late);
        again = late || (!page.some(isShown) && next().id !== asked.id);
      }
    } catch (error) {
      if (turn !== this.turn) return;
      this.error = error;
    }
    this.moving = "";
    this.onChange();
  }

  async #refresh() {
    if (this.stale.size > timeline.PAGE) {
      this.stale.clear();
      this.load();
      return;
    }
    for (const id of [...this.stale]) {
      this.stale.delete(id);  // before the request: what changes meanwhile is read again
      const before = this.#shown(id);
      try {
        const message = await this.get(`/messages/${id}`);
        if (this.#shown(id) === before) this.change(timeline.withFresh, message);
        else this.refresh(id);
      } catch (error) {
        if (!error.passing) continue;
        this.stale.add(id);
        throw error;
      }
    }
  }

  #failed(error) {
    this.error = error;
    this.onChange();
  }
}
