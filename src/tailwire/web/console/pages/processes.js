// The servers and commands on the database.

import { html, useState } from "../shared/html.js";
import { get } from "../api.js";
import { Badge, Head, Text, When } from "../parts.js";
import { Table } from "../table.js";
import { say } from "../words.js";

const COLUMNS = [
  { name: "name", title: say("process"), cell: (one) => html`<${Text}>${one.name}<//>`, sort: (one) => one.name },
  { name: "serving", title: say("kind"), cell: (one) => (one.serving ? html`<${Badge} tone="good">${say("server")}<//>` : html`<${Badge}>${say("command")}<//>`), sort: (one) => Number(one.serving) },
  { name: "this", title: say("answers"), cell: (one) => (one.answers ? say("yes") : "") },
  { name: "until", title: say("leaseUntil"), cell: (one) => html`<${When} at=${one.until} />`, sort: (one) => one.until ?? 0 },
];

export function Processes() {
  const [turn, setTurn] = useState(0);
  return html`<${Head} title=${say("processes")}><button class="button" onClick=${() => setTurn(turn + 1)}>${say("refresh")}</button><//>
    <p class="hint">${say("processesHint")}</p>
    <${Table} label=${say("processes")} columns=${COLUMNS} load=${async () => ({ rows: await get("/processes") })} refresh=${turn} keyOf=${(one) => one.id} />`;
}
