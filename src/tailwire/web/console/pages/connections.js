// Who is connected, from where and in which state; and the connections that ended, with the reason.

import { html, useEffect, useState } from "../shared/html.js";
import { get, query, request } from "../api.js";
import { bytes, duration, moment, preciseTime } from "../format.js";
import { Badge, Choice, Dialog, Facts, Failure, Head, Search, Text, useRequest, When } from "../parts.js";
import { Table } from "../table.js";
import { say } from "../words.js";

const PAGE = 100;
const REFRESH_MS = 5000;
const MAX_DUMP_BYTES = 5_000_000;
const MAX_STEPS = 500;

const who = (one) => (one.uid ? html`<${Text}>${one.uid}<//>` : html`<em class="faint">${say("notAuthenticated")}</em>`);
const state = ({ appState, slow }) => html`${appState === "background" ? html`<${Badge} tone="warn">${say("background")}<//>` : appState ? html`<${Badge} tone="good">${say("foreground")}<//>` : html`<span class="faint">–</span>`}${slow ? html` <${Badge} tone="bad">${say("slow")}<//>` : null}`;
const why = ({ end }) => html`<span class="why"><${Badge} tone=${end.by === "client" ? "plain" : end.by === "server" ? "warn" : "bad"}>${say(`by_${end.by}`)}${end.code ? ` ${end.code}` : ""}<//> <${Text}>${end.cause ?? ""}<//></span>`;

const COMMON = [
  { name: "uid", title: say("user"), cell: who, sort: (one) => one.uid ?? "" },
  { name: "device", title: say("device"), cell: (one) => html`<${Text}>${one.platform || one.device}<//>`, sort: (one) => one.platform ?? "", wide: true },
];
const LIVE = [
  ...COMMON,
  { name: "address", title: say("address"), cell: (one) => html`<code>${one.address}</code>`, wide: true },
  { name: "since", title: say("since"), cell: (one) => html`<${When} at=${one.openedAt} />`, sort: (one) => one.openedAt },
  { name: "state", title: say("appState"), cell: state, sort: (one) => one.appState ?? "" },
  { name: "heard", title: say("lastHeard"), cell: (one) => html`<${When} at=${one.lastHeardAt} />`, sort: (one) => one.lastHeardAt, wide: true },
  { name: "queue", title: say("queue"), cell: (one) => bytes(one.buffered), sort: (one) => one.buffered, numeric: true },
];
const ENDED = [
  ...COMMON,
  { name: "ended", title: say("ended"), cell: (one) => html`<${When} at=${one.end.at} />`, sort: (one) => one.end.at },
  { name: "life", title: say("life"), cell: (one) => duration(one.life), sort: (one) => one.life, numeric: true },
  { name: "why", title: say("why"), cell: why, sort: (one) => `${one.end.by}${one.end.code ?? ""}` },
];

const steps = (list, label) => html`<ol class="steps" aria-label=${label}>${list.map(({ at, kind, detail }, n) => html`<li key=${n}><span class="at">${typeof at === "number" ? preciseTime(at) : at}</span><strong>${kind}</strong> <${Text}>${detail ?? ""}<//></li>`)}</ol>`;

/** Return the steps in what a client's `dump()` wrote: its inputs, by the seconds since the first. */
export function stepsOfDump(dump) {
  if (!Array.isArray(dump?.inputs)) throw new TypeError(say("noDump"));
  const begin = Number(dump.inputs[0]?.at);
  return dump.inputs.slice(-MAX_STEPS).map(({ at, chance, input, ...fields }) => ({
    at: `+${(Number(at) - begin).toFixed(3)} s`,
    kind: String(input).slice(0, 80),
    detail: Object.entries(fields).map(([name, value]) => `${name} ${JSON.stringify(value)}`).join(", ").slice(0, 200),
  }));
}

/** The history of the client, from a file that stays in this page. */
function ClientSide() {
  const [found, setFound] = useState(null);
  const [problem, setProblem] = useState("");
  const read = async (file) => {
    setFound(null);
    setProblem("");
    try {
      if (file.size > MAX_DUMP_BYTES) throw new RangeError(say("dumpTooLarge"));
      setFound(stepsOfDump(JSON.parse(await file.text())));
    } catch (error) {
      setProblem(error instanceof SyntaxError ? say("noDump") : error.message);
    }
  };
  const choose = async ({ target }) => {
    const [file] = target.files;
    if (file) await read(file);
    target.value = "";  // so that the same file may be chosen again
  };
  return html`<section class="side"><h3>${say("clientSide")}</h3>
    <label class="file"><span>${say("openDump")}</span><input type="file" accept=".json,application/json" onChange=${choose} /></label>
    <p class="faint">${say("dumpStays")}</p>
    ${problem ? html`<p class="notice is-bad" role="alert">${problem}</p>` : null}
    ${found ? steps(found, say("clientSide")) : null}
  </section>`;
}

function Opened({ one, onClose }) {
  const [events, error, again] = useRequest(() => get(`/connections/${one.id}/events`), one.id);
  return html`<${Dialog} title=${say("connection", { id: one.id })} onClose=${onClose} wide>
    <${Facts} facts=${[
      [say("user"), one.uid && html`<${Text}>${one.uid}<//>`], [say("device"), one.device && html`<${Text}>${one.device}<//>`],
      [say("platform"), one.platform && html`<${Text}>${one.platform}<//>`], [say("address"), one.address],
      [say("since"), moment(one.openedAt)], [say("life"), duration(one.life)],
      [say("why"), one.end && why(one)], [say("features"), one.features.join(", ")]]} />
    <div class="sides">
      <section class="side"><h3>${say("serverSide")}</h3>
        ${error ? html`<${Failure} error=${error} again=${again} />` : events ? steps(events, say("serverSide")) : html`<p role="status">${say("loading")}</p>`}
      </section>
      <${ClientSide} />
    </div>
  <//>`;
}

export function Connections() {
  const [kind, setKind] = useState("live");
  const [uid, setUid] = useState("");
  const [opened, setOpened] = useState(null);
  const [turn, setTurn] = useState(0);
  const [extended, setExtended] = useState(false);
  useEffect(() => {
    const timer = setInterval(() => { if (!document.hidden && kind === "live" && !extended && !opened) setTurn((n) => n + 1); }, REFRESH_MS);
    return () => clearInterval(timer);
  }, [kind, extended, opened]);
  const load = async (before) => {
    const { data, meta } = await request("GET", `/connections${query({ state: kind, uid, before, limit: PAGE })}`);
    return { rows: data, next: meta.next.before };
  };
  return html`<${Head} title=${say("connections")}>
      <${Choice} label=${say("which")} value=${kind} onChoose=${setKind} options=${[["live", say("live")], ["ended", say("ended")]]} />
      <${Search} label=${say("searchUid")} value=${uid} onSearch=${setUid} />
      <button class="button" onClick=${() => { setExtended(false); setTurn(turn + 1); }}>${say("refresh")}</button>
    <//>
    <${Table} key=${kind} label=${say("connections")} columns=${kind === "live" ? LIVE : ENDED} load=${load} changes=${[kind, uid]}
      refresh=${turn} onMore=${() => setExtended(true)} keyOf=${(one) => one.id} onOpen=${setOpened} empty=${say("noConnections")} />
    ${opened ? html`<${Opened} key=${opened.id} one=${opened} onClose=${() => setOpened(null)} />` : null}`;
}
