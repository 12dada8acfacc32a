// Who is writing now: typing indicators, and drafts that grow while an agent writes. Neither is stored anywhere.

const TYPING_MS = 6000;
const SAID_EVERY_MS = 3000;
const DRAFT_MS = 15_000;
const MAX_TYPISTS = 50;
const MAX_DRAFTS = 50;
const MAX_TEXT = 8192;

export class Writing {
  constructor(onChange) {
    Object.assign(this, { onChange, typists: new Map(), drafts: new Map() });
  }

  /** Return the names of those who type in a conversation. */
  typing(key) {
    return [...this.typists.values()].filter((one) => one.key === key).map((one) => one.name);
  }

  /** Return the drafts in a conversation: {name, uid, text, cut, id}. */
  draftsIn(key) {
    return [...this.drafts.values()].filter((one) => one.key === key);
  }

  /** Take a typing indicator. */
  typed(key, uid, name, started) {
    const at = `${key} ${uid}`;
    if (started) this.#keep(this.typists, at, { key, uid, name }, TYPING_MS, MAX_TYPISTS);
    else this.#drop(this.typists, at);
  }

  /** Take a transient message. It belongs to a draft, or to an app that this page does not know. */
  transient(key, uid, name, data) {
    const { draft: id, seq, text, from = 0 } = data ?? {};
    if (typeof id !== "string" || !id || id.length > 200 || typeof text !== "string" || text.length > MAX_TEXT) return;
    if (!Number.isSafeInteger(seq) || seq < 0) return;
    const at = `${key} ${uid} ${id}`;
    const known = this.drafts.get(at);
    if (known && seq <= known.seq) return;
    if (!text) this.#drop(this.drafts, at);
    else this.#keep(this.drafts, at, { key, uid, name, id, text, seq, cut: from > 0 }, DRAFT_MS, MAX_DRAFTS);
  }

  /** A message ends its draft, and that its sender types. */
  message(key, message) {
    this.#drop(this.typists, `${key} ${message.sender}`);
    const id = message.data?.metadata?.draft;
    if (typeof id === "string") this.#drop(this.drafts, `${key} ${message.sender} ${id}`);
  }

  /** Someone who is gone writes nothing. */
  gone(uid) {
    for (const held of [this.typists, this.drafts]) {
      for (const [at, one] of held) if (one.uid === uid) this.#drop(held, at);
    }
  }

  /** Nothing is known now, because the connection is gone. */
  forget() {
    for (const held of [this.typists, this.drafts]) for (const at of [...held.keys()]) this.#drop(held, at);
  }

  #keep(held, at, one, lasts, most) {
    clearTimeout(held.get(at)?.timer);
    held.delete(at);
    if (held.size >= most) this.#drop(held, held.keys().next().value);
    held.set(at, { ...one, timer: setTimeout(() => this.#drop(held, at), lasts) });
    this.onChange();
  }

  #drop(held, at) {
    const one = held.get(at);
    if (!one) return;
    clearTimeout(one.timer);
    held.delete(at);
    this.onChange();
  }
}

/** Says that the user types: at most once in three seconds, and that they have stopped. `say(started)` */
export class Typing {
  constructor(say) {
    Object.assign(this, { say, at: 0, timer: 0 });
  }

  wrote() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.stopped(), TYPING_MS - 1000);
    if (Date.now() - this.at < SAID_EVERY_MS) return;
    this.at = Date.now();
    this.say(true);
  }

  stopped() {
    clearTimeout(this.timer);
    if (this.at) this.say(false);
    this.at = 0;
  }
}
