// The groups: search, one opened with its members, delete.

import { html, useState } from "../shared/html.js";
import { request } from "../api.js";
import { exact, moment } from "../format.js";
import { byCursor, path } from "../listing.js";
import { Badge, Confirm, Dialog, Facts, Head, Json, Name, Search, Text, When } from "../parts.js";
import { Table } from "../table.js";
import { say } from "../words.js";

const COLUMNS = [
  { name: "name", title: say("name"), cell: (one) => html`<${Name} name=${one.name} id=${one.guid} />`, sort: (one) => one.name },
  { name: "type", title: say("type"), cell: (one) => html`<${Badge} tone=${one.type === "public" ? "plain" : "warn"}>${say(`group_${one.type}`)}<//>`, sort: (one) => one.type },
  { name: "members", title: say("members"), cell: (one) => exact(one.membersCount), sort: (one) => one.membersCount, numeric: true },
  { name: "owner", title: say("owner"), cell: (one) => html`<${Text}>${one.owner ?? ""}<//>`, sort: (one) => one.owner ?? "", wide: true },
  { name: "created", title: say("created"), cell: (one) => html`<${When} at=${one.createdAt} />`, sort: (one) => one.createdAt, wide: true },
];
const MEMBERS = [
  { name: "name", title: say("name"), cell: (one) => html`<${Name} name=${one.name} id=${one.uid} />`, sort: (one) => one.name },
  { name: "scope", title: say("scope"), cell: (one) => one.scope, sort: (one) => one.scope },
  { name: "joined", title: say("joined"), cell: (one) => html`<${When} at=${one.joinedAt} />`, sort: (one) => one.joinedAt, wide: true },
];

function Opened({ one, onClose, onChanged }) {
  return html`<${Dialog} title=${html`<${Text}>${one.name}<//>`} onClose=${onClose} wide>
    <${Facts} facts=${[["guid", html`<code class="text">${one.guid}</code>`], [say("type"), say(`group_${one.type}`)], [say("owner"), one.owner && html`<${Text}>${one.owner}<//>`],
      [say("description"), one.description && html`<${Text}>${one.description}<//>`], [say("created"), moment(one.createdAt)]]} />
    ${one.metadata ? html`<h3>${say("metadata")}</h3><${Json} value=${one.metadata} />` : null}
    <h3>${say("members")}</h3>
    <${Table} label=${say("members")} columns=${MEMBERS} load=${byCursor(`${path("groups", one.guid)}/members`)} changes=${[one.guid]} keyOf=${(member) => member.uid} />
    <footer>
      <a class="button" href=${`#/messages/${encodeURIComponent(one.conversationId)}`}>${say("showMessages")}</a>
      <${Confirm} label=${say("deleteGroup")} question=${say("deleteGroupQuestion", { who: one.name })} act=${() => request("DELETE", path("groups", one.guid))} done=${onChanged} />
    </footer>
  <//>`;
}

export function Groups() {
  const [search, setSearch] = useState("");
  const [opened, setOpened] = useState(null);
  const [turn, setTurn] = useState(0);
  return html`<${Head} title=${say("groups")}><${Search} label=${say("searchGroups")} value=${search} onSearch=${setSearch} /><//>
    <${Table} label=${say("groups")} columns=${COLUMNS} load=${byCursor("/groups", { searchKey: search })} changes=${[search]} refresh=${turn}
      keyOf=${(one) => one.guid} onOpen=${setOpened} empty=${say("noGroups")} />
    ${opened ? html`<${Opened} key=${opened.guid} one=${opened} onClose=${() => setOpened(null)} onChanged=${() => { setOpened(null); setTurn(turn + 1); }} />` : null}`;
}
