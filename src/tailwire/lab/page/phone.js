// A phone: the state that its client reports, its chat, and its switches.

import { html, say, set, svg } from "./dom.js";

const ROWS = [
  ["app", [["foreground"], ["background"], ["slow", "too slow", "the app takes 1.5 s for each message"]]],
  ["line", [["online"], ["offline", "offline", "the line is cut, and the platform reports it"],
    ["tunnel", "tunnel", "half open: connections stay, nothing passes, the platform reports nothing"],
    ["cut", "cut", "connections are reset, and the platform reports nothing"]]],
  ["mode", [["auto", "auto", "the SDK decides when a socket exists (restarts the app)"],
    ["manual", "manual", "the app decides (restarts the app)"]]],
  ["call", [["connect", "connect()"], ["disconnect", "disconnect()"], ["ping", "ping()"]]],
  ["token", [["expire", "expire", "the token is revoked; the backend issues a new one"],
    ["revoke", "revoke", "the token is revoked; the backend issues no other"], ["login", "log in"]]],
];
const ROUND = 2 * Math.PI * 17;
const WINDOW_SECONDS = 30;

const mark = ({ message, mine }) => {
  if (!mine) return "";
  if (message.failed) return "✗";
  return message.handed !== null ? "✓✓" : message.accepted !== null ? "✓" : "◷";
};
const marked = ({ message, mine, twice }) => {
  if (!mine) return twice ? "handed over twice" : "";
  if (message.failed) return `refused: ${message.failed}`;
  return message.handed !== null ? "handed over" : message.accepted !== null ? "stored at the server" : "queued on this phone";
};

export class Phone {
  /** @param act called with (what, text) when a switch is used; null if the switches are disabled */
  constructor(name, place, act) {
    this.name = name;
    this.shown = [];
    this.model = null;
    this.pill = html("output", { class: "pill", "aria-label": `${name}'s connection` });
    this.explain = html("p", { class: "explain" });
    this.letter = svg("text", { x: 20, y: 20, class: "letter" }, name[0].toUpperCase());
    this.ring = svg("circle", { cx: 20, cy: 20, r: 17, class: "ring", "stroke-dasharray": ROUND, "stroke-dashoffset": ROUND, transform: "rotate(-90 20 20)" });
    this.talk = html("ol", { class: "talk", tabindex: 0, "aria-label": `${name}'s chat` });
    this.notice = html("p", { class: "notice", role: "status" });
    this.buttons = {};
    const avatar = svg("svg", { class: "avatar", viewBox: "0 0 40 40", "aria-hidden": "true" },
      svg("circle", { cx: 20, cy: 20, r: 13, class: "face" }), svg("circle", { cx: 20, cy: 20, r: 17, class: "track" }), this.ring, this.letter);
    this.element = html("section", { class: `phone is-${place}`, "aria-label": `${name}'s phone` },
      html("div", { class: "top" }, avatar, html("h2", {}, name[0].toUpperCase() + name.slice(1)), this.pill),
      this.explain, this.talk, this.notice);
    if (act) this.element.append(this.composer(act));
    this.element.append(html("div", { class: "switches" }, ...ROWS.map(([label, row]) => this.row(label, row, act))));
  }

  composer(act) {
    const field = html("input", { type: "text", maxlength: 500, placeholder: "Message", "aria-label": `message from ${this.name}`, autocomplete: "off" });
    const form = html("form", { class: "composer" }, field, html("button", { type: "submit", class: "send" }, "send"));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (field.value.trim() && await act("send", field.value)) field.value = "";
    });
    return form;
  }

  row(label, row, act) {
    const buttons = row.map(([what, shown = what, title]) => {
      const button = html("button", { type: "button", title, "data-what": what, disabled: !act, onclick: () => act(this.meant(what)) }, shown);
      this.buttons[what] = button;
      return button;
    });
    return html("div", { class: "row", role: "group", "aria-label": `${this.name}: ${label}` }, html("span", { class: "label", "aria-hidden": "true" }, label), ...buttons);
  }

  meant(what) {
    return what === "slow" && this.buttons.slow.getAttribute("aria-pressed") === "true" ? "quick" : what;
  }

  render(model) {
    const phone = model.phones[this.name];
    say(this.pill, phone.status);
    set(this.pill, { "data-status": phone.status });
    say(this.explain, phone.explain.replace(/^\w+: /, ""));
    set(this.explain, { title: phone.explain });
    say(this.notice, phone.notice ? phone.notice.text : "");
    const { app, network, mode, pace, token } = phone.now;
    const on = new Set([app, network, mode, pace]);
    for (const what of ["foreground", "background", "online", "offline", "tunnel", "cut", "auto", "manual", "slow"]) {
      set(this.buttons[what], { "aria-pressed": on.has(what) });
    }
    this.buttons.login.classList.toggle("wanted", token === "revoked");
    this.buttons.connect.classList.toggle("wanted", mode === "manual" && phone.status === "disconnected" && app === "foreground");
    this.buttons.ping.classList.toggle("wanted", phone.window !== null);
    this.showWindow(phone.window);
    this.showTalk(model, phone.talk);
  }

  showWindow(left) {
    const there = left !== null;
    this.element.classList.toggle("has-window", there);
    set(this.ring, { "stroke-dashoffset": (ROUND * (1 - (there ? Math.min(1, left / WINDOW_SECONDS) : 0))).toFixed(1) });
    say(this.letter, there ? String(Math.ceil(left)) : this.name[0].toUpperCase());
  }

  showTalk(model, talk) {
    if (this.model !== model) {
      this.model = model;
      this.shown = [];
      this.talk.replaceChildren();
    }
    let added = false;
    for (const one of talk) {
      if (!one.element || one.owner !== this.talk || !one.element.isConnected) {
        one.owner = this.talk;
        one.tick = html("span", { class: "tick" });
        one.element = html("li", { class: one.mine ? "mine" : "theirs" }, html("span", { class: "text" }, one.message.text), one.tick);
        if (one.twice) one.element.classList.add("twice");
        this.talk.append(one.element);
        this.shown.push(one);
        added = true;
      }
      say(one.tick, mark(one));
      set(one.element, { "data-state": marked(one), title: marked(one) });
    }
    while (this.shown.length > talk.length) this.shown.shift().element.remove();
    if (added) this.talk.scrollTop = this.talk.scrollHeight;
  }
}
