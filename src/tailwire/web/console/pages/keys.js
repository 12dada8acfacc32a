// The API keys: create one, end one at once or after a while.

import { html, useRef, useState } from "../shared/html.js";
import { request } from "../api.js";
import { byCursor, path } from "../listing.js";
import { Badge, Dialog, Failure, Head, Text, When } from "../parts.js";
import { Table } from "../table.js";
import { say } from "../words.js";

const SCOPES = ["authOnly", "fullAccess"];
const GRACES = ["0", "3600", "86400", "604800"];

const ends = ({ expiresAt }) => (!expiresAt ? say("never") : expiresAt * 1000 <= Date.now() ? html`<${Badge}>${say("ended")}<//>` : html`<${When} at=${expiresAt} />`);
const COLUMNS = [
  { name: "name", title: say("name"), cell: (one) => html`<${Text}>${one.name}<//>`, sort: (one) => one.name },
  { name: "scope", title: say("scope"), cell: (one) => html`<${Badge} tone=${one.scope === "fullAccess" ? "warn" : "plain"}>${one.scope}<//>`, sort: (one) => one.scope },
  { name: "key", title: say("key"), cell: (one) => html`<code>${one.apiKey}</code>` },
  { name: "id", title: "id", cell: (one) => html`<code>${one.id}</code>`, wide: true },
  { name: "used", title: say("lastUsed"), cell: (one) => html`<${When} at=${one.lastUsedAt} />`, sort: (one) => one.lastUsedAt ?? 0 },
  { name: "created", title: say("created"), cell: (one) => html`<${When} at=${one.createdAt} />`, sort: (one) => one.createdAt, wide: true },
  { name: "expires", title: say("expires"), cell: ends, sort: (one) => one.expiresAt ?? Infinity, wide: true },
];

/** Send a form once at a time; return [send, busy, error]. */
function useForm(act) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const send = async (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    setBusy(true);
    setError(null);
    try {
      await act(given);
    } catch (refused) {
      setError(refused);
    }
    setBusy(false);
  };
  return [send, busy, error];
}

function NewKey({ onClose }) {
  const [made, setMade] = useState(null);
  const [copied, setCopied] = useState(false);
  const shown = useRef(null);
  const [send, busy, error] = useForm(async (given) => {
    const { data } = await request("POST", "/apikeys", { name: given.get("name").trim(), scope: given.get("scope") });
    setMade(data);
  });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(made.apiKey);
      setCopied(true);
    } catch {  // the browser does not allow it: the text is selected instead
      getSelection().selectAllChildren(shown.current);
    }
  };
  if (made) {
    return html`<${Dialog} title=${html`<${Text}>${made.name}<//>`} onClose=${onClose}>
      <p class="notice" role="status">${say("keyShownOnce")}</p>
      <pre class="json" ref=${shown} tabindex="0" dir="ltr">${made.apiKey}</pre>
      <footer><button class="button" onClick=${copy}>${copied ? say("copied") : say("copy")}</button></footer>
    <//>`;
  }
  return html`<${Dialog} title=${say("newKey")} onClose=${onClose}>
    <form class="form" onSubmit=${send}>
      <label><span>${say("name")}</span><input name="name" required maxlength="100" autocomplete="off" /></label>
      <label><span>${say("scope")}</span><select name="scope">${SCOPES.map((scope) => html`<option key=${scope} value=${scope}>${scope} – ${say(`scope_${scope}`)}</option>`)}</select></label>
      ${error ? html`<${Failure} error=${error} />` : null}
      <footer><button class="button is-strong" disabled=${busy}>${say("createKey")}</button></footer>
    </form>
  <//>`;
}

function EndKey({ one, onClose, onDone }) {
  const [send, busy, error] = useForm(async (given) => {
    await request("DELETE", path("apikeys", one.id), { grace: Number(given.get("grace")) });
    onDone();
  });
  return html`<${Dialog} title=${html`<${Text}>${one.name}<//>`} onClose=${onClose}>
    <p class="question">${say("endKeyQuestion")}</p>
    <form class="form" onSubmit=${send}>
      <label><span>${say("expires")}</span><select name="grace">${GRACES.map((seconds) => html`<option key=${seconds} value=${seconds}>${say(`grace_${seconds}`)}</option>`)}</select></label>
      ${error ? html`<${Failure} error=${error} />` : null}
      <footer><button class="button is-bad is-strong" disabled=${busy}>${say("endKey")}</button></footer>
    </form>
  <//>`;
}

export function Keys() {
  const [creating, setCreating] = useState(false);
  const [opened, setOpened] = useState(null);
  const [turn, setTurn] = useState(0);
  const changed = () => { setCreating(false); setOpened(null); setTurn(turn + 1); };
  return html`<${Head} title=${say("keys")}><button class="button" onClick=${() => setCreating(true)}>${say("newKey")}</button><//>
    <p class="hint">${say("keysHint")}</p>
    <${Table} label=${say("keys")} columns=${COLUMNS} load=${byCursor("/apikeys")} refresh=${turn} keyOf=${(one) => one.id} onOpen=${setOpened} />
    ${creating ? html`<${NewKey} onClose=${changed} />` : null}
    ${opened ? html`<${EndKey} key=${opened.id} one=${opened} onClose=${() => setOpened(null)} onDone=${changed} />` : null}`;
}
