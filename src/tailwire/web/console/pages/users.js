// The users: search, one opened with its devices, deactivate, delete.

import { html, useState } from "../shared/html.js";
import { get, request } from "../api.js";
import { moment } from "../format.js";
import { byCursor, path } from "../listing.js";
import { Badge, Confirm, Dialog, Facts, Failure, Head, Json, Name, Search, Text, useRequest, When } from "../parts.js";
import { Table } from "../table.js";
import { say } from "../words.js";

const presence = ({ status, deactivatedAt }) => (deactivatedAt ? html`<${Badge} tone="bad">${say("deactivated")}<//>` : status === "offline" ? html`<${Badge}>${say("offline")}<//>` : html`<${Badge} tone="good">${say("online")}<//>`);

const COLUMNS = [
  { name: "name", title: say("name"), cell: (one) => html`<${Name} name=${one.name} id=${one.uid} />`, sort: (one) => one.name },
  { name: "status", title: say("presence"), cell: presence, sort: (one) => one.status },
  { name: "role", title: say("role"), cell: (one) => html`<${Text}>${one.role}<//>`, sort: (one) => one.role ?? "", wide: true },
  { name: "active", title: say("lastActive"), cell: (one) => html`<${When} at=${one.lastActiveAt} />`, sort: (one) => one.lastActiveAt ?? 0, wide: true },
  { name: "created", title: say("created"), cell: (one) => html`<${When} at=${one.createdAt} />`, sort: (one) => one.createdAt, wide: true },
];

function Tokens({ uid }) {
  const [tokens, error, again] = useRequest(() => get(`${path("users", uid)}/auth_tokens`), uid);
  if (error) return html`<${Failure} error=${error} again=${again} />`;
  if (!tokens) return html`<p role="status">${say("loading")}</p>`;
  return html`<h3>${say("devices")}</h3>
    ${tokens.length ? html`<ul class="lines">${tokens.map((one, n) => html`<li key=${n}><code>${one.authToken}</code> <${Text}>${one.platform || one.userAgent || ""}<//> <${When} at=${one.createdAt} /></li>`)}</ul>
      <${Confirm} label=${say("signOutDevices")} question=${say("signOutDevicesQuestion", { who: uid })} act=${() => request("DELETE", `${path("users", uid)}/auth_tokens`)} done=${again} />` : html`<p class="faint">${say("noDevices")}</p>`}`;
}

function Opened({ one, onClose, onChanged }) {
  const [user, error, again] = useRequest(() => get(path("users", one.uid)), one.uid);
  const shown = user ?? one;
  return html`<${Dialog} title=${html`<${Text}>${shown.name}<//>`} onClose=${onClose}>
    ${error && !one.deactivatedAt ? html`<${Failure} error=${error} again=${again} />` : null}
    <${Facts} facts=${[["uid", html`<code class="text">${shown.uid}</code>`], [say("presence"), presence(shown)], [say("role"), shown.role && html`<${Text}>${shown.role}<//>`],
      [say("statusMessage"), shown.statusMessage && html`<${Text}>${shown.statusMessage}<//>`], [say("tags"), shown.tags?.length ? html`<${Text}>${shown.tags.join(", ")}<//>` : ""],
      [say("lastActive"), moment(shown.lastActiveAt)], [say("created"), moment(shown.createdAt)]]} />
    ${shown.metadata ? html`<h3>${say("metadata")}</h3><${Json} value=${shown.metadata} />` : null}
    ${one.deactivatedAt ? null : html`<${Tokens} uid=${one.uid} />`}
    <footer>
      ${one.deactivatedAt
        ? html`<${Confirm} label=${say("reactivate")} tone="plain" question=${say("reactivateQuestion", { who: one.name })} act=${() => request("PUT", "/users", { uidsToActivate: [one.uid] })} done=${onChanged} />`
        : html`<${Confirm} label=${say("deactivate")} question=${say("deactivateQuestion", { who: one.name })} act=${() => request("DELETE", "/users", { uidsToDeactivate: [one.uid] })} done=${onChanged} />`}
      <${Confirm} label=${say("deleteUser")} question=${say("deleteUserQuestion", { who: one.name })} act=${() => request("DELETE", path("users", one.uid), { permanent: true })} done=${onChanged} />
    </footer>
  <//>`;
}

export function Users() {
  const [search, setSearch] = useState("");
  const [opened, setOpened] = useState(null);
  const [turn, setTurn] = useState(0);
  const changed = () => { setOpened(null); setTurn(turn + 1); };
  return html`<${Head} title=${say("users")}><${Search} label=${say("searchUsers")} value=${search} onSearch=${setSearch} /><//>
    <p class="hint">${say("usersHint")} <code dir="ltr">tailwire user create [--data DIR] UID NAME</code></p>
    <${Table} label=${say("users")} columns=${COLUMNS} load=${byCursor("/users", { searchKey: search, withDeactivated: "true" })} changes=${[search]} refresh=${turn}
      keyOf=${(one) => one.uid} onOpen=${setOpened} empty=${say("noUsers")} />
    ${opened ? html`<${Opened} key=${opened.uid} one=${opened} onClose=${() => setOpened(null)} onChanged=${changed} />` : null}`;
}
