// The webhooks: their state, and deliveries that wait or have failed, with their bodies, to send again.

import { html, useState } from "../shared/html.js";
import { get, request } from "../api.js";
import { exact, moment } from "../format.js";
import { byCursor, path } from "../listing.js";
import { Badge, Choice, Confirm, Dialog, Facts, Failure, Head, Json, Name, Text, useRequest, When } from "../parts.js";
import { Table } from "../table.js";
import { say } from "../words.js";

const state = ({ enabled, state: { failingSince, waiting } }) => (!enabled ? html`<${Badge}>${say("off")}<//>` : failingSince ? html`<${Badge} tone="bad">${say("failing")}<//>` : waiting ? html`<${Badge} tone="warn">${say("waiting")}<//>` : html`<${Badge} tone="good">${say("working")}<//>`);
const COLUMNS = [
  { name: "name", title: say("name"), cell: (one) => html`<${Name} name=${one.name} id=${one.id} />`, sort: (one) => one.name },
  { name: "state", title: say("state"), cell: state, sort: (one) => Number(one.state.failingSince ?? 0) },
  { name: "waiting", title: say("waiting"), cell: (one) => exact(one.state.waiting), sort: (one) => one.state.waiting, numeric: true },
  { name: "failed", title: say("failed"), cell: (one) => exact(one.state.failed), sort: (one) => one.state.failed, numeric: true },
  { name: "url", title: "URL", cell: (one) => html`<code class="text line">${one.webhookUrl}</code>`, wide: true },
  { name: "success", title: say("lastSuccess"), cell: (one) => html`<${When} at=${one.state.lastSuccessAt} />`, sort: (one) => one.state.lastSuccessAt ?? 0, wide: true },
];
const DELIVERIES = [
  { name: "trigger", title: say("trigger"), cell: (one) => one.trigger, sort: (one) => one.trigger },
  { name: "attempts", title: say("attempts"), cell: (one) => exact(one.attempts), sort: (one) => one.attempts, numeric: true },
  { name: "queued", title: say("queued"), cell: (one) => html`<${When} at=${one.queuedAt} />`, sort: (one) => one.queuedAt },
  { name: "problem", title: say("problem"), cell: (one) => html`<span class="line"><${Text}>${one.problem ?? ""}<//></span>`, wide: true },
];

function Delivery({ webhook, one, onDone }) {
  const [delivery, error, again] = useRequest(() => get(path("webhooks", webhook.id, "deliveries", one.id)), one.id);
  return html`<section class="side"><h3><code class="text">${one.id}</code></h3>
    ${error ? html`<${Failure} error=${error} again=${again} />` : null}
    <${Facts} facts=${[[say("trigger"), one.trigger], [say("attempts"), one.attempts], [say("lastTry"), moment(one.lastTryAt)], [say("nextTry"), moment(one.nextTryAt)], [say("problem"), one.problem && html`<${Text}>${one.problem}<//>`]]} />
    ${delivery ? html`<${Json} value=${delivery.data} />` : null}
    <footer><${Confirm} label=${say("sendAgain")} tone="plain" question=${say("sendAgainQuestion")} act=${() => request("POST", path("webhooks", webhook.id, "deliveries", one.id, "retry"))} done=${onDone} /></footer>
  </section>`;
}

function Opened({ webhook, onClose }) {
  const [status, setStatus] = useState("failed");
  const [delivery, setDelivery] = useState(null);
  const [turn, setTurn] = useState(0);
  const done = () => { setDelivery(null); setTurn(turn + 1); };
  return html`<${Dialog} title=${html`<${Text}>${webhook.name || webhook.id}<//>`} onClose=${onClose} wide>
    <${Facts} facts=${[["URL", html`<code class="text">${webhook.webhookUrl}</code>`], [say("triggers"), webhook.triggers.join(", ")], [say("state"), state(webhook)],
      [say("lastFailure"), webhook.state.lastFailure && html`<${Text}>${webhook.state.lastFailure}<//>`], [say("lastSuccess"), moment(webhook.state.lastSuccessAt)]]} />
    <div class="tools"><${Choice} label=${say("which")} value=${status} onChoose=${(name) => { setStatus(name); setDelivery(null); }} options=${[["failed", say("failed")], ["waiting", say("waiting")]]} />
      ${status === "failed" && webhook.state.failed ? html`<${Confirm} label=${say("sendAllAgain")} tone="plain" question=${say("sendAllAgainQuestion")} act=${() => request("POST", path("webhooks", webhook.id, "deliveries", "retry"))} done=${done} />` : null}</div>
    <${Table} key=${status} label=${say("deliveries")} columns=${DELIVERIES} load=${byCursor(path("webhooks", webhook.id, "deliveries"), { status })} changes=${[status]} refresh=${turn}
      keyOf=${(one) => one.id} onOpen=${setDelivery} empty=${say("noDeliveries")} />
    ${delivery ? html`<${Delivery} key=${delivery.id} webhook=${webhook} one=${delivery} onDone=${done} />` : null}
  <//>`;
}

export function Webhooks() {
  const [opened, setOpened] = useState(null);
  const [turn, setTurn] = useState(0);
  const load = async () => ({ rows: await get("/webhooks") });
  return html`<${Head} title=${say("webhooks")}><button class="button" onClick=${() => setTurn(turn + 1)}>${say("refresh")}</button><//>
    <${Table} label=${say("webhooks")} columns=${COLUMNS} load=${load} refresh=${turn} keyOf=${(one) => one.id} onOpen=${setOpened} empty=${say("noWebhooks")} />
    ${opened ? html`<${Opened} key=${opened.id} webhook=${opened} onClose=${() => { setOpened(null); setTurn(turn + 1); }} />` : null}`;
}
