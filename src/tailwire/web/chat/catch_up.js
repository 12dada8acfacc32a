// What was missed without a connection: read by message id, page by page, before anything live is applied.
//
// Message ids are in the order of the server's commits, so "everything after id N" is complete. What is not a message
// (a reaction, a receipt) is listed alongside the messages, by the numbers of the server's log of changes.

import { query } from "./api.js";
import { Repeated } from "./retry.js";

const PAGE = 100;
const AT_MOST = 1000;
const MAX_HELD = 2000;
const MAX_REMEMBERED = 2000;
const HOLE_MS = 500;

export class CatchUp {
  /**
   * @param {(path: string) => Promise<object>} get request a page of history, with its `meta`
   * @param {object} told onMessage(message), onChange(frame), onGap(): too much was missed, so that all is to be read again;
   *   onLost(): the server's store went back: messages may be gone, and others get their ids;
   *   onDone(): nothing is missing now; onBusy(busy); onRefused(error): it cannot be read
   */
  constructor(get, told) {
    Object.assign(this, { get, told, position: null, held: null, seen: new Set(), hole: 0 });
    // Only the server's own answer ends it: nothing live is shown before what was missed.
    this.reading = new Repeated(() => this.#read(), (error) => this.#refused(error), (error) => error.passing || !error.code);
  }

  /** Begin, because a connection is there. Live frames are held until the end. */
  begin() {
    this.held ??= [];
    this.told.onBusy(true);
    this.reading.run();
  }

  /** The connection is gone: what was held is dropped, because the next catch-up reads it. */
  pause() {
    if (this.held) this.held = [];
    this.#forgetHole();
  }

  stop() {
    this.reading.stop();
    this.#forgetHole();
  }

  #forgetHole() {
    clearTimeout(this.hole);
    this.hole = 0;
  }

  /** Take a live frame. */
  live(frame) {
    if (this.held) {
      if (this.held.length < MAX_HELD) this.held.push(frame);
      else this.reading.run();  // what does not fit is read afterwards
      return;
    }
    this.#apply(frame);
  }

  /** Remember a message that this page sent: a later one may name it. */
  sent(id) {
    this.#remember(Number(id));
  }

  #apply(frame) {
    if (frame.type !== "message") {
      if (frame.settled && this.position) this.position.changes = Math.max(this.position.changes, frame.settled);
      this.told.onChange(frame);
      return;
    }
    const id = Number(frame.body?.id);
    if (!Number.isSafeInteger(id)) return;
    const before = Number(frame.before) || 0;
    if (before > this.position.floor && !this.seen.has(before)) this.#missing(before);
    if (this.seen.has(id)) return;
    this.#remember(id);
    if (!this.hole) this.position.id = Math.max(this.position.id, id);
    this.told.onMessage(frame.body);
  }

  // The message before a live one has not come: it comes late, is our own whose answer is awaited, or was lost.
  #missing(before) {
    this.hole ||= setTimeout(() => {
      this.hole = 0;
      if (this.held || this.seen.has(before)) return;
      this.begin();
    }, HOLE_MS);
  }

  #remember(id) {
    this.seen.add(id);
    if (this.seen.size > MAX_REMEMBERED) {
      const [oldest] = this.seen;
      this.seen.delete(oldest);
      if (this.position) this.position.floor = Math.max(this.position.floor, oldest);
    }
  }

  async #start() {
    const { data, meta } = await this.get(`/messages${query({ per_page: 1, affix: "prepend", mark: "none", changes: "none" })}`);
    const id = Math.max(Number(data.at(-1)?.id ?? 0), meta.changes?.until ?? 0);
    this.position = { id, floor: id, mark: meta.mark ?? "none", changes: meta.changes?.known ?? 0 };
  }

  async #read() {
    if (!this.position) {
      await this.#start();
      this.told.onGap();
    }
    for (let more = true; more;) {
      const { id, mark, changes } = this.position;
      const asked = { per_page: PAGE, affix: "append", id, mark, changes, atMost: AT_MOST };
      const { data, meta } = await this.get(`/messages${query(asked)}`);
      const { listed = [], gap, lost, known = changes } = meta.changes ?? {};
      if (gap || lost || meta.pruned) this.told.onGap();
      this.#take(data, listed);
      this.position.id = Math.max(id, Number(data.at(-1)?.id ?? 0), gap ? gap.to : 0);
      this.position.changes = known;
      this.position.mark = meta.mark ?? mark;
      more = data.length >= PAGE || Boolean(meta.changes?.more);
    }
    this.position.floor = Math.max(this.position.floor, this.position.id);
    if (this.reading.wanted) return;  // connected again meanwhile: live messages wait for another reading
    const held = this.held ?? [];
    this.held = null;
    for (const frame of held) this.#apply(frame);
    this.told.onBusy(false);
    this.told.onDone();
  }

  // In the order in which they happened: a change names the message after which it did.
  #take(messages, changes) {
    const rest = [...changes];
    for (const message of messages) {
      while (rest.length && rest[0].after < Number(message.id)) this.told.onChange(rest.shift());
      const id = Number(message.id);
      if (this.seen.has(id) || typeof message.data !== "object") continue;
      this.#remember(id);
      this.told.onMessage(message);
    }
    rest.forEach((change) => this.told.onChange(change));
  }

  #refused(error) {
    if (error.code !== "ERR_POSITION_UNKNOWN") {
      this.told.onRefused(error);
      return;
    }
    this.position = null;  // the server's store went back: begin again where it is now
    this.seen.clear();
    this.told.onLost();
    this.reading.run();
  }
}
