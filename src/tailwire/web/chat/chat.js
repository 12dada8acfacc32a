// The chat of one user: the connection, the list of conversations, the open one, and what is on its way.
// It knows no page elements; views read its fields, call it, and are notified by `subscribe`.

import { query, Refused } from "./api.js";
import { CatchUp } from "./catch_up.js";
import { Connection } from "./connection.js";
import * as conversations from "./conversations.js";
import { History } from "./history.js";
import { changed, conversationOf, conversationWith, countsFor, keyOf, senderOf } from "./messages.js";
import { Notifications } from "./notifications.js";
import { Outbox } from "./outbox.js";
import { Repeated } from "./retry.js";
import * as timeline from "./timeline.js";
import { Unsent } from "./unsent.js";
import { Typing, Writing } from "./writing.js";

const LIST_PAGE = 50;
const DELIVERED_AFTER_MS = 300;

const pathOf = (kind, id) => `/${kind === "group" ? "groups" : "users"}/${encodeURIComponent(id)}`;

export class Chat {
  /** @param {object} user uid, name, appId, device, pass: for the first socket */
  constructor(api, user) {
    Object.assign(this, { api, user, me: user.uid, listeners: new Set(), list: [], listed: false, listMore: false });
    Object.assign(this, { open: null, thread: null, problem: null, catchingUp: false, newest: null, bottom: true });
    Object.assign(this, { pages: 1, received: new Map(), reported: new Map(), reading: new Map(), unsent: new Unsent() });
    this.writing = new Writing(() => this.changed());
    this.listing = new Repeated(() => this.#list(), (error) => this.say(error));
    this.marking = new Repeated(() => this.#mark(), (error) => this.say(error));
    this.catchUp = new CatchUp((path) => api.request("GET", path), {
      onMessage: (message) => this.#message(message),
      onChange: (frame) => this.#frame(frame),
      onGap: () => this.#reload(),
      onLost: () => this.#forget(),
      onDone: () => this.listing.run(),
      onBusy: (busy) => { this.catchingUp = busy; this.changed(); },
      onRefused: (error) => this.say(error),
    });
    this.outbox = new Outbox({
      send: (entry, progress, signal) => this.#send(entry, progress, signal),
      onSent: (message) => this.acted(message), onChange: () => this.changed(),
      store: sessionStorage, name: `tailwire-chat-outbox ${user.appId} ${user.uid}`,
    });
    const device = { platform: "web chat", deviceId: user.device };
    this.connection = new Connection(user, async () => (await api.ask("PUT", "/me", device)).jwt, {
      onState: () => this.#state(), onOpen: () => this.catchUp.begin(), onFrame: (frame) => this.catchUp.live(frame),
    });
    this.connection.pass = user.pass ?? "";
    this.notifications = new Notifications(api, user, { onChange: () => this.changed(), onShow: (about) => this.showById(about) });
    this.pushing = new Repeated(() => this.notifications.start(), (error) => this.say(error));
    this.visibility = () => this.seen();
    document.addEventListener("visibilitychange", this.visibility);
  }

  start() {
    this.listing.run();
    this.connection.start();
    this.pushing.run();
  }

  stop() {
    document.removeEventListener("visibilitychange", this.visibility);
    this.connection.close();
    for (const one of [this.catchUp, this.outbox, this.listing, this.marking, this.pushing, this.notifications, this.open, this.thread]) one?.stop();
    for (const one of [this.writing, this.unsent]) one.forget();
  }

  /** Call a function after each change; return what stops it. */
  subscribe(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  changed() {
    if (this.pending) return;
    this.pending = true;
    queueMicrotask(() => {
      this.pending = false;
      for (const listener of this.listeners) listener();
    });
  }

  /** Show what the server refused; null to remove it. */
  say(error) {
    this.problem = error;
    this.changed();
  }

  /** Run what a person asked for, and show what was refused. Return whether it succeeded. */
  async attempt(action) {
    try {
      this.problem = null;
      await action();
      return true;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.say(error);
      return false;
    }
  }

  // Conversations.

  async #list() {
    const { data } = await this.api.request("GET", `/conversations${query({ per_page: LIST_PAGE * this.pages })}`);
    this.listMore = data.length >= LIST_PAGE * this.pages && this.pages < 20;
    const entries = data.map(conversations.entryOf);
    const there = new Set(entries.map((one) => one.key));
    // What the server no longer lists is gone, unless the list ends before it.
    const kept = this.listMore ? this.list : this.list.filter((one) => there.has(one.key) || one.key === this.open?.key);
    this.list = conversations.withListed(kept, entries);
    this.listed = true;
    for (const one of entries) if (one.unread && one.last && countsFor(one.last, this.me)) this.#received(one.last);
    this.seen();
    this.changed();
  }

  moreConversations() {
    this.pages += 1;
    this.listing.run();
  }

  /** Open a conversation. `name`: shown until the server says it, for one that is new. */
  show(kind, id, name = id) {
    const key = keyOf(kind, id);
    this.hideThread();
    if (this.open?.key === key) return;
    this.hide();
    this.problem = null;
    this.open = new History((path) => this.api.ask("GET", path), `${pathOf(kind, id)}/messages`, { key, kind, id, name, me: this.me }, () => this.seen());
    this.open.typing = new Typing((started) => this.#typing(kind, id, started));
    this.bottom = true;
    this.open.load();
    this.changed();
  }

  /** Open the conversation of a notification. */
  showById({ conversationId, receiverType }) {
    const about = conversationWith(String(conversationId), receiverType, this.me);
    if (about) this.show(about.kind, about.id);
  }

  /** Close the open conversation. */
  hide() {
    this.open?.typing.stopped();
    this.open?.stop();
    this.open = this.jump = null;
    this.hideThread();
    this.changed();
  }

  /** Open the thread of a message. */
  showThread(message) {
    this.hideThread();
    const { key, kind, id } = this.open;
    this.thread = new History((path) => this.api.ask("GET", path), `/messages/${message.id}/thread`, { key, kind, id, me: this.me, parent: message.id }, () => this.changed());
    this.thread.load();
    this.changed();
  }

  hideThread() {
    this.thread?.stop();
    this.thread = null;
    this.changed();
  }

  /** The message that a thread is about. */
  get parent() {
    return this.open?.line.messages.find((one) => one.id === this.thread?.parent) ?? null;
  }

  /** The entry of the open conversation in the list; what is known of it if it is not there yet. */
  get about() {
    return this.list.find((one) => one.key === this.open.key) ?? { ...this.open, unread: 0, online: false, members: 0 };
  }

  async #reload() {
    this.listing.run();
    this.open?.latest();
    this.thread?.latest();
  }

  // What was shown and reported may be gone at the server; ids no longer tell what is newer.
  #forget() {
    this.list = [];
    for (const known of [this.received, this.reported, this.reading]) known.clear();
    this.hideThread();
    this.open?.forget();
  }

  // What comes.

  #state() {
    const { status } = this.connection.state;
    if (status !== "connected") {
      this.catchUp.pause();
      this.writing.forget();
    }
    this.changed();
  }

  #message(message) {
    const key = conversationOf(message, this.me);
    const about = changed(message);
    for (const shown of [this.open, this.thread]) {
      if (shown?.key !== key) continue;
      if (about) shown.change(timeline.withChanged, about);
      else if ((message.parentId ?? undefined) === shown.parent) shown.change(timeline.withMessage, message);
      else if (message.parentId && !shown.parent) shown.refresh(message.parentId);
    }
    this.writing.message(key, message);
    const seen = this.#sees(key);
    const list = conversations.withMessage(this.list, message, this.me, seen);
    if (list) this.list = list;
    else this.listing.run();
    if (countsFor(message, this.me)) {
      this.#received(message);
      this.newest = { message, key, seen };
      if (seen) this.#read(key, Number(message.id));
    }
    this.changed();
  }

  // Whether the person sees what comes in a conversation: it is open at its end, in a page that is visible.
  #sees(key) {
    return this.open?.key === key && this.bottom && !this.open.line.hasNewer && document.visibilityState === "visible";
  }

  #frame(frame) {
    const { type, sender, receiver, receiverType, body } = frame;
    if (!body || typeof body !== "object") return;
    const key = receiverType === "group" ? keyOf("group", receiver) : keyOf("user", sender);
    const name = body.user?.name || sender;
    if (type === "typing_indicator" && sender !== this.me) this.writing.typed(key, sender, name, body.action === "started");
    else if (type === "transient_message" && sender !== this.me) this.writing.transient(key, sender, name, body.data);
    else if (type === "presence") this.#presence(body);
    else if (type === "receipts") this.#receipt(frame, key);
    else if (type === "reaction") this.#about(body.messageId);
    else if (type === "pin" || type === "save") this.#about(body.message?.id);
    else if (type === "conversation_list" || type === "conversation_pin") this.listing.run();
  }

  #about(id) {
    this.open?.refresh(id);
    this.thread?.refresh(id);
  }

  #presence({ action, user }) {
    if (typeof user?.uid !== "string") return;
    this.list = conversations.withEntry(this.list, keyOf("user", user.uid), { online: action === "online" });
    if (action !== "online") this.writing.gone(user.uid);
    this.changed();
  }

  #receipt({ sender, receiverType, body }, key) {
    if (sender === this.me) {
      this.listing.run();  // read on another device
      return;
    }
    const ofAll = body.action === "deliveredToAll" || body.action === "readByAll";
    if ((receiverType === "group") !== ofAll || this.open?.key !== key) return;
    this.open.change(timeline.withReceipt, body.action, Number(body.messageId) || 0);
    this.thread?.change(timeline.withReceipt, body.action, Number(body.messageId) || 0);
  }

  // Receipts.

  #received(message) {
    const key = conversationOf(message, this.me);
    if (Number(message.id) <= (this.reported.get(key) ?? 0) || message.deliveredAt) return;
    this.received.set(key, message);
    clearTimeout(this.reporting);
    this.reporting = setTimeout(() => this.#report(), DELIVERED_AFTER_MS);
  }

  #report() {
    for (const [key, message] of this.received) {
      const { receiverType, sender } = message;
      const receiver = receiverType === "group" ? message.receiver : sender;
      const to = { receiver, receiverType, messageSender: sender };
      if (!this.connection.send("receipts", { action: "delivered", messageId: message.id }, to)) return;  // after the next connection
      this.reported.set(key, Number(message.id));
      this.received.delete(key);
    }
  }

  /** Take note that the person may have seen something: the page is visible, the view was scrolled, messages have come. */
  seen() {
    this.#report();
    if (this.open?.line.loaded && this.#sees(this.open.key) && this.about.unread) this.#read(this.open.key, this.about.newest);
    this.changed();
  }

  // Up to a message, because a request that is repeated may succeed when others have come that nobody saw.
  #read(key, id) {
    this.reading.set(key, Math.max(id, this.reading.get(key) ?? 0));
    this.list = conversations.withEntry(this.list, key, { unread: 0 });
    this.marking.run();
  }

  async #mark() {
    for (const [key, messageId] of [...this.reading]) {
      this.reading.delete(key);
      const [, kind, id] = /^(\w+):(.*)$/s.exec(key);
      try {
        await this.api.ask("POST", `${pathOf(kind, id)}/conversation/read`, { messageId });
      } catch (error) {
        if (error.passing) this.reading.set(key, Math.max(messageId, this.reading.get(key) ?? 0));
        throw error;
      }
    }
  }

  // What the person does.

  #typing(kind, id, started) {
    this.connection.send("typing_indicator", { action: started ? "started" : "ended" }, { receiver: id, receiverType: kind });
  }

  /** Queue a text, or files, for the open conversation or the open thread. Return whether there was room. */
  write({ text = "", files = [], parent }) {
    const { key, kind, id } = this.open;
    this.open.typing.stopped();
    if (this.open.line.hasNewer && !parent) this.open.latest();
    const parts = files.length ? files.map((file) => ({ file, name: file.name, size: file.size })) : [{ text }];
    return parts.every((part) => this.outbox.add({ key, kind, id, parent, ...part }));
  }

  async #send(entry, progress, signal) {
    const { kind, id, parent, muid, text, file } = entry;
    const common = { receiver: id, receiverType: kind, category: "message", muid };
    const path = parent ? `/messages/${parent}/thread` : "/messages";
    if (!file) return await this.api.ask("POST", path, { ...common, type: "text", data: { text } });
    const form = new FormData();
    const type = /^(image|video|audio)\//.exec(file.type)?.[1] ?? "file";
    const fields = { ...common, type, data: "{}" };
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    form.append("files[]", file, file.name);
    return await this.api.upload(path, form, progress, signal);
  }

  /** Take the message with which the server answers what this page did, if it is one. */
  acted(answer) {
    if (!answer.id) return;
    this.catchUp.sent(answer.id);
    this.#message(answer);
  }

  edit(message, text) {
    return this.#change(() => this.api.ask("PUT", `/messages/${message.id}`, { data: { text } }));
  }

  remove(message) {
    return this.#change(() => this.api.ask("DELETE", `/messages/${message.id}`, { id: message.id }));
  }

  #change(request) {
    return this.attempt(async () => {
      const answer = await request();
      if (answer.id) this.catchUp.sent(answer.id);
      this.#message(answer);
    });
  }

  /** Add a reaction, or remove it. */
  react(message, reaction, mine) {
    const path = `/messages/${message.id}/reactions/${encodeURIComponent(reaction)}`;
    return this.attempt(async () => {
      const answer = await this.api.ask(mine ? "DELETE" : "POST", path);
      for (const shown of [this.open, this.thread]) shown?.put(answer);
    });
  }

  /** Ask the writer of a draft to stop. */
  stopDraft({ uid, id }) {
    const { kind, id: open } = this.open;
    this.connection.send("transient_message", { data: { stop: id } }, { receiver: kind === "group" ? open : uid, receiverType: kind });
  }

  /** Return users and groups to write to, by a search. */
  async people(text) {
    const asked = { searchKey: text, per_page: 30 };
    const [users, groups] = await Promise.all([
      this.api.ask("GET", `/users${query(asked)}`), this.api.ask("GET", `/groups${query({ ...asked, hasJoined: 1 })}`),
    ]);
    const found = users.filter((one) => one.uid !== this.me).map((one) => ({ kind: "user", id: one.uid, name: one.name || one.uid }));
    return [...found, ...groups.map((one) => ({ kind: "group", id: one.guid, name: one.name || one.guid }))];
  }

  /** Return messages of the open conversation with a text, the newest first. */
  async search(text) {
    const asked = { searchKey: text, per_page: 30, affix: "prepend", categories: "message" };
    return (await this.api.ask("GET", `${this.open.path}${query(asked)}`)).reverse();
  }

  nameOf(message) {
    return senderOf(message).name;
  }
}
