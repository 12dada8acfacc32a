// The last 40 seconds: a band for each phone, a mark for each switch, an arc for each message.

import { say, set, svg } from "./dom.js";
import { SPAN } from "./model.js";

const LEFT = 64, RIGHT = 78, HEIGHT = 208, LEVELS = 3;
const TALL = { connected: 18, featureThrottled: 18, connecting: 12, disconnected: 5 };
const LIVE_SECONDS = 0.6;

export class Timeline {
  constructor(element, names, slow) {
    this.element = element;
    this.names = names;
    this.live = LIVE_SECONDS + 0.3 * (slow > 1 ? slow : 0);
    this.kept = new Map();
    this.layers = ["ticks", "marks", "bands", "arcs"].map((name) => svg("g", { class: name }));
    const clip = svg("clipPath", { id: "within" }, this.frame = svg("rect", { x: LEFT, y: 0, height: HEIGHT }));
    this.now = svg("line", { class: "now", y1: 22, y2: HEIGHT - 22 });
    this.height = names.length === 1 ? 132 : HEIGHT;
    this.rows = Object.fromEntries(names.map((name, n) => [name, n === 0 ? 72 : 138]));
    const titles = names.map((name, n) => svg("text", { x: 16, y: this.rows[name] + 4, class: `who is-${n === 0 ? "left" : "right"}` }, name));
    element.setAttribute("height", this.height);
    element.replaceChildren(svg("defs", {}, clip), svg("g", { "clip-path": "url(#within)" }, ...this.layers), this.now, ...titles);
    new ResizeObserver(() => this.resize()).observe(element);
    this.resize();
  }

  resize() {
    this.width = this.element.getBoundingClientRect().width || 1200;
    set(this.frame, { width: Math.max(0, this.width - LEFT) });
    set(this.element, { viewBox: `0 0 ${this.width} ${this.height}` });
  }

  x(time, now) {
    return LEFT + (1 - (now - time) / SPAN) * (this.width - LEFT - RIGHT);
  }

  /** Return the element for a key, made once. Elements that a render does not use are removed. */
  keep(layer, key, make) {
    let element = this.kept.get(key);
    if (!element) {
      element = make();
      this.layers[layer].append(element);
      this.kept.set(key, element);
    }
    this.used.add(key);
    return element;
  }

  render(model, now) {
    this.used = new Set();
    set(this.now, { x1: this.x(now, now), x2: this.x(now, now) });
    this.ticks(now);
    for (const name of this.names) this.bands(model, name, now);
    for (const message of model.messages.values()) this.arc(message, now);
    this.marks(model, now);
    for (const [key, element] of this.kept) {
      if (!this.used.has(key)) {
        element.remove();
        this.kept.delete(key);
      }
    }
  }

  ticks(now) {
    for (let second = Math.max(0, Math.ceil((now - SPAN) / 5) * 5); second <= now; second += 5) {
      const tick = this.keep(0, `tick ${second}`, () => svg("g", {}, svg("line", { y1: 40, y2: this.height - 24 }), svg("text", { y: this.height - 6 })));
      tick.setAttribute("transform", `translate(${this.x(second, now).toFixed(1)} 0)`);
      say(tick.lastChild, `${Math.floor(second / 60)}:${String(second % 60).padStart(2, "0")}`);
    }
  }

  bands(model, name, now) {
    const { bands } = model.phones[name];
    for (const [n, band] of bands.entries()) {
      const end = bands[n + 1]?.at ?? now;
      if (end < now - SPAN || band.at > now) continue;
      const tall = TALL[band.status];
      const rect = this.keep(2, `band ${name} ${band.at} ${n === bands.length - 1 ? "" : ""}${band.status}`, () => svg("rect", { class: `band ${band.status}`, rx: 2.5 }, svg("title", {}, band.status)));
      const x = this.x(band.at, now);
      set(rect, { x: x.toFixed(1), y: this.rows[name] - tall / 2, width: Math.max(1.5, this.x(Math.min(end, now), now) - x - 0.5).toFixed(1), height: tall });
    }
  }

  arc(message, now) {
    const end = message.handed ?? now;
    if (message.typed === null || end < now - SPAN || message.failed || this.names.length < 2) return;
    const first = message.from === this.names[0];
    const [a, b] = first ? [this.rows[this.names[0]] + 11, this.rows[this.names[1]] - 11] : [this.rows[this.names[1]] - 11, this.rows[this.names[0]] + 11];
    const arrived = message.handed !== null;
    const side = first ? "is-left" : "is-right";
    const group = this.keep(3, `arc ${message.id}`, () => svg("g", { "data-message": message.id }, svg("title"), svg("path"), svg("circle", { r: 3, class: "typed" }), svg("circle", { r: 3.8, class: "handed" })));
    const [title, path, from, to] = group.children;
    const x0 = this.x(message.typed, now), x1 = this.x(end, now), middle = (a + b) / 2;
    const live = arrived && end - message.typed < this.live;
    set(group, { class: `arc ${side} ${arrived ? (live ? "live" : "late") : "pending"}` });
    const bent = arrived ? `C${x0.toFixed(1)},${middle} ${x1.toFixed(1)},${middle} ${x1.toFixed(1)},${b}` : `C${x0.toFixed(1)},${middle} ${x0.toFixed(1)},${middle} ${(x0 + Math.min(24, x1 - x0)).toFixed(1)},${middle} L${x1.toFixed(1)},${middle}`;
    set(path, { d: `M${x0.toFixed(1)},${a} ${live ? `L${x1.toFixed(1)},${b}` : bent}` });
    set(from, { cx: x0.toFixed(1), cy: a });
    set(to, { cx: x1.toFixed(1), cy: arrived ? b : middle });
    say(title, `${message.text} — ${arrived ? `handed over after ${(end - message.typed).toFixed(2)} s` : "under way"}`);
  }

  marks(model, now) {
    const ends = {};
    const add = (key, mark, [y1, y2], y, step) => {
      if (mark.at < now - SPAN || mark.at > now) return;
      const x = this.x(mark.at, now), taken = (ends[key] ??= Array(LEVELS).fill(-Infinity));
      // The label's level is chosen once, so that it does not jump when earlier marks leave.
      mark.level ??= Math.max(0, taken.findIndex((end) => end < x));
      taken[mark.level] = x + mark.what.length * 6.6 + 10;
      const element = this.keep(1, `mark ${key} ${mark.at} ${mark.what}`, () => svg("g", { class: `mark is-${key}` }, svg("line"), svg("text", {}, mark.what)));
      element.setAttribute("transform", `translate(${x.toFixed(1)} 0)`);
      set(element.firstChild, { y1: y1 + Math.min(0, mark.level * step), y2: y2 + Math.max(0, mark.level * step) });
      set(element.lastChild, { x: 4, y: y + mark.level * step });
    };
    const bottom = this.rows[this.names.at(-1)] + 14;
    for (const mark of model.server.marks) add("server", mark, [6, bottom], 14, 0);
    for (const [n, name] of this.names.entries()) {
      const row = this.rows[name];
      for (const mark of model.phones[name].marks) {
        if (n === 0) add("left", mark, [row - 24, row + 11], row - 16, -12);
        else add("right", mark, [row - 11, row + 26], row + 25, 12);
      }
    }
  }
}
