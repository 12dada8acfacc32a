// The phases of the connection, the edges between them, and a token for each phone that moves along them.

import { say, set, reducedMotion, svg, words } from "./dom.js";

const PLACES = {
  renewing: [300, 56, "requests a new token"],
  idle: [82, 240, "no socket is wanted"],
  connecting: [300, 240, "socket and login"],
  open: [518, 240, "heartbeats watch it"],
  waiting: [300, 424, "until the next attempt"],
};
const WIDTH = 600;
const HALF = [74, 30];
// How far an edge bends to its right; edges that pass another phase bend further.
const BENDS = { "open idle": -210, "waiting renewing": -225, "renewing waiting": -225 };
const BEND = 44;
const MOVE_MILLISECONDS = 480;

const inside = ([x, y], [cx, cy]) => Math.abs(x - cx) < HALF[0] + 2 && Math.abs(y - cy) < HALF[1] + 2;
const at = (a, c, b, t) => [0, 1].map((k) => (1 - t) ** 2 * a[k] + 2 * t * (1 - t) * c[k] + t ** 2 * b[k]);

/** Return the part of a curve between two phases that lies outside both. */
const curve = (from, to) => {
  const a = PLACES[from], b = PLACES[to];
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  const length = Math.hypot(dx, dy);
  const bend = BENDS[`${from} ${to}`] ?? BEND;
  const c = [(a[0] + b[0]) / 2 - dy / length * bend, (a[1] + b[1]) / 2 + dx / length * bend];
  let [begin, end] = [0, 1];
  while (inside(at(a, c, b, begin), a)) begin += 0.005;
  while (inside(at(a, c, b, end), b)) end -= 0.005;
  const middle = (begin + end) / 2;
  const [p, q, m] = [at(a, c, b, begin), at(a, c, b, end), at(a, c, b, middle)];
  const control = [0, 1].map((k) => 2 * m[k] - (p[k] + q[k]) / 2);
  const out = [m[0] - (a[0] + b[0]) / 2, m[1] - (a[1] + b[1]) / 2];
  const far = Math.hypot(...out) || 1;
  return { p, q, m, control, out: out.map((n) => n / far) };
};

const arrow = (control, [x, y]) => {
  const angle = Math.atan2(y - control[1], x - control[0]);
  const corner = (turn, far) => `${(x - far * Math.cos(angle + turn)).toFixed(1)},${(y - far * Math.sin(angle + turn)).toFixed(1)}`;
  return `M${x.toFixed(1)},${y.toFixed(1)} L${corner(0.42, 11)} L${corner(-0.42, 11)} Z`;
};

export class Machine {
  constructor(element, names, { phases, edges }, slow) {
    this.names = names;
    this.last = 0;
    this.pace = MOVE_MILLISECONDS * Math.min(3, Math.max(1, slow));
    this.edges = {};
    this.phases = {};
    this.tokens = {};
    this.labels = {};
    const drawn = svg("g", { class: "edges" });
    for (const { from, to, events } of edges) {
      const { p, q, m, control, out } = curve(from, to);
      const path = svg("path", { class: "line", d: `M${p.map((n) => n.toFixed(1))} Q${control.map((n) => n.toFixed(1))} ${q.map((n) => n.toFixed(1))}` });
      const group = svg("g", { class: "edge", "data-edge": `${from} ${to}` }, svg("title", {}, `${from} → ${to}: ${events.join(", ")}`),
        path, svg("path", { class: "head", d: arrow(control, q) }));
      this.edges[`${from} ${to}`] = { group, path, m, out };
      drawn.append(group);
    }
    const nodes = phases.map((name) => {
      const [x, y, about] = PLACES[name];
      this.phases[name] = svg("g", { class: "phase", "data-phase": name },
        svg("rect", { x: x - HALF[0], y: y - HALF[1], width: 2 * HALF[0], height: 2 * HALF[1], rx: 16 }),
        svg("text", { x, y: y - 3, class: "name" }, name), svg("text", { x, y: y + 16, class: "about" }, about));
      return this.phases[name];
    });
    const tokens = names.map((name, n) => {
      const side = n === 0 ? "left" : "right";
      this.tokens[name] = { phase: "idle", queue: [], element: svg("g", { class: `token is-${side}`, "data-token": name },
        svg("circle", { r: 13 }), svg("text", { y: 1 }, name[0].toUpperCase())) };
      this.labels[name] = svg("text", { class: `why is-${side}`, "data-why": name });
      this.place(name, this.home(name, "idle"));
      return this.tokens[name].element;
    });
    element.replaceChildren(drawn, ...nodes, ...Object.values(this.labels), ...tokens);
  }

  home(name, phase) {
    const [x, y] = PLACES[phase];
    const n = this.names.indexOf(name);
    return [this.names.length === 1 ? x : x + (n === 0 ? -34 : 34), y - HALF[1]];
  }

  place(name, [x, y]) {
    this.tokens[name].element.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
  }

  /** Start to move a token. */
  move({ phone, before, phase }) {
    const token = this.tokens[phone];
    const path = this.edges[`${before} ${phase}`]?.path;
    if (before === phase) return;
    if (!path || reducedMotion.matches || document.hidden) this.jump(phone, phase);
    else token.queue.push({ path, phase, begin: null });
  }

  jump(name, phase) {
    Object.assign(this.tokens[name], { queue: [], phase });
    this.place(name, this.home(name, phase));
  }

  render(model, now, clock) {
    for (const name of this.names) this.animate(name, clock);
    for (const [phase, element] of Object.entries(this.phases)) {
      for (const [n, name] of this.names.entries()) {
        element.classList.toggle(n === 0 ? "has-left" : "has-right", this.tokens[name].phase === phase);
      }
    }
    const lit = model.lit(now);
    const newest = {};
    for (const move of lit) newest[move.phone] = move;
    const key = (move) => `${move.before} ${move.phase} ${this.names.indexOf(move.phone)}`;
    const on = new Set(Object.values(newest).map(key));
    const before = new Set(lit.map(key));
    for (const [edge, { group }] of Object.entries(this.edges)) {
      for (const [n, side] of ["left", "right"].entries()) {
        group.classList.toggle(`lit-${side}`, on.has(`${edge} ${n}`));
        group.classList.toggle(`trail-${side}`, before.has(`${edge} ${n}`));
      }
    }
    for (const name of this.names) this.label(name, newest);
  }

  label(name, newest) {
    const move = newest[name], element = this.labels[name];
    const edge = move && this.edges[`${move.before} ${move.phase}`];
    if (!edge) {
      say(element, "");
      return;
    }
    const tells = ["idle", "waiting", "renewing"].includes(move.phase) || move.trigger === "SocketLost";
    const lines = [words(move.trigger), ...(tells && move.why ? [move.why] : [])];
    const other = this.names.find((one) => one !== name && newest[one]);
    const shared = other && newest[other].before === move.before && newest[other].phase === move.phase;
    // A label is on the outer side of its edge; the label of the opposite edge is on the other side.
    const tall = 15 * (lines.length - 1);
    const aside = Math.abs(edge.out[0]) > 0.5 ? Math.sign(edge.out[0]) : 0;
    const lift = (aside ? 4 - tall / 2 : edge.out[1] < 0 ? -4 - tall : 14) +
      (shared ? (this.names.indexOf(name) === 0 ? -1 : 1) * (tall + 15) / 2 : 0);
    const text = lines.join("\n");
    if (element.dataset.shown !== text) {
      element.dataset.shown = text;
      element.replaceChildren(...lines.map((line, n) => svg("tspan", { x: 0, dy: n ? 15 : 0, class: n ? "cause" : "trigger" }, line)));
    }
    const half = Math.max(...lines.map((line) => line.length)) * 3.4;
    const wanted = edge.m[0] + edge.out[0] * 8 + aside * half;
    const x = Math.min(WIDTH - half, Math.max(half, wanted));
    set(element, { transform: `translate(${x.toFixed(1)} ${(edge.m[1] + edge.out[1] * 8 + lift).toFixed(1)})` });
  }

  animate(name, clock) {
    const token = this.tokens[name];
    const move = token.queue[0];
    if (!move) return;
    move.begin ??= clock;
    const length = move.path.getTotalLength();
    const share = Math.min(1, (clock - move.begin) / (this.pace / Math.max(1, token.queue.length - 1)));
    const eased = share * share * (3 - 2 * share);
    const point = move.path.getPointAtLength(length * eased);
    if (share < 1) {
      this.place(name, [point.x, point.y]);
      return;
    }
    token.queue.shift();
    token.phase = move.phase;
    this.place(name, this.home(name, move.phase));
  }
}
