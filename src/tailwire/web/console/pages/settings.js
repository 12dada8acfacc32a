// The settings of the process, and where each value came from.

import { html, useState } from "../shared/html.js";
import { get } from "../api.js";
import { Badge, Choice, Head, Search } from "../parts.js";
import { Table } from "../table.js";
import { say } from "../words.js";

const COLUMNS = [
  { name: "name", title: say("setting"), cell: (one) => html`<code>${one.name}</code>`, sort: (one) => one.name },
  { name: "value", title: say("value"), cell: (one) => (one.value === "" ? html`<span class="faint">${say("nothingSet")}</span>` : html`<span class="value"><code class="text">${one.value}</code></span>`) },
  { name: "source", title: say("source"), cell: (one) => (one.source === "default" ? html`<span class="faint">${say("default")}</span>` : html`<span class="source"><${Badge} tone="warn">${one.source}<//></span>`), sort: (one) => one.source },
  { name: "meaning", title: say("meaning"), cell: (one) => html`<span class="meaning">${one.meaning}</span>`, wide: true },
];

export function Settings() {
  const [which, setWhich] = useState("all");
  const [search, setSearch] = useState("");
  const load = async () => {
    const rows = await get("/configuration");
    const words = search.toLowerCase();
    return { rows: rows.filter((one) => (which === "all" || one.source !== "default") && `${one.name} ${one.value} ${one.meaning}`.toLowerCase().includes(words)) };
  };
  return html`<${Head} title=${say("settings")}>
      <${Choice} label=${say("which")} value=${which} onChoose=${setWhich} options=${[["all", say("all")], ["set", say("changed")]]} />
      <${Search} label=${say("searchSettings")} value=${search} onSearch=${setSearch} /><//>
    <${Table} label=${say("settings")} columns=${COLUMNS} load=${load} changes=${[which, search]} keyOf=${(one) => one.name} />`;
}
