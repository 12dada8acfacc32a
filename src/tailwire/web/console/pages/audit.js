// The audit log: what keys, commands and settings have changed.

import { html, useState } from "../shared/html.js";
import { query, request } from "../api.js";
import { Choice, Head, Name, Text, When } from "../parts.js";
import { Table } from "../table.js";
import { say } from "../words.js";

const PAGE = 100;
const COLUMNS = [
  { name: "action", title: say("action"), cell: (one) => html`<code>${one.action}</code>` },
  { name: "target", title: say("target"), cell: (one) => html`<span class="line"><${Text}>${one.target ?? ""}<//></span>` },
  { name: "actor", title: say("actor"), cell: (one) => html`<${Name} name=${one.keyName || one.actor} id=${one.actor} />`, wide: true },
  { name: "behalf", title: say("onBehalfOf"), cell: (one) => html`<${Text}>${one.onBehalfOf ?? ""}<//>`, wide: true },
  { name: "details", title: say("details"), cell: (one) => html`<span class="line"><${Text}>${one.details ?? ""}<//></span>`, wide: true },
  { name: "at", title: say("when"), cell: (one) => html`<${When} at=${one.at} />` },
];

export function Audit() {
  const [kind, setKind] = useState("change");
  const load = async (before) => {
    const { data, meta } = await request("GET", `/audit${query({ kind, before, limit: PAGE })}`);
    return { rows: data, next: meta.next.before };
  };
  return html`<${Head} title=${say("audit")}><${Choice} label=${say("which")} value=${kind} onChoose=${setKind} options=${[["change", say("changes")], ["behalf", say("behalf")], ["use", say("uses")]]} /><//>
    <${Table} key=${kind} label=${say("audit")} columns=${kind === "behalf" ? COLUMNS : COLUMNS.filter(({ name }) => name !== "behalf")} load=${load} changes=${[kind]} keyOf=${(one) => one.id} />`;
}
