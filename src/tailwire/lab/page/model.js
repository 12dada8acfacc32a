// The page's state. It follows from the events alone, so that a recording shows what was seen live.

const MAX_MESSAGES = 200;
const LIT_SECONDS = 2.6;
const KINDS = new Set(["transition", "switch", "says", "notice", "typed", "accepted", "failed", "handed"]);

export const SPAN = 40;

export class Model {
  constructor(names) {
    this.names = names;
    this.phones = Object.fromEntries(names.map((name) => [name, {
      phase: "idle", status: "disconnected", explain: "", window: null, notice: null,
      now: { app: "foreground", network: "online", mode: "auto", pace: "quick", token: "good" },
      talk: [], bands: [], marks: [],
    }]));
    this.messages = new Map();
    this.server = { up: false, busy: false, marks: [], notice: null };
    this.moves = [];
    this.counts = { typed: 0, handed: 0, twice: 0, failed: 0 };
  }

  other(name) {
    return this.names.find((one) => one !== name);
  }

  apply(event) {
    const phone = this.phones[event.phone];
    if (event.kind === "server") this.serverChanged(event);
    else if (KINDS.has(event.kind)) this[event.kind](event, phone);
  }

  transition(event, phone) {
    if (event.before !== event.phase) this.moves.push(event);
    Object.assign(phone, { phase: event.phase, explain: event.explain || phone.explain });
    if (phone.status !== event.status || !phone.bands.length) phone.bands.push({ at: event.at, status: event.status });
    phone.status = event.status;
  }

  switch(event, phone) {
    phone.now = event.now;
    if (event.what) phone.marks.push({ at: event.at, what: event.what });
    phone.notice = null;
  }

  says(event, phone) {
    Object.assign(phone, { explain: event.explain, window: event.window });
  }

  notice(event, phone) {
    (phone || this.server).notice = event;
  }

  serverChanged(event) {
    Object.assign(this.server, { up: event.up, busy: event.busy, notice: null });
    this.server.marks.push({ at: event.at, what: event.what });
  }

  typed(event, phone) {
    this.counts.typed += 1;
    const message = { id: event.id, from: event.phone, text: event.text, typed: event.at, accepted: null, handed: null, failed: "" };
    this.messages.set(event.id, message);
    phone.talk.push({ message, mine: true, number: this.counts.typed });
    this.bound(phone);
  }

  accepted(event) {
    const message = this.messages.get(event.id);
    if (message) message.accepted = event.at;
  }

  failed(event) {
    const message = this.messages.get(event.id);
    if (!message) return;
    this.counts.failed += 1;
    message.failed = event.text || "refused";
  }

  handed(event, phone) {
    const message = this.messages.get(event.id) ||
      { id: event.id, from: this.other(event.phone), text: event.text, typed: null, accepted: null, handed: null, failed: "" };
    const twice = message.handed !== null;
    this.counts[twice ? "twice" : "handed"] += 1;
    if (!twice) message.handed = event.at;
    phone.talk.push({ message, mine: false, twice });
    this.bound(phone);
  }

  bound(phone) {
    if (phone.talk.length > MAX_MESSAGES) phone.talk.shift();
    if (this.messages.size > 2 * MAX_MESSAGES) {
      for (const [id, message] of this.messages) {
        if (message.handed !== null || message.failed) {
          this.messages.delete(id);
          break;
        }
      }
    }
  }

  get underWay() {
    return this.counts.typed - this.counts.handed - this.counts.failed;
  }

  /** Return the moves whose edges are highlighted at a time. */
  lit(now) {
    return this.moves.filter((move) => now - move.at <= LIT_SECONDS && move.at <= now + 0.001);
  }

  /** Drop what no view shows any more, so that memory is bounded in a long-running lab. */
  prune(now) {
    const old = now - SPAN - 5;
    this.moves = this.moves.filter((move) => move.at > old);
    const marked = [...Object.values(this.phones), this.server];
    for (const one of marked) one.marks = one.marks.filter((mark) => mark.at > old);
    for (const phone of Object.values(this.phones)) {
      while (phone.bands.length > 1 && phone.bands[1].at < old) phone.bands.shift();
    }
  }
}
