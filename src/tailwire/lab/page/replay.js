// Show a recording step by step; a step is one input of a connection.

import { html, say, set } from "./dom.js";
import { Model } from "./model.js";

const TOLERANCE_SECONDS = 0.0005;
const MAX_WAIT_SECONDS = 0.9;

export class Replay {
  /** @param changed called with (model, now, the moves of a single step forward, or null after a jump) */
  constructor(about, player, list, changed) {
    Object.assign(this, { about, changed, steps: about.steps, index: -1, timer: null });
    this.slider = html("input", { type: "range", min: 0, max: this.steps.length, value: 0, step: 1, "aria-label": "step" });
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
    this.play = html("button", { type: "button", onclick: () => this.toggle() }, "play");
    this.where = html("output", {});
    player.replaceChildren(html("button", { type: "button", "aria-label": "one step back", onclick: () => this.go(this.index - 1) }, "◀"), this.play,
      html("button", { type: "button", "aria-label": "one step forward", onclick: () => this.go(this.index + 1) }, "▶"), this.slider, this.where);
    player.hidden = list.hidden = false;
    this.now = html("p", { class: "said", "aria-live": "polite" });
    this.items = this.steps.map((step, n) => html("li", {}, html("button", { type: "button", onclick: () => this.go(n + 1) },
      html("span", { class: "at" }, step.at.toFixed(2)), html("span", { class: `by is-${about.names.indexOf(step.phone) === 1 ? "right" : "left"}` }, step.phone),
      html("span", { class: "input" }, step.input), html("span", { class: "details" }, step.details))));
    this.list = html("ol", { class: "inputs", "aria-label": "the inputs of the connection" }, ...this.items);
    list.replaceChildren(this.now, this.list);
  }

  go(index) {
    const to = Math.max(0, Math.min(this.steps.length, index));
    const forward = to === this.index + 1;
    const before = this.time;
    this.index = to;
    this.time = to ? this.steps[to - 1].at : Math.min(0, this.steps[0]?.at ?? 0);
    if (to === this.steps.length) this.time = Math.max(this.time, this.about.events.at(-1)?.at ?? 0);  // include later events
    const model = new Model(this.about.names);
    const moves = [];
    for (const event of this.about.events) {
      if (event.at > this.time + TOLERANCE_SECONDS) break;
      model.apply(event);
      if (event.kind === "transition" && event.at > before + TOLERANCE_SECONDS) moves.push(event);
    }
    // Events are recorded slightly after the input that caused them, so take each connection's state from the steps.
    const latest = new Map(this.steps.slice(0, to).map((step) => [step.phone, step]));
    for (const [name, { phase, status, explain }] of latest) Object.assign(model.phones[name], { phase, status, explain });
    const step = this.steps[to - 1];
    if (step) {
      const said = step.commands.length ? ` → ${step.commands.join(", ")}` : "";
      say(this.now, `${step.input}${step.details ? ` (${step.details})` : ""}${said}`);
    } else {
      say(this.now, this.steps.length ? "Before the first input." : "No input was recorded.");
    }
    this.slider.value = to;
    set(this.slider, { "aria-valuetext": step ? `step ${to}: ${step.input}` : "before the first" });
    say(this.where, `${to} / ${this.steps.length}`);
    for (const [n, item] of this.items.entries()) item.classList.toggle("current", n === to - 1);
    const current = this.items[to - 1];
    if (current) this.list.scrollTop = current.offsetTop - this.list.clientHeight / 2;
    this.changed(model, this.time, forward ? moves : null);
  }

  toggle() {
    if (this.timer) {
      clearTimeout(this.timer);
      this.timer = null;
      say(this.play, "play");
      return;
    }
    say(this.play, "pause");
    if (this.index >= this.steps.length) this.go(0);
    const next = () => {
      if (this.index >= this.steps.length) {
        this.timer = null;
        say(this.play, "play");
        return;
      }
      const wait = Math.min(MAX_WAIT_SECONDS, Math.max(0.05, this.steps[this.index].at - this.time));
      this.timer = setTimeout(() => {
        this.go(this.index + 1);
        next();
      }, wait * 1000);
    };
    next();
  }
}
