// The API keys, which are created and replaced with `tailwire keys`.

import { html } from "../shared/html.js";
import { numbered } from "../listing.js";
import { Badge, Head, Text, When } from "../parts.js";
import { Table } from "../table.js";
import { say } from "../words.js";

const COLUMNS = [
  { name: "name", title: say("name"), cell: (one) => html`<${Text}>${one.name}<//>`, sort: (one) => one.name },
  { name: "scope", title: say("scope"), cell: (one) => html`<${Badge} tone=${one.scope === "fullAccess" ? "warn" : "plain"}>${one.scope}<//>`, sort: (one) => one.scope },
  { name: "key", title: say("key"), cell: (one) => html`<code>${one.apiKey}</code>` },
  { name: "id", title: "id", cell: (one) => html`<code>${one.id}</code>`, wide: true },
  { name: "used", title: say("lastUsed"), cell: (one) => html`<${When} at=${one.lastUsedAt} />`, sort: (one) => one.lastUsedAt ?? 0 },
  { name: "created", title: say("created"), cell: (one) => html`<${When} at=${one.createdAt} />`, sort: (one) => one.createdAt, wide: true },
  { name: "expires", title: say("expires"), cell: (one) => (one.expiresAt ? html`<${When} at=${one.expiresAt} />` : say("never")), sort: (one) => one.expiresAt ?? 0, wide: true },
];

export function Keys() {
  return html`<${Head} title=${say("keys")} /><p class="hint">${say("keysHint")}</p>
    <${Table} label=${say("keys")} columns=${COLUMNS} load=${numbered("/apikeys")} keyOf=${(one) => one.id} />`;
}
