// The load of the server now, and over the last fifteen minutes.

import { html, useEffect, useState } from "../shared/html.js";
import { Chart } from "../charts.js";
import { bytes, duration, milliseconds, number, rate } from "../format.js";
import { live, subscribe } from "../live.js";
import { Head, Text } from "../parts.js";
import { say } from "../words.js";

const RECENT = 30;  // samples: a minute
const LOW_DISK_BYTES = 1e9;
const LONG_LAG_SECONDS = 0.1;

/** Return what changes with each sample. */
export function useLive() {
  const [state, setState] = useState({ ...live });
  useEffect(() => subscribe((now) => setState({ ...now })), []);
  return state;
}

const Tile = ({ name, value, note, tone = "" }) => html`<li class="tile card ${tone}"><span class="tile-name">${name}</span><strong>${value}</strong><span class="tile-note">${note}</span></li>`;

// The worst of the last minute: a single slow send must not be missed between two samples.
const worst = (samples, of) => samples.slice(-RECENT).reduce((most, one) => Math.max(most, of(one) ?? 0), 0);
const mean = (samples, of) => samples.slice(-RECENT).reduce((sum, one) => sum + of(one), 0) / Math.max(1, samples.slice(-RECENT).length);

function Tiles({ samples, about }) {
  const latest = samples.at(-1);
  const slow = worst(samples, (one) => one.sendP99);
  const lag = worst(samples, (one) => one.loopLag);
  const refusals = mean(samples, (one) => one.refusals);
  const free = about?.sizes.free;
  return html`<ul class="tiles">
    <${Tile} name=${say("connections")} value=${latest ? number(latest.connections) : "–"} note=${latest ? say("usersOnline", { n: latest.users }) : ""} />
    <${Tile} name=${say("messagesPerSecond")} value=${latest ? rate(mean(samples, (one) => one.messages)) : "–"} note=${latest ? say("delivered", { rate: rate(mean(samples, (one) => one.deliveries)) }) : ""} />
    <${Tile} name=${say("slowSends")} value=${slow ? milliseconds(slow) : "–"} note=${say("lastMinute")} tone=${slow > 0.5 ? "is-warn" : ""} />
    <${Tile} name=${say("loopLag")} value=${latest ? milliseconds(lag) : "–"} note=${latest?.level ? say("shedding") : say("lastMinute")} tone=${latest?.level || lag > LONG_LAG_SECONDS ? "is-warn" : ""} />
    <${Tile} name=${say("refusals")} value=${latest ? rate(refusals) : "–"} note=${say("ofRequests", { rate: rate(mean(samples, (one) => one.requests)) })} />
    <${Tile} name=${say("freeDisk")} value=${free === undefined ? "–" : bytes(free)} note=${about ? say("used", { size: bytes(about.sizes.database + about.sizes.uploads) }) : ""} tone=${free < LOW_DISK_BYTES ? "is-bad" : ""} />
    <${Tile} name=${say("webhooksWaiting")} value=${about ? number(about.waitingDeliveries) : "–"} note=${say("deliveries")} />
    <${Tile} name=${say("upFor")} value=${about ? duration(about.process.uptime) : "–"} note=${about ? `Tailwire ${about.process.version}` : ""} />
  </ul>`;
}

export function Overview() {
  const { samples, about } = useLive();
  return html`<${Head} title=${say("overview")}>${about ? html`<span class="faint"><${Text}>${about.process.name}<//></span>` : null}<//>
    <${Tiles} samples=${samples} about=${about} />
    <div class="charts">
      <${Chart} title=${say("connections")} samples=${samples} format=${number} lines=${[
        { name: say("connections"), of: (one) => one.connections, colour: "1", least: 4 },
        { name: say("users"), of: (one) => one.users, colour: "2" }]} />
      <${Chart} title=${say("messagesPerSecond")} samples=${samples} format=${rate} lines=${[
        { name: say("stored"), of: (one) => one.messages, colour: "1" },
        { name: say("deliveredName"), of: (one) => one.deliveries, colour: "2" }]} />
      <${Chart} title=${say("sendTime")} samples=${samples} format=${milliseconds} lines=${[
        { name: "p99", of: (one) => one.sendP99, colour: "3", least: 0.01, dots: true },
        { name: "p50", of: (one) => one.sendP50, colour: "1", dots: true }]} />
      <${Chart} title=${say("loopLag")} samples=${samples} format=${milliseconds} lines=${[
        { name: say("loopLag"), of: (one) => one.loopLag, colour: "4", least: 0.01 }]} />
      <${Chart} title=${say("requestsPerSecond")} samples=${samples} format=${rate} lines=${[
        { name: say("requests"), of: (one) => one.requests, colour: "1" },
        { name: say("refusals"), of: (one) => one.refusals, colour: "3" }]} />
      <${Chart} title=${say("framesPerSecond")} samples=${samples} format=${rate} lines=${[
        { name: say("received"), of: (one) => one.frames, colour: "2" }]} />
    </div>`;
}
