// Assemble the page: fetch what is shown, listen for events, and draw.

import { html, say, set, reducedMotion } from "./dom.js";
import { Machine } from "./machine.js";
import { Model } from "./model.js";
import { Phone } from "./phone.js";
import { Replay } from "./replay.js";
import { Timeline } from "./timeline.js";

const find = (id) => document.getElementById(id);
const PLACES = ["left", "right"];

const about = await (await fetch("about.json")).json();
const isLive = about.mode === "live";
document.body.classList.toggle("is-replay", !isLive);
document.body.classList.toggle("has-one", about.names.length === 1);

const banner = (text) => {
  find("banner").hidden = !text;
  say(find("banner"), text);
};

/** Use a switch. Returns whether it was accepted. */
const act = async (whom, what, text = "") => {
  try {
    const answer = await fetch("do", { method: "POST", body: JSON.stringify({ whom, what, text }) });
    if (answer.ok) {
      if (!stream || stream.readyState === EventSource.OPEN) banner("");
      return true;
    }
    banner((await answer.json()).error);
  } catch {
    banner(GONE);
  }
  return false;
};
const GONE = "The lab has ended. Start it again with: tailwire lab";

let stream = null;
let model = new Model(about.names);
let offset = 0;
let stopped = null;
const now = () => stopped ?? performance.now() / 1000 + offset;

const phones = about.names.map((name, n) => new Phone(name, PLACES[n], isLive ? (what, text) => act(name, what, text) : null));
find("middle").before(phones[0].element);
if (phones[1]) find("middle").after(phones[1].element);
const machine = new Machine(find("machine"), about.names, about.machine, about.slow ?? 1);
const timeline = new Timeline(find("timeline"), about.names, about.slow ?? 1);

// The server and its switches.

const state = html("output", { class: "state" });
const buttons = {};
const serverButton = (what, shown, title) => {
  buttons[what] = html("button", { type: "button", title, "data-what": what, onclick: () => act("server", buttons[what].dataset.now ?? what) }, shown);
  return buttons[what];
};
if (isLive) {
  find("server").append(state, serverButton("kill", "kill −9", "kill the server's process"), serverButton("restart", "restart", "stop it gracefully and start it again"),
    serverButton("overload", "overload", "suspend the process most of the time"),
    html("a", { href: "save", download: true, class: "button", title: "download a recording: tailwire lab FILE replays it" }, "save"));
} else {
  find("server").append(html("span", { class: "file" }, about.name));
}

const showServer = () => {
  const { up, busy, notice } = model.server;
  say(state, notice ? notice.text : up ? (busy ? "server overloaded" : "server") : "server down");
  set(state, { "data-up": up, "data-busy": busy });
  if (!isLive) return;
  say(buttons.restart, up ? "restart" : "start");
  set(buttons.overload, { "aria-pressed": busy });
  buttons.overload.dataset.now = busy ? "calm" : "overload";
  buttons.kill.disabled = buttons.overload.disabled = !up;
};

const showCounts = () => {
  const { typed, handed, twice, failed } = model.counts;
  const parts = [`${typed} written`, `${handed} handed over`, `${model.underWay} under way`, `${twice} twice`];
  if (failed) parts.push(`${failed} refused`);
  say(find("counts"), typed || twice ? parts.join("  ·  ") : isLive ? "Two clients, a server, a line for each phone, all of them real. Break what you like." : "");
  find("counts").classList.toggle("bad", twice > 0);
};

const draw = (clock) => {
  const time = now();
  for (const phone of phones) phone.render(model);
  machine.render(model, time, clock);
  timeline.render(model, time);
  showServer();
  showCounts();
};

let drawn = 0;
const frame = (clock) => {
  if (clock - drawn >= (reducedMotion.matches ? 250 : 30)) {
    drawn = clock;
    draw(clock);
  }
  requestAnimationFrame(frame);
};

const begin = (log) => {
  model = new Model(about.names);
  offset = log.now - performance.now() / 1000;
  for (const event of log.events) model.apply(event);
  for (const name of about.names) machine.jump(name, model.phones[name].phase);
  banner("");
  document.body.dataset.ready = "yes";
};

if (isLive) {
  stream = new EventSource("events");
  stream.addEventListener("log", (event) => begin(JSON.parse(event.data)));
  stream.addEventListener("message", (event) => {
    const received = JSON.parse(event.data);
    model.apply(received);
    if (received.kind === "transition") machine.move(received);
    if (received.at > now()) offset += received.at - now();
  });
  stream.addEventListener("error", () => banner(GONE));
  setInterval(() => model.prune(now()), 10_000);
} else {
  const replay = new Replay(about, find("player"), find("steps"), (rebuilt, time, moves) => {
    model = rebuilt;
    stopped = time;
    if (moves && moves.length < 4) moves.forEach((move) => machine.move(move));
    else about.names.forEach((name) => machine.jump(name, model.phones[name].phase));
    document.body.dataset.ready = "yes";
  });
  replay.go(0);
}
requestAnimationFrame(frame);
