// Texts that were begun and not sent, of each conversation and thread. They are in the memory of the page only.

const MOST = 100;

export class Unsent {
  constructor() {
    this.texts = new Map();
  }

  /** Return the text that was begun in a conversation, or in the thread of its message `parent`. */
  of(key, parent = "") {
    return this.texts.get(`${parent} ${key}`) ?? "";
  }

  /** Keep a text; drop it if it is empty. Of too many, the one that was written first is dropped. */
  keep(text, key, parent = "") {
    const at = `${parent} ${key}`;
    this.texts.delete(at);
    if (text) this.texts.set(at, text);
    if (this.texts.size > MOST) this.texts.delete(this.texts.keys().next().value);
  }

  /** Drop all of them. */
  forget() {
    this.texts.clear();
  }
}
